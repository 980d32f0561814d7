"""What a model holds and what it could leave behind: torch modules, and random generators."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

_DEPTH = 4
"""Containers and objects that are opened, one inside the other, in search of torch modules."""


def modules(model: object) -> Iterator[tuple[str, nn.Module]]:
    """Yield every torch module that an object holds with its path, also out of lists and dicts."""
    waiting: list[tuple[str, object, int]] = [("", model, _DEPTH)]
    seen: set[int] = set()
    while waiting:
        path, value, depth = waiting.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, nn.Module):
            yield path, value
            depth = _DEPTH
        if depth > 0:
            held = ((f"{path}.{k}".lstrip("."), v, depth - 1) for k, v in _held(value))
            waiting += sorted(held, key=lambda item: item[0], reverse=True)


def _held(value: object) -> Iterable[tuple[str, object]]:
    """Return what a container or an object holds, by name; a module's children by their names."""
    if isinstance(value, nn.Module):
        own = ((k, v) for k, v in vars(value).items() if not k.startswith("_"))
        return (*value.named_children(), *own)
    if isinstance(value, Mapping):
        return ((str(k), v) for k, v in value.items())
    if isinstance(value, (list, tuple)):
        return ((str(k), v) for k, v in enumerate(value))
    foreign = type(value).__module__.partition(".")[0] not in ("builtins", "torch", "numpy")
    return tuple(getattr(value, "__dict__", {}).items()) if foreign else ()


def state(model: object) -> Mapping[str, Tensor]:
    """Return every parameter and buffer of a model by its path."""
    return {
        f"{path}.{name}".lstrip("."): tensor
        for path, module in modules(model)
        for name, tensor in (
            *module.named_parameters(recurse=False),
            *module.named_buffers(recurse=False),
        )
    }


def parameters(model: object) -> Mapping[str, nn.Parameter]:
    """Return every parameter of a model by its path, shared ones once."""
    found: dict[int, tuple[str, nn.Parameter]] = {}
    for name, tensor in state(model).items():
        if isinstance(tensor, nn.Parameter):
            found.setdefault(id(tensor), (name, tensor))
    return dict(found.values())


# -------------------------------------------------------------------------- random states


def random_states() -> tuple[Any, ...]:
    """Return the states of every global random generator that a model could use."""
    return (
        random.getstate(),
        np.random.get_state(),
        torch.get_rng_state(),
        *(torch.cuda.get_rng_state_all() if torch.cuda.is_available() else ()),
    )


def restore(states: tuple[Any, ...]) -> None:
    """Put back what `random_states` returned."""
    random.setstate(states[0])
    np.random.set_state(states[1])
    torch.set_rng_state(states[2])
    if states[3:]:
        torch.cuda.set_rng_state_all(list(states[3:]))


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed every global random generator inside the block and put their states back after it."""
    before = random_states()
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    try:
        yield
    finally:
        restore(before)
