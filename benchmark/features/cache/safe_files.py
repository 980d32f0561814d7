"""Files and folders of the feature cache: safe names, atomic writes, verified reads.

Nothing here trusts a name: a file states what it holds in its safetensors header, a folder in its
index.json, and both are checked before anything is served or removed. Links are never followed.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import time
import uuid
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Arrays = Mapping[str, NDArray[np.floating[Any]]]

FORMAT = "tvseg-bench/features@1"
"""Raised whenever features of the same identity may come out with other numbers."""
INDEX = "index.json"
DATA_FILE = re.compile(r"[a-z0-9_][a-z0-9._-]{0,39}-[0-9a-f]{32}\.safetensors")
TEMPORARY = re.compile(r"\.[0-9a-f]{32}\.tmp")
MAX_HEADER = 16 * 2**20


def canonical(identity: Mapping[str, Any]) -> str:
    """Return the one JSON text of an identity.

    Example:
        >>> canonical({"b": 1, "a": [2, None]})
        '{"a":[2,null],"b":1}'
    """
    return json.dumps(identity, sort_keys=True, separators=(",", ":"))


def digest(text: str) -> str:
    """Return 32 hexadecimal digits of sha256; lone surrogates of odd file names are allowed."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def slug(text: str, length: int = 40) -> str:
    """Return a readable part of a file name; what makes it unique has to stand beside it.

    Example:
        >>> slug("dino/ViT S16"), slug("../../etc"), slug("…")
        ('dino-vit-s16', 'etc', '_')
    """
    return re.sub(r"[^a-z0-9._-]+", "-", text.lower()).strip(".-")[:length] or "_"


def data_file(clip_name: str) -> str:
    """Return the file name of a clip, safe and unique whatever the clip is called.

    Example:
        >>> data_file("seq/bear")
        'seq-bear-e7d08c1aac3a4f8c141b5cc9c3aad8bf.safetensors'
    """
    return f"{slug(clip_name)}-{digest(clip_name)}.safetensors"


# -------------------------------------------------------------------------- one clip's file


def write(path: Path, arrays: Arrays, metadata: Mapping[str, str]) -> None:
    """Write arrays and their metadata, completely or not at all.

    Raises:
        OSError: the disk is full or may not be written.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    temporary = path.with_name(f".{uuid.uuid4().hex}.tmp")
    try:
        save_file(dict(arrays), temporary, {**metadata, "crc32": _checksum(arrays)})
        temporary.replace(path)
    except SafetensorError as error:  # how the library reports a full disk
        raise OSError(str(error)) from error
    finally:
        temporary.unlink(missing_ok=True)


def read(path: Path, metadata: Mapping[str, str]) -> dict[str, NDArray[np.floating[Any]]]:
    """Return the arrays of a file whose metadata are the given ones.

    The file is read and not mapped: where another node removes a mapped file of a network file
    system, the process that touches it next is killed by SIGBUS.

    Raises:
        FileNotFoundError: there is no such file, or it was removed while it was read.
        ValueError: it is damaged, a link, or somebody else's.
    """
    import numpy as np
    from safetensors import SafetensorError, deserialize

    if path.is_symlink():
        raise ValueError("it is a link")
    try:
        data = path.read_bytes()
        tensors = deserialize(data)  # type: ignore[no-untyped-call]
        stated = _stated(data)
    except FileNotFoundError:
        raise
    except (SafetensorError, OSError) as error:
        if isinstance(error, OSError) and error.errno == errno.ESTALE:
            raise FileNotFoundError(error.errno, "removed while it was read", path) from error
        raise ValueError(str(error)) from error
    del data
    checksum = stated.pop("crc32", "")
    if stated != dict(metadata):
        raise ValueError("it states another identity")
    types = {"F16": np.float16, "F32": np.float32}
    if any(tensor["dtype"] not in types for _, tensor in tensors):
        raise ValueError("it holds other types than features have")
    arrays = {
        name: np.frombuffer(tensor["data"], types[tensor["dtype"]]).reshape(tensor["shape"])
        for name, tensor in tensors
    }
    if _checksum(arrays) != checksum:
        raise ValueError("its checksum does not hold")
    return arrays


def _stated(data: bytes) -> dict[str, str]:
    """Return the metadata of a file whose header safetensors has found sound."""
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    return dict(header.get("__metadata__") or {})


def _checksum(arrays: Arrays) -> str:
    """Guard against blocks that a crash of the machine left unwritten."""
    value = 0
    for name in sorted(arrays):
        array = arrays[name]
        value = zlib.crc32(f"{name}{array.dtype.str}{array.shape}".encode(), value)
        value = zlib.crc32(array.reshape(-1).view("u1").data, value)
    return f"{value:08x}"


def is_ours(path: Path) -> bool:
    """Return whether a file was written by `write`, by its name and by its own header."""
    if path.is_symlink() or not path.is_file() or not DATA_FILE.fullmatch(path.name):
        return False
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(length)) if length <= MAX_HEADER else {}
        return bool(header["__metadata__"]["format"] == FORMAT)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return False


# ------------------------------------------------------------------------ an entry's folder


def now(folder: Path) -> float:
    """Return the time by the clock that stamps files in a folder, in seconds since the epoch.

    Clocks of nodes differ; this one is the same for all of them. It is read off a file that is
    made for it, which also makes a network file system list the folder anew. Where none can be
    made, it is this machine's time.
    """
    probe = folder / f".{uuid.uuid4().hex}.tmp"
    try:
        probe.touch(exist_ok=False)
        return probe.stat().st_mtime
    except OSError:
        return time.time()
    finally:
        with contextlib.suppress(OSError):
            probe.unlink()


def write_index(folder: Path, identity: Mapping[str, Any]) -> None:
    """Write the identity of the features that a folder holds."""
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f".{uuid.uuid4().hex}.tmp"
    try:
        temporary.write_text(json.dumps(identity, indent=2, sort_keys=True) + "\n", "utf-8")
        temporary.replace(folder / INDEX)
    finally:
        temporary.unlink(missing_ok=True)


def read_index(folder: Path) -> dict[str, Any] | None:
    """Return the identity of an entry; None where the folder is not one of ours."""
    path = folder / INDEX
    if path.is_symlink() or not path.is_file():
        return None
    try:
        with path.open(encoding="utf-8") as file:
            identity = json.loads(file.read(MAX_HEADER))
        ours = identity["format"] == FORMAT and folder.name.endswith(digest(canonical(identity)))
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return identity if ours else None


def entries(root: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield every entry below a root with its identity, in the order of names."""
    for folder in sorted(root.glob("*/*/*")):  # model, data set, view
        links = [part for part in (folder, *folder.parents[:2]) if part.is_symlink()]
        identity = None if links else read_index(folder)
        if identity is not None:
            yield folder, identity


def files(folder: Path, *names: re.Pattern[str]) -> list[Path]:
    """Return the files of a folder, links left out, whose whole names match one of the patterns.

    Raises:
        OSError: the folder is gone.
    """
    with os.scandir(folder) as found:
        return [
            folder / item.name
            for item in found
            if any(name.fullmatch(item.name) for name in names)
            and item.is_file(follow_symlinks=False)
        ]
