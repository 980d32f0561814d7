"""A backbone of a few weights that keeps the trainer's promises."""

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

# Tests are no package: what several of them share is put where they can import it.
_spec = spec_from_file_location("training_runs", Path(__file__).with_name("runs.py"))
assert _spec
assert _spec.loader
sys.modules["training_runs"] = _module = module_from_spec(_spec)
_spec.loader.exec_module(_module)


class TinyBackbone(nn.Module):
    """Patches of 4 pixels, a frozen layer and a tuned one."""

    def __init__(self, dim: int = 8) -> None:
        super().__init__()
        self.dim = dim
        self.embed = nn.Conv2d(3, dim, 4, 4).requires_grad_(False)
        self.block = nn.Linear(dim, dim)
        self.calls: list[tuple[int, bool]] = []
        """Images of each call of `tuned`, and whether it was with gradient."""

    def frozen(self, images: Tensor) -> Tensor:
        return self.embed(images).permute(0, 2, 3, 1)

    def tuned(self, state: Tensor, grid: tuple[int, int]) -> Tensor:
        assert state.shape[1:3] == grid
        self.calls.append((len(state), torch.is_grad_enabled()))
        return state + torch.tanh(self.block(state))

    def grid(self, height: int, width: int) -> tuple[int, int]:
        return height // 4, width // 4

    def attention(self, state: Tensor, grid: tuple[int, int]) -> Tensor:
        return state.square().sum(-1)

    def forward(self, images: Tensor) -> Tensor:
        return self.tuned(self.frozen(images), self.grid(*images.shape[-2:]))


@pytest.fixture
def backbone() -> TinyBackbone:
    torch.manual_seed(0)
    return TinyBackbone()
