"""Devices: their names, exact convolutions, and how to recognise that memory ran out."""

from __future__ import annotations

import contextlib
from typing import cast

import torch

from tvseg_bench.benchmark.errors import UsageError


def resolve_device(name: str) -> torch.device:
    """Return the device that `auto` (CUDA where there is one, else the CPU) or a name means.

    Raises:
        UsageError: there is no such device here.

    Example:
        >>> resolve_device("cpu")
        device(type='cpu')
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise UsageError(f"unknown device {name!r}; known: auto, cpu, cuda, cuda:N, mps") from None
    count = {
        "cpu": 1,
        "cuda": torch.cuda.device_count(),
        "mps": int(torch.backends.mps.is_available()),
    }.get(device.type, 0)
    if (device.index or 0) >= count:
        raise UsageError(
            f"device {name!r} is not there: this machine offers {count} of type {device.type!r}; "
            f"type --device auto"
        )
    return device


def out_of_memory(error: Exception) -> bool:
    """Return whether a device's or the host's memory ran out, in any of torch's errors for it."""
    if isinstance(error, (torch.cuda.OutOfMemoryError, MemoryError)):
        return True
    text = str(error)
    return isinstance(error, RuntimeError) and (
        "out of memory" in text.lower() or "DefaultCPUAllocator" in text
    )


def float32_convolutions(device: torch.device) -> contextlib.AbstractContextManager[None]:
    """Make cuDNN deterministic and exact: by default it rounds float32 inputs to 10 bits."""
    if device.type != "cuda":
        return contextlib.nullcontext()
    cudnn = torch.backends.cudnn
    flags = cudnn.flags(enabled=cudnn.enabled, deterministic=True, allow_tf32=False)
    return cast("contextlib.AbstractContextManager[None]", flags)
