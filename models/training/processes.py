"""The processes of a run: one, or several that `torchrun` or a job of Slurm started."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
from torch import Tensor, nn
from torch import distributed as dist

PATIENCE = timedelta(hours=6)
"""How long a process waits for the others, of which the first validates now and then. Where one
dies, `torchrun` or Slurm ends the others."""
_left: list[Any] = []
"""Groups of processes that were left. They are kept to the end of the process: torch 2.6 frees one
with Python's lock held while it waits for threads of the group, and such a thread may be waiting
for that lock to free the tensors of the last exchange."""


@dataclass(frozen=True)
class Processes:
    """This process among those of the run."""

    rank: int = 0
    world: int = 1
    local: int = 0
    """Number of this process on its machine."""

    @property
    def first(self) -> bool:
        """Whether this process writes the files of the run."""
        return self.rank == 0

    def wait(self) -> None:
        """Wait until every process is here."""
        if self.world > 1:
            dist.barrier()

    def mean(self, value: Tensor) -> Tensor:
        """Return the mean of a tensor over all processes."""
        if self.world == 1:
            return value.detach()
        total = value.detach().clone()
        dist.all_reduce(total)
        return total / self.world

    def merged(self, own: Mapping[str, str]) -> dict[str, str]:
        """Return the mappings of all processes, merged."""
        parts = self.gathered(dict(own))
        return {key: value for part in parts for key, value in part.items()}

    def gathered(self, own: Any) -> list[Any]:
        """Return the objects of all processes, in their order."""
        if self.world == 1:
            return [own]
        parts: list[Any] = [None] * self.world
        dist.all_gather_object(parts, own)
        return parts

    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Make every gradient the mean over all processes, in one exchange per type."""
        if self.world == 1:
            return
        groups: dict[torch.dtype, list[nn.Parameter]] = {}
        for parameter in parameters:
            groups.setdefault(parameter.dtype, []).append(parameter)
        for members in groups.values():
            gradients = [
                torch.zeros_like(p) if p.grad is None else p.grad.contiguous() for p in members
            ]
            flat = torch.cat([g.flatten() for g in gradients])
            dist.all_reduce(flat)
            flat /= self.world
            parts = torch.split(flat, [p.numel() for p in members])
            for p, part in zip(members, parts, strict=True):
                p.grad = part.view_as(p).clone()


@contextmanager
def processes(device_type: str) -> Iterator[Processes]:
    """Join the processes of the run, for as long as the block lasts.

    Which they are stands in `RANK`, `WORLD_SIZE`, `LOCAL_RANK`, `MASTER_ADDR` and `MASTER_PORT`.
    They leave together: one that went before the first has written the weights would take its
    connections away while others use them. One that fails leaves at once, so that the others
    see it.
    """
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        yield Processes()
        return
    local = int(os.environ.get("LOCAL_RANK", "0"))
    if device_type == "cuda":
        torch.cuda.set_device(local)  # what is gathered goes over the current device
    dist.init_process_group("nccl" if device_type == "cuda" else "gloo", timeout=PATIENCE)
    _left.append(dist.group.WORLD)
    try:
        yield Processes(dist.get_rank(), world, local)
        with contextlib.suppress(RuntimeError):  # one that failed has said so; ours is done
            dist.barrier()  # for PATIENCE at most
    finally:
        dist.destroy_process_group()
