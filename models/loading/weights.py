"""Strict loading: every tensor of the backbone is in the file, or loading fails with the reason.

Wherever a checkpoint keeps the backbone (`teacher`, `state_dict`, `module.`, `backbone.`,
`feature_extractor.backbone.`, …), it is found by content: it is the prefix below which the
backbone's own names stand. Files are looked for on this machine only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tvseg_bench.benchmark.errors import MissingWeightsError, ModelError
from tvseg_bench.benchmark.plugins.resolve import file_sha256
from tvseg_bench.benchmark.plugins.weights import locate
from tvseg_bench.benchmark.types import ModelCard
from tvseg_bench.models.loading import matching
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

    Raises:
        MissingWeightsError: naming the file that is wanted, its address and where to put it.
    """
    path = weights or locate.find(card, timm=timm)
    if path is not None:
        return path
    source = f"fetch them from {card.weights_url}, " if card.weights_url else ""
    raise MissingWeightsError(
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
    tensors: Mapping[str, Tensor] | None = None,
    prefer: Sequence[str] = (),
    ignore: Sequence[str] = HEADS,
    naming: Naming = NAMINGS["timm"],
    card: ModelCard | None = None,
) -> WeightsReport:
    """Load a backbone from a file, completely or not at all.

    Args:
        module: the backbone; its state dict gives the names and shapes that are wanted.
        tensors: of the file, where it was read before.
        prefer: beginnings of the prefix to choose by, in this order, where the file holds
            several complete and different backbones (student and teacher).
        ignore: patterns of names that may stand beside the backbone's, below its prefix.
        card: of the model, to name the one of its family that the file may be.

    Raises:
        ModelError: if a tensor is missing, has another shape, is not finite, or one too many
            stands among them; the module is unchanged then.
    """
    if _loads_nothing.get():
        return WeightsReport(revision="", prefix="", matched=0, ignored=())
    tensors = read_tensors(path) if tensors is None else tensors
    state: dict[str, Tensor] = module.state_dict()
    wanted = {name: tensor for name, tensor in state.items() if not name.endswith(COUNTERS)}
    named = matching.rename_all(path, tensors, naming)
    places = [
        matching.match_below(
            named, wanted, prefix, naming, (*ignore, *naming.ignore, f"*{COUNTERS}")
        )
        for prefix in matching.prefixes_of(named, wanted)
    ]
    meant = matching.preferred(places, prefer, len(wanted)) or places
    complete = [place for place in meant if place.is_complete]
    if not complete:
        best = max(meant, key=lambda m: (m.matched, len(m.wrong)), default=None)
        raise ModelError(_refusal(path, named, wanted, best, card))
    match = matching.only_one(path, complete)
    _check_finite(path, match.found)
    counters = {name: tensor for name, tensor in state.items() if name not in wanted}
    module.load_state_dict({**match.found, **counters}, strict=True)
    return WeightsReport(
        revision=f"sha256:{file_sha256(path)}",
        prefix=match.prefix,
        matched=len(wanted),
        ignored=tuple(sorted(name for name in tensors if not match.has(naming.rename(name)))),
    )


def _check_finite(path: Path, tensors: Mapping[str, Tensor]) -> None:
    for name, tensor in tensors.items():
        if not tensor.isfinite().all():
            raise ModelError(f"{path}: the tensor {name} holds NaN or infinity; fetch it again")


def _refusal(
    path: Path,
    tensors: Mapping[str, Tensor],
    wanted: Mapping[str, Tensor],
    best: matching.PrefixMatch | None,
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
