"""A model of the suite, prepared for tuning: all before the first tuned block stays frozen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tvseg_bench.benchmark.errors import ModelError
from tvseg_bench.benchmark.plugins.load import LoadedModel, load_model
from tvseg_bench.benchmark.types import FeatureModel, ModelCard
from tvseg_bench.models.networks.dense import DenseViT
from tvseg_bench.models.training.lora import merge_adapters
from tvseg_bench.models.training.tuning import choose, parse_tune


class TunedBackbone(nn.Module):
    """Any model of the suite as the trainer sees it; see `objective_types.TrainableBackbone`.

    It stays in evaluation mode: running statistics of batch norm do not move.

    Args:
        extractor: what has `extract`; often the module itself.
    """

    def __init__(self, module: nn.Module, extractor: Any, card: ModelCard, tune: str) -> None:
        super().__init__()
        self.module = module
        self.card = card
        self.dim = card.embed_dim
        self.chosen = choose(module, parse_tune(tune))
        # in a tuple, since its tensors are the module's already
        self._extractor: tuple[Any, ...] = () if extractor is module else (extractor,)
        self.eval()

    def train(self, mode: bool = True) -> TunedBackbone:
        """Stay in evaluation mode, whatever is asked for."""
        return super().train(False)

    def forward(self, images: Tensor) -> Tensor:
        """Map images [N, 3, H, W] to features [N, h, w, D]."""
        return self.tuned(self.frozen(images), self.grid(*images.shape[-2:]))

    def grid(self, height: int, width: int) -> tuple[int, int]:
        """Return (h, w) for images of this size."""
        patch = self.card.patch_size
        return height // patch, width // patch

    @torch.no_grad()
    def frozen(self, images: Tensor) -> Tensor:
        """Return the images themselves: such a model cannot be cut in two.

        Autograd stores nothing of the layers before the first tuned one.
        """
        return images

    def tuned(self, state: Tensor, grid: tuple[int, int]) -> Tensor:
        """Map images [N, 3, H, W] to features [N, h, w, D].

        Raises:
            ModelError: the model gives another grid than its card promises.
        """
        extractor: Any = self._extractor[0] if self._extractor else self.module
        features = extractor.extract(state)
        if features.grid != grid:
            raise ModelError(
                f"{self.card.name} gives a grid of {features.grid} where {grid} is expected; "
                f"train on frames whose sides are multiples of {self.card.patch_size}"
            )
        tokens: Tensor = features.tokens
        return tokens.reshape(len(tokens), *grid, self.dim)

    def plain_state(self) -> dict[str, Tensor]:
        """Return the weights under the original's names; adapters are merged into the module."""
        merge_adapters(self.module)
        return {k: v.detach().cpu().contiguous() for k, v in self.module.state_dict().items()}


class TunedViT(TunedBackbone):
    """A plain ViT, cut before its first tuned block."""

    def __init__(self, dense: DenseViT, card: ModelCard, tune: str) -> None:
        super().__init__(dense.net, dense, card, tune)
        self._first = _first_tuned(dense.net)

    @property
    def _dense(self) -> DenseViT:
        dense: DenseViT = self._extractor[0]
        return dense

    @torch.no_grad()
    def frozen(self, images: Tensor) -> Tensor:
        """Map images [N, 3, H, W] to tokens [N, prefix + h · w, D] before the first tuned block;
        where the embedding is tuned, return the images."""
        if self._first is None:
            return images
        tokens, _ = self._dense._embed(images)
        net: Any = self.module
        for block in net.blocks[: self._first]:
            tokens = block(tokens)
        return tokens

    def tuned(self, state: Tensor, grid: tuple[int, int]) -> Tensor:
        """Map such tokens, or images, to features [N, h, w, D]."""
        tokens = self._last_blocks(state)
        net: Any = self.module
        tokens = net.norm(tokens)[:, net.num_prefix_tokens :]
        out: Tensor = tokens.reshape(len(tokens), *grid, self.dim)
        return out

    @torch.no_grad()
    def attention(self, state: Tensor, grid: tuple[int, int]) -> Tensor:
        """Map states to the class token's attention [N, h, w] in the last block."""
        net: Any = self.module
        before = self._last_blocks(state, stop=-1)
        heads = self._dense._class_attention(net.blocks[-1], before)
        return heads.mean(1).reshape(len(heads), *grid)

    def _last_blocks(self, state: Tensor, stop: int | None = None) -> Tensor:
        net: Any = self.module
        first = self._first
        if first is None:
            state, _ = self._dense._embed(state)
        for block in net.blocks[first or 0 : stop]:
            state = block(state)
        return state


def _first_tuned(net: Any) -> int | None:
    """Return the first block with something tuned; None where the embedding is tuned too."""
    inside = tuple(f"blocks.{i}." for i in range(len(net.blocks)))
    before = [
        n
        for n, p in net.named_parameters()
        if p.requires_grad and not n.startswith((*inside, "norm."))
    ]
    if before:
        return None
    for i, block in enumerate(net.blocks):
        if any(p.requires_grad for p in block.parameters()):
            return i
    return len(net.blocks)


def open_backbone(
    reference: str, tune: str, weights: Path | None = None
) -> tuple[TunedBackbone, LoadedModel]:
    """Load a model of the suite and prepare a part of it for tuning.

    Args:
        reference: what is typed after `--model`.
        tune: `last:2`, `all`, `blocks.10,blocks.11`, `lora:8`, ...

    Raises:
        UsageError: no such model, or nothing has these names.
        ModelError: it cannot be built, or has no features that gradients could reach.
    """
    loaded = load_model(reference, weights=weights)
    model: Any = loaded.model
    if not isinstance(model, FeatureModel) or loaded.card.temporal != "image":
        raise ModelError(
            f"{loaded.card.name} has no features of single frames, which training needs; choose "
            "an image model"
        )
    if isinstance(model, DenseViT):
        return TunedViT(model, loaded.card, tune), loaded
    module = model if isinstance(model, nn.Module) else _held(model, loaded.card)
    return TunedBackbone(module, model, loaded.card, tune), loaded


def _held(model: Any, card: ModelCard) -> nn.Module:
    """Return the torch modules that a plain object holds, by their attributes' names."""
    held = {k: v for k, v in vars(model).items() if isinstance(v, nn.Module)}
    if not held:
        raise ModelError(f"{card.name} holds no torch module that could be tuned")
    return nn.ModuleDict(held)
