"""Torch files that hold objects beside their tensors, read without executing anything.

Full checkpoints of research code hold the arguments of their training run: argparse's namespaces,
OmegaConf's configurations, attribute dicts of PyTorch Lightning. `torch.load(weights_only=True)`
rebuilds tensors and looks every other name up in a list, never in a module. Names of a few
harmless packages are put on that list with a stand-in, which gives an empty dict for whatever it
is called with; a file that holds any other name is refused, and the name is shown.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

from tvseg_bench.benchmark.errors import ModelError

PACKAGES = (
    "omegaconf",
    "pytorch_lightning",
    "lightning",
    "lightning_fabric",
    "argparse",
    "typing",
)
"""Packages whose classes are stood in for, never imported."""

_TYPES = ("dict", "list", "tuple", "set", "str", "int", "float", "bool", "bytes", "type")
NAMES = frozenset([*(f"builtins.{name}" for name in _TYPES), "collections.defaultdict"])
"""Types that a configuration names to say what it may hold; they are stood in for as well."""

_MAX_VALUES = 100_000
_MAX_DEPTH = 32


def has_stand_in(name: str) -> bool:
    """Whether a class or function is one that is stood in for.

    Example:
        >>> has_stand_in("omegaconf.dictconfig.DictConfig"), has_stand_in("os.system")
        (True, False)
    """
    return name.partition(".")[0] in PACKAGES or name in NAMES


def load(path: Path, *, zipped: bool) -> Any:
    """Return what a torch file holds, an ordered dict in the place of every foreign object.

    Args:
        zipped: whether it is a zip file, which is mapped into memory; else one of before torch
            1.6, in which `argparse.Namespace` is the only foreign object that is read.

    Raises:
        ModelError: if the file names more than tensors, containers and what is stood in for.
        Exception: of any kind, if it is damaged.
    """
    import torch
    from torch.serialization import get_unsafe_globals_in_checkpoint, safe_globals

    names = get_unsafe_globals_in_checkpoint(str(path)) if zipped else ["argparse.Namespace"]
    refused = sorted(name for name in names if not has_stand_in(name))
    if refused:
        raise _refusal(path, refused[0])
    try:
        with safe_globals([_stand_in(name) for name in names]):
            return torch.load(path, map_location="cpu", weights_only=True, mmap=zipped)
    except UnpicklingError as error:  # nothing but its text holds the name in an old file
        named = re.search(r"(?:GLOBAL|class|function) ([\w.]+\.[\w.]+)", str(error))
        if named is None:
            raise
        raise _refusal(path, named[1]) from error


def _refusal(path: Path, name: str) -> ModelError:
    return ModelError(
        f"{path} holds more than tensors: it wants to run {name}, which is refused; save the "
        "state dict alone, torch.save(model.state_dict(), FILE)"
    )


def _stand_in(name: str) -> type:
    """Return a class of this name that makes empty ordered dicts of whatever it is given.

    Torch's unpickler sets items of dicts only and a state of listed classes only; an
    `OrderedDict` takes both, its state in its `vars`, and runs nothing.
    """

    def empty(*_: object, **__: object) -> OrderedDict[Any, Any]:
        return OrderedDict()

    module, _, own = name.rpartition(".")
    return type(own, (), {"__module__": module, "__qualname__": own, "__new__": empty})


# ----------------------------------------------------------------------- configuration


def configuration(content: Any) -> dict[str, Any]:
    """Return the `hyper_parameters` of a Lightning checkpoint by dotted name.

    OmegaConf's nodes are read as the values they hold; what is no text, number, truth value or
    None is left out.

    Example:
        >>> configuration({"hyper_parameters": {"n_classes": 27, "cfg": {"dim": 70}}})
        {'n_classes': 27, 'cfg.dim': 70}
    """
    found = dict.get(content, "hyper_parameters") if isinstance(content, dict) else None
    return dict(_leaves("", found, 0, [_MAX_VALUES]))


def _leaves(prefix: str, value: Any, depth: int, left: list[int]) -> Iterator[tuple[str, Any]]:
    left[0] -= 1
    if depth > _MAX_DEPTH or left[0] < 0:
        return
    state = vars(value) if isinstance(value, OrderedDict) else {}
    if "_content" in state or "_val" in state:  # a container or a value of OmegaConf
        yield from _leaves(prefix, state.get("_content", state.get("_val")), depth + 1, left)
    elif isinstance(value, dict):
        for key, item in dict.items(value):
            name = f"{prefix}.{key}" if prefix else str(key)
            yield from _leaves(name, item, depth + 1, left)
    elif prefix and (value is None or isinstance(value, str | int | float)):
        yield prefix, value
