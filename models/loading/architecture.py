"""Recognising an architecture from the shapes of a file's tensors, to name it in messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tvseg_bench.benchmark.registry import models
from tvseg_bench.benchmark.types import ModelCard

Shapes = Mapping[str, Sequence[int]]
"""Names of tensors, as timm or the official files have them, and their shapes."""

_VIT_SIZES = {
    (192, 12): "Ti",
    (384, 12): "S",
    (768, 12): "B",
    (1024, 24): "L",
    (1280, 32): "H",
    (1408, 40): "g",
    (1536, 40): "g",
    (4096, 40): "7B",
}
_REGISTERS = ("reg_token", "register_tokens", "storage_tokens")
_GATES = tuple(f"blocks.0.mlp.{layer}.weight" for layer in ("fc1_g", "w1", "w12"))
_RESNETS: dict[tuple[int, ...], str] = {
    (2, 2, 2, 2): "ResNet-18",
    (3, 4, 6, 3): "ResNet-50",
    (3, 4, 23, 3): "ResNet-101",
}


@dataclass(frozen=True)
class Architecture:
    """A backbone as far as shapes show it; how many heads it has they do not."""

    family: str
    """`ViT`, `video ViT`, `ConvNeXt`, `ResNet`."""
    dim: int
    """Channels of its features."""
    depth: int
    """Blocks."""
    patch: int | None = None
    registers: int = 0
    gated: bool = False
    """Whether its MLPs are SwiGLU."""
    name: str = ""

    def __str__(self) -> str:
        """Return `ViT-B/16 (dim 768, depth 12)`."""
        size = f"-{self.name}" if self.name and self.patch else ""
        title = f"{self.family}{size}/{self.patch}" if self.patch else self.name or self.family
        extra = f", {self.registers} registers" if self.registers else ""
        gated = ", SwiGLU" if self.gated else ""
        return f"{title} (dim {self.dim}, depth {self.depth}{extra}{gated})"


def architecture(shapes: Shapes) -> Architecture | None:
    """Return the architecture of a backbone from its shapes, None where it is not known.

    Example:
        >>> shapes = {"patch_embed.proj.weight": (768, 3, 16, 16)}
        >>> shapes |= {f"blocks.{i}.norm1.weight": (768,) for i in range(12)}
        >>> print(architecture(shapes))
        ViT-B/16 (dim 768, depth 12)
    """
    patch = shapes.get("patch_embed.proj.weight")
    if patch is not None and len(patch) in (4, 5):
        return _vit(shapes, patch)
    if "conv1.weight" in shapes and "layer1.0.conv1.weight" in shapes:
        return _resnet(shapes)
    if "stem.0.weight" in shapes:
        return _convnext(shapes)
    return None


def _vit(shapes: Shapes, patch: Sequence[int]) -> Architecture:
    blocks = {name.split(".")[1] for name in shapes if name.startswith("blocks.")}
    registers = next((shapes[name] for name in _REGISTERS if name in shapes), ())
    hidden = shapes.get("blocks.0.mlp.fc1.weight", (0, 1))[0]
    behind = shapes.get("blocks.0.mlp.fc2.weight", (0, hidden))[-1]
    return Architecture(
        "ViT" if len(patch) == 4 else "video ViT",
        patch[0],
        len(blocks),
        patch[-1],
        registers[1] if len(registers) == 3 else 0,
        any(name in shapes for name in _GATES) or hidden == 2 * behind > 0,
        _VIT_SIZES.get((patch[0], len(blocks)), ""),
    )


def _resnet(shapes: Shapes) -> Architecture:
    depths = tuple(_count(shapes, f"layer{i}.", 1) for i in range(1, 5))
    last = shapes.get("layer4.0.conv3.weight") or shapes.get("layer4.0.conv2.weight") or (0,)
    return Architecture("ResNet", last[0], sum(depths), name=_RESNETS.get(depths, ""))


def _convnext(shapes: Shapes) -> Architecture:
    depth = sum(_count(shapes, f"stages.{i}.blocks.", 3) for i in range(4))
    last = shapes.get("head.norm.weight") or shapes.get("stages.3.blocks.0.gamma") or (0,)
    return Architecture("ConvNeXt", last[0], depth)


def _count(shapes: Shapes, beginning: str, component: int) -> int:
    return len({name.split(".")[component] for name in shapes if name.startswith(beginning)})


# ---------------------------------------------------------------------------- sentences


def refusal(
    path: Path, counts: str, theirs: Shapes, ours: Shapes, prefix: str, card: ModelCard | None
) -> str:
    """Return the sentence for a file that does not hold the wanted backbone."""
    below = {n.removeprefix(prefix): s for n, s in theirs.items() if n.startswith(prefix)}
    found, wanted = architecture(below), architecture(ours)
    who = f"the backbone of {card.name}" if card else "this backbone"
    if found and wanted and found != wanted:
        hint = _other_model(found, card)
        return f"{path} holds a {found}, not a {wanted}{hint}: {counts}"
    nearly = "it was cut, renamed or put together wrongly; fetch it again"
    rest = nearly if 2 * len(below.keys() & ours.keys()) > len(ours) else None
    why = _cut(theirs, ours) or _why(below, ours) or rest or f"it holds {some(sorted(theirs))}"
    return f"{path} does not hold {who}: {counts}; {why}"


def some(names: Sequence[str]) -> str:
    """Return the first three names.

    Example:
        >>> some(["a", "b", "c", "d"])
        'a, b, c, …'
    """
    return ", ".join(names[:3]) + (", …" if len(names) > 3 else "")


def _other_model(found: Architecture, card: ModelCard | None) -> str:
    """Name the models of the same family that may have this architecture."""
    family = card.name.partition("/")[0] if card else None
    near: list[str] = []
    for name in models if card else ():
        entry = models.loaded(name)
        other = entry.card if entry is not None else None
        if other is None or name.partition("/")[0] != family or other == card:
            continue
        prefix = 1 + found.registers if found.family == "ViT" else 0
        theirs = (found.dim, found.patch or other.patch_size, prefix)
        if theirs == (other.embed_dim, other.patch_size, other.num_prefix_tokens):
            near.append(name)
    return f"; try --model {' or '.join(near)}" if near else ""


def _cut(theirs: Shapes, ours: Shapes) -> str | None:
    """Recognise a prefix that was taken off with one component too many."""
    endings = {".".join(n.split(".")[i:]) for n in theirs for i in range(n.count(".") + 1)}
    short = {name.partition(".")[2]: name for name in ours if "." in name}
    lost = [end for end, name in short.items() if end in endings and name not in endings]
    if len(lost) <= len(ours) // 2:
        return None
    return f"its names have lost their first part, as in {lost[0]!r} for {short[lost[0]]!r}"


def _why(theirs: Shapes, ours: Shapes) -> str | None:
    """Explain differences of shape that have one cause."""
    table, wanted = theirs.get("pos_embed"), ours.get("pos_embed")
    if table and wanted and len(table) == 3 and table[-1] == wanted[-1] and table != wanted:
        return (
            f"its positional embedding has {table[1]} entries, expected {wanted[1]}: it was "
            "trained at another resolution"
        )
    turned = [
        name
        for name, shape in ours.items()
        if len(shape) == 2 and tuple(theirs.get(name, ())) == tuple(shape[::-1]) != tuple(shape)
    ]
    return f"{turned[0]} is transposed" if turned else None
