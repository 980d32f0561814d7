"""How official files name their tensors, and what makes timm's names and values of them.

Names are changed wherever they stand, below any prefix; values below the backbone's prefix only.
Files that already have timm's names pass through unchanged. Importing this loads no torch.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    Tensors = dict[str, Tensor]

Finish = Callable[["Tensors", Collection[str]], "Tensors"]
"""From the tensors below the prefix, renamed, and the names that are wanted, to their values."""


def as_they_are(tensors: Tensors, wanted: Collection[str]) -> Tensors:
    """Change no value."""
    return tensors


def class_token_apart(tensors: Tensors, wanted: Collection[str]) -> Tensors:
    """Add the class token's positional embedding to it, as timm keeps models with registers.

    cls_token + pos_embed[0] stands for cls_token, pos_embed[1:] for pos_embed: the sum is what
    enters the first block in either case, and registers have no position (timm
    vision_transformer.py, conversion of DINOv2).
    """
    table, token = tensors.get("pos_embed"), tensors.get("cls_token")
    if "reg_token" not in tensors or table is None or token is None or table.ndim != 3:
        return tensors
    if not _is_square(table.shape[1] - 1):  # it was converted already
        return tensors
    return {**tensors, "cls_token": token + table[:, :1], "pos_embed": table[:, 1:]}


def key_without_bias(tensors: Tensors, wanted: Collection[str]) -> Tensors:
    """Split `qkv.bias` into `q_bias` and `v_bias`; the key's is masked away in DINOv3.

    facebookresearch/dinov3 multiplies the bias by `bias_mask`, 0 for the key and 1 for the rest
    (timm eva.py, conversion of DINOv3).
    """
    found: Tensors = {}
    for name, tensor in tensors.items():
        if not name.endswith("qkv.bias") or name in wanted or tensor.shape[0] % 3:
            found[name] = tensor
            continue
        query, _, value = tensor.chunk(3)
        found[name.replace("qkv.bias", "q_bias")] = query
        found[name.replace("qkv.bias", "v_bias")] = value
    return found


def _is_square(count: int) -> bool:
    return count > 0 and round(count**0.5) ** 2 == count


@dataclass(frozen=True, kw_only=True)
class Naming:
    """What turns a file's names and values into timm's."""

    renames: tuple[tuple[str, str], ...] = ()
    """Patterns over the whole dotted name and what they become, in this order."""
    ignore: tuple[str, ...] = ()
    """Patterns of names (after renaming) that no timm model has."""
    finish: Finish = as_they_are

    def rename(self, name: str) -> str:
        """Return timm's name for the name of a tensor.

        Example:
            >>> NAMINGS["dinov2"].rename("teacher.backbone.blocks.1.7.mlp.w12.weight")
            'teacher.backbone.blocks.7.mlp.fc1.weight'
            >>> NAMINGS["dinov3"].rename("blocks.0.ls1.gamma")
            'blocks.0.gamma_1'
        """
        for pattern, replacement in self.renames:
            name = re.sub(pattern, replacement, name)
        return name


_CHUNKED = (r"(^|\.)blocks\.\d+\.(\d+)\.", r"\1blocks.\2.")
"""`block_chunks`: blocks.CHUNK.INDEX, the index counting through all chunks."""

NAMINGS: Mapping[str, Naming] = {
    "timm": Naming(),
    "dinov2": Naming(
        renames=(
            _CHUNKED,
            (r"(^|\.)register_tokens$", r"\1reg_token"),
            (r"\.mlp\.w12\.", ".mlp.fc1."),
            (r"\.mlp\.w3\.", ".mlp.fc2."),
        ),
        finish=class_token_apart,
    ),
    "dinov3": Naming(
        renames=(
            (r"(^|\.)storage_tokens$", r"\1reg_token"),
            (r"\.ls([12])\.gamma$", r".gamma_\1"),
            (r"\.mlp\.w1\.", ".mlp.fc1_g."),
            (r"\.mlp\.w2\.", ".mlp.fc1_x."),
            (r"\.mlp\.w3\.", ".mlp.fc2."),
        ),
        ignore=("rope_embed.periods", "*.bias_mask", "local_cls_norm.*"),
        finish=key_without_bias,
    ),
    "dinov3-convnext": Naming(
        renames=(
            (r"(^|\.)downsample_layers\.0\.", r"\1stem."),
            (r"(^|\.)downsample_layers\.(\d+)\.", r"\1stages.\2.downsample."),
            (r"(^|\.)stages\.(\d+)\.(\d+)\.", r"\1stages.\2.blocks.\3."),
            (r"\.dwconv\.", ".conv_dw."),
            (r"\.pwconv([12])\.", r".mlp.fc\1."),
            (r"(?<!\d\.)(?<!head\.)(?<!\w)norm\.(weight|bias)$", r"head.norm.\1"),
        ),
        ignore=("norms.*",),
    ),
}
