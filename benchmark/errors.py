"""Errors that speak to the user: one sentence, with what to type next."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class TvsegError(Exception):
    """A mistake the user can mend; its text is one clear sentence, shown without a traceback."""


class UsageError(TvsegError):
    """What was typed does not name something that exists or fits (exit code 2)."""


class DataError(TvsegError):
    """A data set, frame, mask or video file is missing or not what its layout promises."""


class ModelError(TvsegError):
    """A model or its weights cannot be used as asked."""


class NotApplicableError(TvsegError):
    """A protocol does not apply to this data set; the cell is `skipped` with this reason."""


class MissingExtraError(TvsegError):
    """An optional package is needed; the text names the extra that brings it."""

    def __init__(self, package: str, extra: str, wanted_for: str) -> None:
        super().__init__(
            f"{wanted_for} needs the package {package!r}, which is not installed; "
            f"type: pip install 'tvseg-bench[{extra}]'"
        )


def did_you_mean(kind: str, name: str, known: Iterable[str]) -> str:
    """Return the sentence for an unknown name, with the nearest known ones.

    Example:
        >>> did_you_mean("model", "dino/vits61", ["dino/vits16", "dino/vitb16"])
        "unknown model 'dino/vits61'; did you mean 'dino/vits16' or 'dino/vitb16'?"
        >>> did_you_mean("protocol", "zzz", ["linear"])
        "unknown protocol 'zzz'; known: linear"
    """
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.6)
    if near:
        return f"unknown {kind} {name!r}; did you mean {' or '.join(map(repr, near))}?"
    return f"unknown {kind} {name!r}; known: {', '.join(names)}"
