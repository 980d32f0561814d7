"""The state of a run on disk: one safetensors file, replaced atomically; nothing is unpickled.

Randomness needs no state: every random number of a step is drawn from a stream of (seed, step),
and the sampler's position is the step.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor, nn

from tvseg_bench.benchmark.errors import TvsegError
from tvseg_bench.benchmark.results.result_file import atomic_write

NAME = "checkpoint.safetensors"
CONFIG = "config.json"
SCHEMA = "tvseg-bench/checkpoint@1"


class TrainingError(TvsegError):
    """Training cannot go on; the last checkpoint stays."""


def named_parameters(modules: Mapping[str, nn.Module]) -> dict[str, nn.Parameter]:
    """Return what is tuned, by the names under which a checkpoint holds its moments."""
    return {
        f"{place}/{name}": parameter
        for place, module in modules.items()
        for name, parameter in module.named_parameters()
        if parameter.requires_grad
    }


def save_checkpoint(
    folder: Path,
    step: int,
    config_sha256: str,
    modules: Mapping[str, nn.Module],
    optimiser: torch.optim.Optimizer,
) -> None:
    """Write the state after `step` steps; the previous checkpoint stays until this is complete.

    Raises:
        ResultError: if the disk is full or the folder cannot be written.
    """
    tensors: dict[str, Tensor] = {}
    for place, module in modules.items():
        for name, tensor in module.state_dict().items():
            tensors[f"{place}/{name}"] = tensor
    for name, parameter in named_parameters(modules).items():
        for key, value in optimiser.state.get(parameter, {}).items():
            tensors[f"optimiser/{key}/{name}"] = torch.as_tensor(value)
    plain = {k: v.detach().cpu().contiguous().clone() for k, v in tensors.items()}
    header = {"schema": SCHEMA, "step": str(step), "config_sha256": config_sha256}
    atomic_write(folder / NAME, save(plain, metadata=header))


def read_step(folder: Path, config_sha256: str) -> int | None:
    """Return the number of steps before the checkpoint of a folder, None where there is none.

    Raises:
        TrainingError: if it is damaged or of a run with another configuration.
    """
    path = folder / NAME
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
        step = int(header["step"])
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise TrainingError(
            f"{path} is not a checkpoint that can be read ({error}); move it away to start again"
        ) from None
    if header.get("schema") != SCHEMA or header.get("config_sha256") != config_sha256:
        raise TrainingError(
            f"{path} belongs to a run with other settings (see config.json beside it); give the "
            "same settings, or another folder with -o"
        )
    return step


def refuse_other_config(folder: Path, config: Mapping[str, Any]) -> None:
    """Raise for a folder that was begun with other settings, before its first checkpoint as well.

    Raises:
        TrainingError: naming the settings that differ.
    """
    path = folder / CONFIG
    if not path.is_file():
        return
    try:
        begun = json.loads(path.read_bytes())
    except (ValueError, OSError) as error:
        raise TrainingError(f"{path} cannot be read ({error}); choose another folder") from None
    now = json.loads(json.dumps(config))
    if begun == now:
        return
    differing = _differing(begun, now) if isinstance(begun, dict) else ["everything"]
    raise TrainingError(
        f"{path} belongs to a run with other settings ({', '.join(differing[:4])}); give the same "
        "settings, or another folder with -o"
    )


def _differing(begun: Mapping[str, Any], now: Mapping[str, Any], place: str = "") -> list[str]:
    """Return the dotted names of what differs, in order.

    Example:
        >>> _differing({"a": 1, "b": {"c": 2}}, {"a": 1, "b": {"c": 3}, "d": 4})
        ['b.c', 'd']
    """
    names: list[str] = []
    for key in sorted({*begun, *now}):
        one, other = begun.get(key), now.get(key)
        if isinstance(one, dict) and isinstance(other, dict):
            names += _differing(one, other, f"{place}{key}.")
        elif one != other or (key in begun) != (key in now):
            names.append(f"{place}{key}")
    return names


def load_checkpoint(
    folder: Path, modules: Mapping[str, nn.Module], optimiser: torch.optim.Optimizer
) -> None:
    """Bring modules and optimiser to the state of the folder's checkpoint.

    Raises:
        TrainingError: if it does not fit them.
    """
    path = folder / NAME
    tensors = _read(path)
    for place, module in modules.items():
        own = {
            name.removeprefix(f"{place}/"): tensor
            for name, tensor in tensors.items()
            if name.startswith(f"{place}/")
        }
        try:
            module.load_state_dict(own, strict=True)
        except RuntimeError as error:
            reason = " ".join(str(error).split())[:300]
            raise TrainingError(f"{path} does not fit this run: {reason}") from None
    for name, parameter in named_parameters(modules).items():
        state = {
            key: tensors[f"optimiser/{key}/{name}"]
            for key in ("step", "exp_avg", "exp_avg_sq")
            if f"optimiser/{key}/{name}" in tensors
        }
        if state:
            moved = {k: v if k == "step" else v.to(parameter.device) for k, v in state.items()}
            optimiser.state[parameter] = moved


def _read(path: Path) -> dict[str, Tensor]:
    try:
        tensors: dict[str, Tensor] = load_file(path)
        return tensors
    except (SafetensorError, OSError) as error:
        raise TrainingError(f"{path} cannot be read: {error}") from None


def write_json(path: Path, value: Any) -> None:
    """Write a small file of settings atomically."""
    atomic_write(path, (json.dumps(value, indent=1, sort_keys=True) + "\n").encode())
