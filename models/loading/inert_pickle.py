"""Checkpoints that hold objects beside their tensors, read without executing anything.

PyTorch Lightning stores its arguments as they are, OmegaConf's configuration among them. The
unpickler here knows how to rebuild tensors; the classes of a few harmless packages become inert
stand-ins that only remember what they were given; everything else is refused by name.
"""

from __future__ import annotations

import io
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tvseg_bench.benchmark.errors import ModelError

if TYPE_CHECKING:
    from torch import Tensor

INERT_PACKAGES = (
    "omegaconf",
    "pytorch_lightning",
    "lightning",
    "lightning_fabric",
    "argparse",
    "typing",
)
"""Packages whose classes are stood in for, never imported."""

_TYPES = ("dict", "list", "tuple", "set", "str", "int", "long", "float", "bool", "bytes", "type")
INERT_NAMES = frozenset(
    [
        *((module, name) for module in ("builtins", "__builtin__") for name in _TYPES),
        ("collections", "defaultdict"),
    ]
)
"""Types that a configuration names to say what it may hold; they are stood in for as well."""

_STORAGES = {
    "DoubleStorage": "float64",
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
}
_MAX_VALUES = 100_000
_MAX_DEPTH = 32


class Inert:
    """Stands in for an instance of a class that is not imported: remembers, does nothing."""

    state: Any = None

    def __new__(cls, *args: object, **options: object) -> Inert:
        """Take whatever the class would be given."""
        return super().__new__(cls)

    def __init__(self, *args: object, **options: object) -> None:
        """Do nothing with it."""

    def __setstate__(self, state: object) -> None:
        self.state = state

    def __setitem__(self, key: object, value: object) -> None:
        """Accept the items of what would be a dict."""

    def append(self, value: object) -> None:
        """Accept an item of what would be a list."""

    def extend(self, values: object) -> None:
        """Accept the items of what would be a list."""


def is_inert(module: str, name: str) -> bool:
    """Whether a class is one that is stood in for.

    Example:
        >>> is_inert("omegaconf.dictconfig", "DictConfig"), is_inert("os", "system")
        (True, False)
    """
    return module.partition(".")[0] in INERT_PACKAGES or (module, name) in INERT_NAMES


def read(path: Path) -> Any:
    """Return what a torch file (zip, stored) holds, its objects as `Inert` ones.

    Raises:
        ModelError: if it wants anything but tensors, containers and inert classes, or is damaged.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            (program,) = (name for name in archive.namelist() if name.endswith("/data.pkl"))
            folder = program.removesuffix("data.pkl")
            _check_byte_order(path, archive, f"{folder}byteorder")
            return _Reader(path, archive, folder).load()
    except ModelError:
        raise
    except Exception as error:  # a damaged pickle may raise anything
        reason = (str(error) or type(error).__name__).splitlines()[0][:120]
        raise ModelError(f"{path} is truncated or damaged ({reason}); fetch it again") from error


def _check_byte_order(path: Path, archive: zipfile.ZipFile, name: str) -> None:
    if name in archive.namelist() and archive.read(name) != b"little":
        raise ModelError(f"{path} was written on a big-endian machine; write it anew on this one")


class _Reader(pickle.Unpickler):
    """Rebuilds tensors and containers; looks nothing up in any module."""

    def __init__(self, path: Path, archive: zipfile.ZipFile, folder: str) -> None:
        super().__init__(io.BytesIO(archive.read(f"{folder}data.pkl")))
        self._path = path
        self._archive = archive
        self._folder = folder
        self._storages: dict[str, Any] = {}

    def find_class(self, module: str, name: str) -> Any:
        if module == "torch" and name in _STORAGES:
            return _Kind(_STORAGES[name])
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) in _REBUILD:
            return _Function(_REBUILD[module, name])
        if is_inert(module, name):
            return type(name, (Inert,), {"__module__": module})
        raise ModelError(
            f"{self._path} holds more than tensors: it wants to run {module}.{name}, which is "
            "refused; save the state dict alone, torch.save(model.state_dict(), FILE)"
        )

    def persistent_load(self, pid: Any) -> Any:
        """Return the storage of a tensor, each read once."""
        import torch

        _, kind, key, _, _ = pid
        if key not in self._storages:
            values = bytearray(self._archive.read(f"{self._folder}data/{key}"))
            dtype = getattr(torch, kind.dtype)
            self._storages[key] = (
                torch.frombuffer(values, dtype=dtype) if values else torch.empty(0, dtype=dtype)
            )
        return self._storages[key]


class _Kind:
    """What a storage holds."""

    __slots__ = ("dtype",)

    def __init__(self, dtype: str) -> None:
        self.dtype = dtype


class _Function:
    """A function that a pickle may call; without attributes that it could set."""

    __slots__ = ("_run",)

    def __init__(self, run: Callable[..., Any]) -> None:
        self._run = run

    def __call__(self, *args: Any) -> Any:
        return self._run(*args)


def _tensor(values: Tensor, offset: int, size: Any, stride: Any, *_: object) -> Tensor:
    return values.as_strided(tuple(size), tuple(stride), offset)


def _parameter(tensor: Tensor, *_: object) -> Tensor:
    return tensor


_REBUILD: Mapping[tuple[str, str], Callable[..., Any]] = {
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_parameter"): _parameter,
}


# ----------------------------------------------------------------------- configuration


def configuration(content: Any) -> dict[str, Any]:
    """Return the `hyper_parameters` of a Lightning checkpoint by dotted name.

    OmegaConf's nodes are read as the values they hold; what is no text, number, truth value or
    None is left out.

    Example:
        >>> configuration({"hyper_parameters": {"n_classes": 27, "cfg": {"dim": 70}}})
        {'n_classes': 27, 'cfg.dim': 70}
    """
    found = content.get("hyper_parameters") if isinstance(content, Mapping) else None
    return dict(_leaves("", found, 0, [_MAX_VALUES]))


def _leaves(prefix: str, value: Any, depth: int, left: list[int]) -> Iterator[tuple[str, Any]]:
    left[0] -= 1
    if depth > _MAX_DEPTH or left[0] < 0:
        return
    if isinstance(value, Inert):
        state = value.state if isinstance(value.state, Mapping) else {}
        yield from _leaves(prefix, state.get("_content", state.get("_val")), depth + 1, left)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            name = f"{prefix}.{key}" if prefix else str(key)
            yield from _leaves(name, item, depth + 1, left)
    elif prefix and (value is None or isinstance(value, str | int | float)):
        yield prefix, value
