"""Strict loading: every tensor of the backbone is in the file, or loading fails with the reason.

Wherever a checkpoint keeps the backbone (`teacher`, `state_dict`, `module.`, `backbone.`,
`feature_extractor.backbone.`, …), it is found by content: it is the prefix below which the
backbone's own names stand. Files are looked for on this machine only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from tvseg_bench.benchmark.errors import ModelError
from tvseg_bench.benchmark.plugins.resolve import file_sha256
from tvseg_bench.benchmark.plugins.weights import locate
from tvseg_bench.benchmark.types import ModelCard
from tvseg_bench.models.loading.architecture import refusal, some
from tvseg_bench.models.loading.checkpoint import read_tensors
from tvseg_bench.models.loading.naming import NAMINGS, Naming

if TYPE_CHECKING:
    from torch import Tensor, nn

HEADS = (
    *("head.*", "heads.*", "head_dist.*", "fc.*", "classifier.*", "attn_pool.*"),
    *("projection_head.*", "prototypes", "prototypes.*", "dino_head.*", "ibot_head.*"),
    *("mask_token", "masked_embed", "decoder_*"),
)
"""What may stand beside a backbone, below the same prefix, and is not loaded."""

COUNTERS = "num_batches_tracked"
"""Of batch norm: they take no part in the features, and some releases left them out."""

_loads_nothing: ContextVar[bool] = ContextVar("loads_nothing", default=False)

_MAX_PREFIXES = 16
"""Places that are compared in full; a backbone has nearly all names below one prefix."""


@dataclass(frozen=True, kw_only=True)
class WeightsReport:
    """What was loaded from where."""

    revision: str
    """`sha256:` of the file."""
    prefix: str
    """Where the backbone stands in the file, containers and dots included; often empty."""
    matched: int
    """Tensors loaded: all of the backbone."""
    ignored: tuple[str, ...]
    """Names of the tensors in the file that are not the backbone's, sorted."""


def find_weights(card: ModelCard, weights: Path | None = None, timm: str | None = None) -> Path:
    """Return the weights file of a model: the one given, else the one in its place.

    Nothing is ever downloaded; `benchmark.plugins.weights.locate` lists the places.

    Args:
        card: whose weights.
        weights: the file that the user named.
        timm: the name of the same weights in timm.

    Raises:
        ModelError: naming the file that is wanted, its address and where to put it.
    """
    path = weights or locate.find(card, timm=timm)
    if path is not None:
        return path
    source = f"fetch them from {card.weights_url}, " if card.weights_url else ""
    raise ModelError(
        f"the weights of {card.name} are not on this machine: {source}put them at "
        f"{locate.place(card)}, or type --weights FILE"
    )


@contextmanager
def architecture_only() -> Iterator[None]:
    """Let models be built without their weights: `load_weights` leaves every module as it is.

    For whoever loads all of them afterwards, from a file whose names are the built model's own.
    """
    token = _loads_nothing.set(True)
    try:
        yield
    finally:
        _loads_nothing.reset(token)


def load_weights(
    module: nn.Module,
    path: Path,
    *,
    prefer: Sequence[str] = (),
    ignore: Sequence[str] = HEADS,
    naming: Naming = NAMINGS["timm"],
    card: ModelCard | None = None,
) -> WeightsReport:
    """Load a backbone from a file, completely or not at all.

    Args:
        module: the backbone; its state dict gives the names and shapes that are wanted.
        path: safetensors or torch file.
        prefer: beginnings of the prefix to choose by, in this order, where the file holds
            several complete and different backbones (student and teacher).
        ignore: patterns of names that may stand beside the backbone's, below its prefix.
        naming: how the file names its tensors.
        card: of the model, to name the one of its family that the file may be.

    Raises:
        ModelError: if a tensor is missing, has another shape, is not finite, or one too many
            stands among them; the module is unchanged then.
    """
    return load_tensors(
        module,
        read_tensors(path),
        path,
        prefer=prefer,
        ignore=ignore,
        naming=naming,
        card=card,
    )


def load_tensors(
    module: nn.Module,
    tensors: Mapping[str, Tensor],
    path: Path,
    *,
    prefer: Sequence[str] = (),
    ignore: Sequence[str] = HEADS,
    naming: Naming = NAMINGS["timm"],
    card: ModelCard | None = None,
) -> WeightsReport:
    """Do as `load_weights` with the tensors of a file that was read before."""
    if _loads_nothing.get():
        return WeightsReport(revision="", prefix="", matched=0, ignored=())
    state: dict[str, Tensor] = module.state_dict()
    wanted = {name: tensor for name, tensor in state.items() if not name.endswith(COUNTERS)}
    named = _renamed(path, tensors, naming)
    places = [
        _match(named, wanted, prefix, naming, (*ignore, *naming.ignore, f"*{COUNTERS}"))
        for prefix in _prefixes(named, wanted)
    ]
    meant = _preferred(places, prefer, len(wanted)) or places
    complete = [place for place in meant if place.is_complete]
    if not complete:
        best = max(meant, key=lambda m: (m.matched, len(m.wrong)), default=None)
        raise ModelError(_refusal(path, named, wanted, best, card))
    match = _only(path, complete)
    _check_finite(path, match.found)
    counters = {name: tensor for name, tensor in state.items() if name not in wanted}
    module.load_state_dict({**match.found, **counters}, strict=True)
    return WeightsReport(
        revision=f"sha256:{file_sha256(path)}",
        prefix=match.prefix,
        matched=len(wanted),
        ignored=tuple(sorted(name for name in tensors if not match.has(naming.rename(name)))),
    )


# ---------------------------------------------------------------------------- matching


@dataclass(kw_only=True)
class _Match:
    """How the names and shapes below one prefix agree with those that are wanted."""

    prefix: str
    found: dict[str, Tensor] = field(default_factory=dict)
    """The wanted tensors, by the backbone's own names."""
    sources: set[str] = field(default_factory=set)
    """The renamed names below the prefix that were used."""
    missing: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)

    @property
    def matched(self) -> int:
        return len(self.found)

    @property
    def is_complete(self) -> bool:
        return not (self.missing or self.wrong or self.unexpected)

    def has(self, name: str) -> bool:
        """Whether a renamed name of the file was used."""
        return name.startswith(self.prefix) and name[len(self.prefix) :] in self.sources


def _renamed(path: Path, tensors: Mapping[str, Tensor], naming: Naming) -> dict[str, Tensor]:
    named = {naming.rename(name): tensor for name, tensor in tensors.items()}
    if len(named) < len(tensors):
        counts = Counter(naming.rename(name) for name in tensors)
        double = next(name for name, count in counts.items() if count > 1)
        raise ModelError(f"{path} holds two tensors for {double}; it was put together wrongly")
    return named


def _prefixes(tensors: Iterable[str], wanted: Mapping[str, object]) -> list[str]:
    """Return where wanted names may stand in the file, most names first.

    Example:
        >>> _prefixes(["a.module.norm.weight", "a.module.norm.bias"], {"norm.weight": 0})
        ['a.module.']
    """
    counts: Counter[str] = Counter()
    for key in tensors:
        start = 0
        while start >= 0:
            if key[start:] in wanted:
                counts[key[:start]] += 1
            start = key.find(".", start) + 1 or -1
    return sorted(counts, key=lambda prefix: (-counts[prefix], prefix))[:_MAX_PREFIXES]


def _match(
    tensors: Mapping[str, Tensor],
    wanted: Mapping[str, Tensor],
    prefix: str,
    naming: Naming,
    ignore: Sequence[str],
) -> _Match:
    raw = {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }
    below = naming.finish(raw, wanted)
    match = _Match(prefix=prefix)
    for name, tensor in wanted.items():
        found = below.get(name)
        if found is None:
            match.missing.append(_named(name, tensor))
        elif not _fits(found, tensor):
            match.wrong.append(f"{_named(name, found)} for {list(tensor.shape)}")
        else:
            match.found[name] = found
    for name, tensor in below.items():
        if name not in wanted and not any(fnmatchcase(name, pattern) for pattern in ignore):
            match.unexpected.append(_named(name, tensor))
    match.sources = {name for name in raw if name in wanted or name not in below}
    return match


def _fits(found: Tensor, wanted: Tensor) -> bool:
    same_kind = found.is_floating_point() == wanted.is_floating_point()
    return found.shape == wanted.shape and same_kind


def _preferred(places: Sequence[_Match], prefer: Sequence[str], wanted: int) -> list[_Match]:
    """Return the place that is meant where a file holds several, none without a preference.

    It is meant even if it is damaged: a complete student must not stand in for a broken teacher.
    """
    for beginning in prefer:
        there = [place for place in places if place.prefix.startswith(beginning)]
        best = max(there, key=lambda m: (m.is_complete, m.matched), default=None)
        if best is not None and 2 * best.matched > wanted:
            return [best]
    return []


def _only(path: Path, complete: Sequence[_Match]) -> _Match:
    """Return the backbone of a file, which may hold equal copies but not different ones."""
    first, *others = complete
    for other in others:
        pairs = ((first.found[name], other.found[name]) for name in first.found)
        if not all(a.float().equal(b.float()) for a, b in pairs):
            places = " and ".join(repr(match.prefix) for match in complete)
            raise ModelError(
                f"{path} holds several different backbones, below {places}; save the one you "
                "mean in a file of its own"
            )
    return first


def _check_finite(path: Path, tensors: Mapping[str, Tensor]) -> None:
    for name, tensor in tensors.items():
        if not tensor.isfinite().all():
            raise ModelError(f"{path}: the tensor {name} holds NaN or infinity; fetch it again")


# ---------------------------------------------------------------------------- sentences


def _refusal(
    path: Path,
    tensors: Mapping[str, Tensor],
    wanted: Mapping[str, Tensor],
    best: _Match | None,
    card: ModelCard | None,
) -> str:
    """Describe what is missing, wrong or too much, and what the file seems to be."""
    theirs = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    ours = {name: tuple(tensor.shape) for name, tensor in wanted.items()}
    if best is None:
        return refusal(path, f"0 of {len(wanted)} tensors match", theirs, ours, "", card)
    place = f" below {best.prefix!r}" if best.prefix else ""
    counts = [f"{best.matched} of {len(wanted)} tensors match{place}"]
    for word, names in (
        ("missing", best.missing),
        ("of another shape", best.wrong),
        ("unexpected", best.unexpected),
    ):
        counts.append(f"{len(names)} {word} ({some(names)})" if names else f"0 {word}")
    return refusal(path, ", ".join(counts), theirs, ours, best.prefix, card)


def _named(name: str, tensor: Tensor) -> str:
    return f"{name} {list(tensor.shape)}"
