"""Reading the tensors of an untrusted file: nothing in it is executed.

safetensors files and torch files (zip and legacy) become one flat dict with dotted names. Memory
stays within the size of the file: compressed archives are refused, zip files are mapped.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tvseg_bench.benchmark.errors import ModelError
from tvseg_bench.models.loading import torch_file

if TYPE_CHECKING:
    from torch import Tensor

_MAX_VALUES = 1_000_000
_MAX_DEPTH = 6


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Return every tensor of a weights file by its dotted name, containers included.

    Raises:
        ModelError: if the file is missing, empty, a folder, a web page, truncated, compressed,
            of another format, or wants to run code.
    """
    return read_checkpoint(path)[0]


def read_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return what `read_tensors` does, and the `hyper_parameters` by dotted name, often none.

    Raises:
        ModelError: as `read_tensors`.
    """
    content = _content(path)
    tensors = dict(_flatten(path, content))
    if not tensors:
        raise ModelError(f"{path} holds no named tensors; expected the state dict of a model")
    return tensors, torch_file.configuration(content)


def _content(path: Path) -> Any:
    head = _head(path)
    if head.startswith(b"PK\x03\x04"):
        _refuse_compressed(path)
        return _torch_load(path, zipped=True)
    # The length of a header of safetensors may begin with a pickle's first byte.
    if head.startswith(b"\x80") and head[4:9] != b"\0\0\0\0{":
        return _torch_load(path, zipped=False)
    if head[8:9] == b"{":
        return _safetensors(path)
    raise ModelError(f"{path} {_other_format(head)}; expected a safetensors or torch file")


def _head(path: Path) -> bytes:
    if path.is_dir():
        raise ModelError(f"{path} is a folder; expected a weights file")
    try:
        with path.open("rb") as stream:
            head = stream.read(512)
    except FileNotFoundError:
        raise ModelError(f"there is no weights file {path}") from None
    except OSError as error:
        raise ModelError(f"the weights file {path} cannot be read: {error.strerror}") from error
    if not head:
        raise ModelError(f"the weights file {path} is empty; fetch it again")
    return head


def _other_format(head: bytes) -> str:
    """Describe a file that holds no weights.

    Example:
        >>> _other_format(b"  <!DOCTYPE html>")
        'is a web page that was saved under the name of the weights'
    """
    start = head.lstrip().lower()
    if start.startswith((b"<!doctype", b"<html", b"<?xml")):
        return "is a web page that was saved under the name of the weights"
    if start.startswith(b"version https://git-lfs"):
        return "is a Git LFS pointer, not the file it points to"
    return "is not a weights file that can be read safely"


def _refuse_compressed(path: Path) -> None:
    """torch.save never compresses; what does is no checkpoint and may unpack without end."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise _broken(path, error) from error
    declared = sum(member.file_size for member in members)
    packed = any(member.compress_type != zipfile.ZIP_STORED for member in members)
    if packed or declared > path.stat().st_size:
        raise ModelError(
            f"{path} is a compressed archive that unpacks to {declared} bytes, not a torch file; "
            "unpack it yourself and give the weights file in it"
        )


def _torch_load(path: Path, *, zipped: bool) -> Any:
    try:
        return torch_file.load(path, zipped=zipped)
    except ModelError:
        raise
    except Exception as error:  # a damaged pickle may raise anything
        raise _broken(path, error) from error


def _safetensors(path: Path) -> Any:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError, RuntimeError) as error:
        raise _broken(path, error) from error


def _broken(path: Path, error: Exception) -> ModelError:
    reason = (str(error) or type(error).__name__).splitlines()[0][:120]
    return ModelError(f"{path} is truncated or damaged ({reason}); fetch it again")


def _flatten(path: Path, content: Any) -> Iterator[tuple[str, Tensor]]:
    """Yield (dotted name, tensor) of nested dicts; other values are passed over."""
    from torch import Tensor

    seen = 0
    waiting: list[tuple[str, Any, int]] = [("", content, 0)]
    while waiting:
        prefix, value, depth = waiting.pop()
        if isinstance(value, Tensor):
            if prefix:
                yield prefix, value
            continue
        if not isinstance(value, dict) or depth > _MAX_DEPTH:
            continue
        seen += len(value)
        if seen > _MAX_VALUES:  # containers that hold each other grow without end
            raise ModelError(f"{path} holds more than {_MAX_VALUES} values; expected a state dict")
        waiting += [
            (f"{prefix}.{key}" if prefix else key, item, depth + 1)
            for key, item in dict.items(value)  # a file may hide the dict's own `items`
            if isinstance(key, str)
        ]
