"""Errors for the user: one sentence each, with what to type next."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from itertools import groupby

_MOST_NAMED = 20


class TvsegError(Exception):
    """A mistake that the user can correct; its text is one sentence, shown without a traceback."""


class UsageError(TvsegError):
    """What was typed does not name something that exists or fits (exit code 2)."""


class DataError(TvsegError):
    """A data set, frame, mask or video file is missing or not what its layout promises."""


class ModelError(TvsegError):
    """A model or its weights cannot be used as asked."""


class MissingWeightsError(ModelError):
    """The weights of a model are not on this machine; another one may hold them."""


class ProtocolError(TvsegError):
    """A protocol breaks its contract: what it returns is not what its entry declares."""


class NotApplicableError(TvsegError):
    """A protocol does not apply to this data set; the cell is `skipped` with this reason."""


class MissingExtraError(TvsegError):
    """An optional package is needed; the text names the extra that brings it."""

    def __init__(self, package: str, extra: str, wanted_for: str) -> None:
        super().__init__(
            f"{wanted_for} needs the package {package!r}, which is not installed; "
            f"type: pip install 'tvseg-bench[{extra}]'"
        )


def did_you_mean(kind: str, name: str, known: Iterable[str], listing: str = "") -> str:
    """Return the sentence for an unknown name: the nearest, its family's, or all known ones.

    Args:
        kind: what the name should be of.
        known: names, families before a slash.
        listing: command that lists the known ones, named where none is near.

    Example:
        >>> did_you_mean("model", "dino/vits61", ["dino/vits16", "dino/vitb16"])
        "unknown model 'dino/vits61'; did you mean 'dino/vits16' or 'dino/vitb16'?"
        >>> did_you_mean("model", "dino", ["dino/vits16", "timet/vits16"])
        "unknown model 'dino'; of dino there is dino/vits16"
        >>> did_you_mean("protocol", "zzz", ["linear"])
        "unknown protocol 'zzz'; known: linear"
    """
    names = sorted(set(known))
    unknown = f"unknown {kind} {name!r}"
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.6)
    if near:
        return f"{unknown}; did you mean {' or '.join(map(repr, near))}?"
    family = name.partition("/")[0]
    kin = [one for one in names if one.startswith(f"{family}/")]
    if kin:
        return f"{unknown}; of {family} there {'is' if len(kin) == 1 else 'are'} {', '.join(kin)}"
    shown = ", ".join(names if len(names) <= _MOST_NAMED else _families(names))
    return f"{unknown}; known: {shown}" + (f"; type: {listing}" if listing else "")


def _families(names: Sequence[str]) -> list[str]:
    """Return names in which those of one family, before a slash, are one."""
    groups = [(f, list(of)) for f, of in groupby(names, lambda name: name.partition("/")[0])]
    return [of[0] if len(of) == 1 else f"{family}/... ({len(of)})" for family, of in groups]
