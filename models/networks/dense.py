"""Dense features of timm's architectures: patch tokens after the final norm, or a feature map."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import Any

import torch
from timm.layers import PatchEmbed, apply_rot_embed_cat
from timm.models.eva import Eva, EvaAttention
from timm.models.vision_transformer import Attention, Block, VisionTransformer
from torch import Tensor, nn

from tvseg_bench.benchmark.errors import ModelError
from tvseg_bench.benchmark.types import FeatureModel, ModelCard, PatchFeatures
from tvseg_bench.models.networks.pos_embed import interpolate_pos_embed

_ANY_SIZE: tuple[dict[str, bool], ...] = (
    {"dynamic_img_size": True},
    {"strict_img_size": False},
    {},
)


class DenseViT(nn.Module):
    """Patch tokens of a plain ViT after its last block and final norm.

    The positional embedding follows the card's family. Class and register tokens are removed.

    Args:
        net: timm's VisionTransformer, made with `dynamic_img_size=True`.
        card: with `pos_interp` `dino` or `timm`.
    """

    def __init__(self, net: VisionTransformer, card: ModelCard) -> None:
        super().__init__()
        self.net = net
        self.card = card

    def extract(self, images: Tensor) -> PatchFeatures:
        """Map images [B, 3, H, W] to tokens [B, N, D]; H and W are multiples of the patch.

        Raises:
            ModelError: if they are not.
        """
        return self._features(images, attention=False)

    def extract_attention(self, images: Tensor) -> PatchFeatures:
        """Do as `extract`, and add the class token's attention in the last block.

        [B, heads, N]: softmax row of the class token over all tokens, at the patches, recomputed
        from query and key (get_last_selfattention of facebookresearch/dino). None for models
        without a class token.
        """
        return self._features(images, attention=True)

    def _features(self, images: Tensor, *, attention: bool) -> PatchFeatures:
        net = self.net
        tokens, grid = self._before_last(images)
        last = net.blocks[-1]
        wanted = attention and net.cls_token is not None
        rows = self._class_attention(last, tokens) if wanted else None
        tokens = net.norm(last(tokens))
        return PatchFeatures(tokens[:, net.num_prefix_tokens :], grid, rows)

    def extract_keys(self, images: Tensor) -> PatchFeatures:
        """Map images to the keys of the last block, its heads side by side, [B, N, D].

        STEGO's `KK` features (mhamilton723/STEGO, src/modules.py).
        """
        block: Any = self.net.blocks[-1]
        tokens, grid = self._before_last(images)
        _, keys, _ = block.attn.qkv(block.norm1(tokens)).chunk(3, dim=-1)
        return PatchFeatures(keys[:, self.net.num_prefix_tokens :], grid)

    def _before_last(self, images: Tensor) -> tuple[Tensor, tuple[int, int]]:
        """Return the tokens [B, prefix + N, D] that enter the last block, and the grid."""
        tokens, grid = self._embed(images)
        for block in self.net.blocks[:-1]:
            tokens = block(tokens)
        return tokens, grid

    def _embed(self, images: Tensor) -> tuple[Tensor, tuple[int, int]]:
        """Return the tokens [B, prefix + N, D] that enter the first block, and the grid."""
        net = self.net
        _check_multiple(images, self.card)
        patches = net.patch_embed(images)  # [B, rows, cols, D]
        grid = (patches.shape[1], patches.shape[2])
        patches = patches.flatten(1, 2)
        prefix = [
            t.expand(len(patches), -1, -1) for t in (net.cls_token, net.reg_token) if t is not None
        ]
        if net.pos_embed is None:
            return net.norm_pre(torch.cat([*prefix, patches], dim=1)), grid
        table = interpolate_pos_embed(
            net.pos_embed,
            grid,
            native=net.patch_embed.grid_size,
            prefix=0 if net.no_embed_class else net.num_prefix_tokens,
            family=self.card.pos_interp or "timm",
        )
        if net.no_embed_class:
            tokens = torch.cat([*prefix, patches + table], dim=1)
        else:
            tokens = torch.cat([*prefix, patches], dim=1) + table
        return net.norm_pre(tokens), grid

    def _class_attention(self, block: Any, tokens: Tensor) -> Tensor:
        attn = block.attn
        normed = block.norm1(tokens)
        batch, count, _ = normed.shape
        qkv = attn.qkv(normed).reshape(batch, count, 3, attn.num_heads, -1)
        query, key, _ = qkv.permute(2, 0, 3, 1, 4)
        query, key = attn.q_norm(query[:, :, :1]), attn.k_norm(key)
        weights: Tensor = (query * attn.scale @ key.transpose(-2, -1)).softmax(dim=-1)
        return weights[:, :, 0, self.net.num_prefix_tokens :]


class DenseMap(nn.Module):
    """Features of any other timm model: tokens, or a map that is read row by row.

    Args:
        card: what it is; `num_prefix_tokens` leading tokens are removed.
        norm: applied to maps [B, D, rows, cols].
    """

    def __init__(self, net: nn.Module, card: ModelCard, *, norm: nn.Module | None = None) -> None:
        super().__init__()
        self.net = net
        self.card = card
        self.norm = norm

    def extract(self, images: Tensor) -> PatchFeatures:
        """Map images [B, 3, H, W] to tokens [B, N, D].

        Raises:
            ModelError: if the model's features are not dense at this size.
        """
        features = self.net.forward_features(images)  # type: ignore[operator]
        if isinstance(features, Tensor) and features.ndim == 4:
            features = features if self.norm is None else self.norm(features)
            if getattr(self.net, "output_fmt", "NCHW") == "NCHW":
                features = features.permute(0, 2, 3, 1)
            grid = (features.shape[1], features.shape[2])
            return PatchFeatures(features.flatten(1, 2), grid)
        if not isinstance(features, Tensor) or features.ndim != 3:
            shape = getattr(features, "shape", type(features).__name__)
            raise ModelError(
                f"{self.card.name} has no dense features: forward_features gives {shape}, "
                "expected tokens [B, N, D] or a map [B, D, rows, cols]"
            )
        return self._on_grid(images, features[:, self.card.num_prefix_tokens :])

    def _on_grid(self, images: Tensor, tokens: Tensor) -> PatchFeatures:
        _check_multiple(images, self.card)
        rows, cols = (side // self.card.patch_size for side in images.shape[-2:])
        if tokens.shape[1] != rows * cols:
            raise ModelError(
                f"{self.card.name} gives {tokens.shape[1]} tokens for images of "
                f"{images.shape[-2]} x {images.shape[-1]}, expected {rows} x {cols}"
            )
        return PatchFeatures(tokens, (rows, cols))


class RotaryViT(DenseMap):
    """Patch tokens of timm's ViT with rotary positions, and its class token's attention.

    Args:
        net: timm's Eva, whose blocks know query and key by one module each.
    """

    def extract_attention(self, images: Tensor) -> PatchFeatures:
        """Do as `extract`, and add the class token's attention in the last block.

        [B, heads, N]: softmax row of the class token over all tokens, at the patches. Query and
        key are those that the block itself computes, positions turned into the key as there.
        """
        net: Any = self.net
        attn = net.blocks[-1].attn
        seen: dict[str, Any] = {}
        hooks = [
            attn.q_norm.register_forward_hook(lambda _m, _i, out: seen.update(query=out)),
            attn.k_norm.register_forward_hook(lambda _m, _i, out: seen.update(key=out)),
            attn.register_forward_pre_hook(lambda _m, _i, kw: seen.update(kw), with_kwargs=True),
        ]
        try:
            features = self.extract(images)
        finally:
            for hook in hooks:
                hook.remove()
        prefix = net.num_prefix_tokens
        query, key, rope = seen["query"][:, :, :1], seen["key"], seen.get("rope")
        if rope is not None:  # the class token has no position
            turned = apply_rot_embed_cat(key[:, :, prefix:], rope, half=attn.rotate_half)
            key = torch.cat([key[:, :, :prefix], turned], dim=2).to(query)
        weights: Tensor = (query * attn.scale @ key.transpose(-2, -1)).softmax(dim=-1)
        return PatchFeatures(features.tokens, features.grid, weights[:, :, 0, prefix:])


def _check_multiple(images: Tensor, card: ModelCard) -> None:
    height, width = images.shape[-2:]
    if height % card.patch_size or width % card.patch_size:
        raise ModelError(
            f"{card.name} was given images of {height} x {width}; expected multiples of its patch "
            f"size {card.patch_size}"
        )


def create_net(arch: str, options: Mapping[str, Any] | None = None) -> nn.Module:
    """Create one of timm's architectures, untrained, for any image size if it can.

    It has neither classifier nor pooling; of the options that make this so, those are used that
    the architecture knows.

    Raises:
        ModelError: if this timm does not have it, or it has no features without its head.
    """
    import timm

    if not timm.is_model(arch):
        raise ModelError(
            f"timm {timm.__version__} has no architecture {arch!r}; type: pip install -U timm"
        )
    reason: Exception | None = None
    for pool, size in product(({"global_pool": ""}, {}), _ANY_SIZE):
        try:
            net: nn.Module = timm.create_model(
                arch, pretrained=False, num_classes=0, **pool, **size, **(options or {})
            )
        except (TypeError, AssertionError) as error:  # an option this architecture lacks
            reason = error
        else:
            return net
    raise ModelError(f"timm:{arch} has no features without its head: {reason}") from reason


def dense_model(net: Any, card: ModelCard, *, norm: nn.Module | None = None) -> FeatureModel:
    """Wrap one of timm's architectures by what it is: a plain ViT, a rotary one, or any other.

    Args:
        norm: applied to feature maps [B, D, rows, cols], where the last norm is in the head.
    """
    if _is_plain(net):
        return DenseViT(net, card)
    return RotaryViT(net, card) if _is_rotary(net) else DenseMap(net, card, norm=norm)


def _is_rotary(net: Any) -> bool:
    """Whether the last block's query and key can be read, and there is a class token."""
    has_class = type(net) is Eva and net.cls_token is not None
    return has_class and type(net.blocks[-1].attn) is EvaAttention


def _is_plain(net: Any) -> bool:
    """Whether this is the ViT whose steps are known one by one, not a hybrid or a relative."""
    return (
        type(net) is VisionTransformer
        and type(net.patch_embed) is PatchEmbed
        and all(type(b) is Block and type(b.attn) is Attention for b in net.blocks)
    )
