"""Where a step is computed, and how exactly."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor

from tvseg_bench.models.training.objectives.contract import ClipBatch


def moved(batch: ClipBatch, device: torch.device) -> ClipBatch:
    """Return the batch on a device."""
    if device.type == "cpu":
        return batch
    found: dict[str, Any] = {**vars(batch)}
    for name in ("images", "tracks", "visible"):
        if isinstance(found[name], Tensor):
            found[name] = found[name].to(device, non_blocking=True)
    return ClipBatch(**found)


def precision(name: str, device: torch.device) -> AbstractContextManager[Any]:
    """Return what a loss is computed within: nothing for fp32, autocast for bf16."""
    if name == "fp32":
        return nullcontext()
    return torch.autocast(device.type, dtype=torch.bfloat16)
