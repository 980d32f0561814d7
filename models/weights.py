"""Strict loading: every tensor of the backbone is in the file, or loading fails and says why.

Wherever a checkpoint keeps the backbone (`teacher`, `state_dict`, `module.`, `backbone.`,
`feature_extractor.backbone.`, …), it is found by content: it is the prefix below which the
backbone's own names stand. Files are looked for on this machine only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from tvseg_bench.benchmark.errors import ModelError
from tvseg_bench.benchmark.home import home
from tvseg_bench.benchmark.plugins import file_sha256
from tvseg_bench.benchmark.types import ModelCard
from tvseg_bench.models.checkpoint import read_tensors

if TYPE_CHECKING:
    from torch import Tensor, nn

HEADS = (
    *("head.*", "heads.*", "head_dist.*", "fc.*", "classifier.*", "attn_pool.*"),
    *("projection_head.*", "prototypes", "prototypes.*", "dino_head.*", "ibot_head.*"),
    *("mask_token", "masked_embed", "decoder_*"),
)
"""What may stand beside a backbone, below the same prefix, and is not loaded."""

_MAX_PREFIXES = 16
"""Places that are compared in full; a backbone has nearly all names below one prefix."""

SUFFIXES = (".safetensors", ".pth", ".pt", ".ckpt")


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
    """Names of the tensors that are not the backbone's, sorted."""


def find_weights(card: ModelCard, weights: Path | None = None) -> Path:
    """Return the weights file of a model: the one given, else the one in its place.

    The place is the folder `weights` in TVSEG_HOME; the file has its official name or the
    model's with `-` for `/`. Nothing is ever downloaded.

    Raises:
        ModelError: naming the file that is wanted, its address and where to put it.
    """
    if weights is not None:
        return weights
    folder = home() / "weights"
    official = (card.weights_url or "").rpartition("/")[2]
    names = [card.name.replace("/", "-") + suffix for suffix in SUFFIXES]
    if official.endswith(SUFFIXES):
        names.insert(0, official)
    for name in names:
        if (folder / name).is_file():
            return folder / name
    source = f"fetch them from {card.weights_url}, " if card.weights_url else ""
    raise ModelError(
        f"the weights of {card.name} are not on this machine: {source}put them at "
        f"{folder / names[0]}, or type --weights FILE"
    )


def load_weights(
    module: nn.Module,
    path: Path,
    *,
    prefer: Sequence[str] = (),
    ignore: Sequence[str] = HEADS,
) -> WeightsReport:
    """Load a backbone from a file, completely or not at all.

    Args:
        module: the backbone; its state dict says which names and shapes are wanted.
        path: safetensors or torch file.
        prefer: beginnings of the prefix to choose by, in this order, where the file holds
            several complete and different backbones (student and teacher).
        ignore: patterns of names that may stand beside the backbone's, below its prefix.

    Raises:
        ModelError: if a tensor is missing, has another shape, is not finite, or one too many
            stands among them; the module is unchanged then.
    """
    tensors = read_tensors(path)
    wanted: dict[str, Tensor] = module.state_dict()
    prefixes = _prefixes(tensors, wanted)
    matches = [_match(tensors, wanted, prefix, ignore) for prefix in prefixes]
    complete = [match for match in matches if match.is_complete]
    if not complete:
        best = max(matches, key=lambda m: (m.matched, len(m.wrong)), default=None)
        raise ModelError(_refusal(path, tensors, wanted, best))
    match = _choose(path, complete, tensors, wanted, prefer)
    found = {name: tensors[match.prefix + name] for name in wanted}
    _check_finite(path, found)
    module.load_state_dict(found, strict=True)
    loaded = {match.prefix + name for name in wanted}
    return WeightsReport(
        revision=f"sha256:{file_sha256(path)}",
        prefix=match.prefix,
        matched=len(wanted),
        ignored=tuple(sorted(set(tensors) - loaded)),
    )


# ---------------------------------------------------------------------------- matching


@dataclass(kw_only=True)
class _Match:
    """How the names and shapes below one prefix agree with those that are wanted."""

    prefix: str
    matched: int = 0
    missing: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)

    @property
    def is_complete(self) -> bool:
        return not (self.missing or self.wrong or self.unexpected)


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
    ignore: Sequence[str],
) -> _Match:
    match = _Match(prefix=prefix)
    for name, tensor in wanted.items():
        found = tensors.get(prefix + name)
        if found is None:
            match.missing.append(_named(name, tensor))
        elif not _fits(found, tensor):
            match.wrong.append(f"{_named(name, found)} for {list(tensor.shape)}")
        else:
            match.matched += 1
    for key, tensor in tensors.items():
        name = key.removeprefix(prefix)
        below = key.startswith(prefix) and name not in wanted
        if below and not any(fnmatchcase(name, pattern) for pattern in ignore):
            match.unexpected.append(_named(name, tensor))
    return match


def _fits(found: Tensor, wanted: Tensor) -> bool:
    same_kind = found.is_floating_point() == wanted.is_floating_point()
    return found.shape == wanted.shape and same_kind


def _choose(
    path: Path,
    complete: Sequence[_Match],
    tensors: Mapping[str, Tensor],
    wanted: Iterable[str],
    prefer: Sequence[str],
) -> _Match:
    """Return the complete backbone that is meant where a file holds several."""
    for beginning in prefer:
        for match in complete:
            if match.prefix.startswith(beginning):
                return match
    first, *others = complete
    for other in others:
        pairs = ((tensors[first.prefix + n], tensors[other.prefix + n]) for n in wanted)
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
    path: Path, tensors: Mapping[str, Tensor], wanted: Mapping[str, Tensor], best: _Match | None
) -> str:
    if best is None:
        return (
            f"{path} holds no tensor of this backbone: 0 of {len(wanted)} names are in it, its "
            f"{len(tensors)} tensors are {_some(sorted(tensors))}; it belongs to another "
            "architecture"
        )
    place = f" below {best.prefix!r}" if best.prefix else ""
    counts = [f"{best.matched} of {len(wanted)} tensors match{place}"]
    for word, names in (
        ("missing", best.missing),
        ("of another shape", best.wrong),
        ("unexpected", best.unexpected),
    ):
        counts.append(f"{len(names)} {word} ({_some(names)})" if names else f"0 {word}")
    return (
        f"{path} does not hold this backbone: {', '.join(counts)}; {_hint(tensors, wanted, best)}"
    )


def _hint(tensors: Mapping[str, Tensor], wanted: Mapping[str, Tensor], best: _Match) -> str:
    below = {
        key.removeprefix(best.prefix): value
        for key, value in tensors.items()
        if key.startswith(best.prefix)
    }
    theirs, ours = _architecture(below), _architecture(wanted)
    if theirs and theirs != ours:
        return f"the file is a {theirs}, expected a {ours}"
    return "it is another model, or the file was cut or renamed"


def _architecture(tensors: Mapping[str, Tensor]) -> str | None:
    """Name a ViT by its shapes, None for anything else."""
    patch = tensors.get("patch_embed.proj.weight")
    if patch is None or patch.ndim != 4:
        return None
    blocks = {name.split(".")[1] for name in tensors if name.startswith("blocks.")}
    return f"ViT of width {patch.shape[0]}, depth {len(blocks)}, patch {patch.shape[-1]}"


def _named(name: str, tensor: Tensor) -> str:
    return f"{name} {list(tensor.shape)}"


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
