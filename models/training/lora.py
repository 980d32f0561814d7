"""Low-rank adapters: W + (s / r) · B A, of which only A and B are tuned.

Source: Hu et al., LoRA: Low-Rank Adaptation of Large Language Models, ICLR 2022.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

_SCALE = 16.0
"""s; the change is divided by the rank, so that another rank needs no other rate."""


class LoraLinear(nn.Module):
    """A linear layer that stays as it is, and a low-rank change of it that is learned."""

    def __init__(self, linear: nn.Linear, rank: int) -> None:
        super().__init__()
        self.linear = linear.requires_grad_(False)
        self.scale = _SCALE / rank
        weight = linear.weight
        self.lora_a = nn.Parameter(weight.new_empty(rank, linear.in_features))
        self.lora_b = nn.Parameter(weight.new_zeros(linear.out_features, rank))
        nn.init.kaiming_uniform_(self.lora_a, a=math.sqrt(5))

    def forward(self, x: Tensor) -> Tensor:
        """Map [..., in] to [..., out]."""
        low: Tensor = nn.functional.linear(x, self.lora_a)
        change = nn.functional.linear(low, self.lora_b)
        out: Tensor = self.linear(x) + self.scale * change
        return out

    @torch.no_grad()
    def merged(self) -> nn.Linear:
        """Return one plain layer that does the same."""
        layer = nn.Linear(
            self.linear.in_features, self.linear.out_features, self.linear.bias is not None
        ).to(self.linear.weight)
        layer.weight.copy_(self.linear.weight + self.scale * self.lora_b @ self.lora_a)
        if self.linear.bias is not None:
            layer.bias.copy_(self.linear.bias)
        return layer


def add_adapters(module: nn.Module, rank: int) -> int:
    """Put an adapter around every linear layer below a module; return how many.

    Example:
        >>> net = nn.Sequential(nn.Linear(4, 4), nn.GELU(), nn.Linear(4, 2))
        >>> add_adapters(net, rank=2)
        2
        >>> sorted({name.split(".")[-1] for name, p in net.named_parameters() if p.requires_grad})
        ['lora_a', 'lora_b']
    """
    return _exchange(module, nn.Linear, lambda layer: LoraLinear(layer, rank))


def merge_adapters(module: nn.Module) -> int:
    """Replace every adapter below a module by the plain layer that does the same.

    Example:
        >>> net = nn.Sequential(nn.Linear(4, 2))
        >>> _ = add_adapters(net, rank=1)
        >>> merge_adapters(net), list(net.state_dict())
        (1, ['0.weight', '0.bias'])
    """
    return _exchange(module, LoraLinear, lambda layer: layer.merged())


def _exchange(module: nn.Module, kind: type[nn.Module], make: Callable[..., nn.Module]) -> int:
    count = 0
    for name, child in list(module.named_children()):
        if isinstance(child, kind):
            setattr(module, name, make(child))
            count += 1
        else:
            count += _exchange(child, kind, make)
    return count
