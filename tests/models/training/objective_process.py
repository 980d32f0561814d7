"""One of WORLD processes that hold parts of a step's clips: RANK WORLD FOLDER.

Writes each objective's loss and gradients, averaged over the processes as DDP averages them.
"""

import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch import distributed as dist

from tvseg_bench.models.training.objectives.catalogue import objective_entry
from tvseg_bench.models.training.objectives.objective_types import ClipBatch

SMALL: dict[str, Any] = {"hidden": (12,), "out": 6}
OBJECTIVES: dict[str, tuple[str, dict[str, Any]]] = {
    "timet": ("timet", {"prototypes": 5}),
    "clean": ("timet", {"prototypes": 5, "assigned": "all-frames", "teacher": "ema"}),
    "mosic": ("mosic", {"prototypes": 5}),
    "visible": ("mosic", {"prototypes": 5, "counted": "visible", "loss": "symmetric"}),
    "contrast": ("contrast", {}),
    "instances": ("instances", {"hidden": 12, "view": 16}),
    "started": (
        "timet",
        {
            "prototypes": 5,
            "start": "features",
            "targets": "soft",
            "teacher": "ema",
            "carried_by": "teacher",
        },
    ),
}


class Backbone(nn.Module):
    dim = 8

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Conv2d(3, self.dim, 4, 4).requires_grad_(False)
        self.block = nn.Linear(self.dim, self.dim)

    def frozen(self, images: Tensor) -> Tensor:
        return self.embed(images).permute(0, 2, 3, 1)

    def tuned(self, state: Tensor, grid: tuple[int, int]) -> Tensor:
        return state + torch.tanh(self.block(state))

    def forward(self, images: Tensor) -> Tensor:
        return self.tuned(self.frozen(images), self.grid(*images.shape[-2:]))

    def grid(self, height: int, width: int) -> tuple[int, int]:
        return height // 4, width // 4


def part(rank: int, world: int) -> ClipBatch:
    """Return this process's clips of the four of a step."""
    dice = torch.Generator().manual_seed(1)
    images = torch.randn(4, 3, 3, 16, 16, generator=dice).chunk(world)[rank]
    tracks = torch.rand(4, 3, 7, 2, generator=dice).chunk(world)[rank] * 16
    visible = (torch.rand(4, 3, 7, generator=dice) < 0.6).chunk(world)[rank]
    names = [str(rank * len(images) + i) for i in range(len(images))]
    frames = [(0, 1, 2)] * len(images)
    return ClipBatch(images=images, names=names, frames=frames, tracks=tracks, visible=visible)


def results(rank: int, world: int) -> dict[str, Tensor]:
    """Return what a step gives."""
    found = {}
    for label, (name, changes) in OBJECTIVES.items():
        torch.manual_seed(0)
        entry, backbone = objective_entry(name), Backbone()
        objective: Any = entry.build(entry.config(**{**SMALL, **changes}), backbone.dim)
        result = objective(backbone, part(rank, world))
        result.value.backward()
        named = [*objective.named_parameters(), *backbone.named_parameters()]
        tensors = {name: p.grad for name, p in named if p.grad is not None}
        tensors["loss"] = result.value.detach()
        if world > 1:
            for tensor in tensors.values():
                dist.all_reduce(tensor)
                tensor /= world
        tensors |= {name: result.stats[name] for name in {"entropy", "empty"} & {*result.stats}}
        found |= {f"{label}.{name}": tensor for name, tensor in tensors.items()}
    return found


def main() -> None:
    rank, world, folder = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
    torch.set_num_threads(1)
    store = dist.FileStore(str(folder / "store"), world)
    dist.init_process_group("gloo", store=store, rank=rank, world_size=world)
    torch.save(results(rank, world), folder / f"{rank}.pt")
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
