"""Files and folders of the feature cache: safe names, atomic writes, verified reads.

Nothing here trusts a name: a file states what it holds in its safetensors header, a folder in its
index.json, and both are checked before anything is served or removed. Links are never followed.
"""

from __future__ import annotations

import hashlib
import json
import re
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

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is damaged, a link, or somebody else's.
    """
    from safetensors import SafetensorError, safe_open

    if path.is_symlink():
        raise ValueError("it is a link")
    try:
        with safe_open(path, framework="numpy") as file:
            stated = dict(file.metadata() or {})
            checksum = stated.pop("crc32", "")
            if stated != dict(metadata):
                raise ValueError("it states another identity")
            names = list(file.keys())
            if any(file.get_slice(name).get_dtype() not in ("F16", "F32") for name in names):
                raise ValueError("it holds other types than features have")
            arrays = {name: file.get_tensor(name) for name in names}
    except FileNotFoundError:
        raise
    except (SafetensorError, OSError) as error:
        raise ValueError(str(error)) from error
    if _checksum(arrays) != checksum:
        raise ValueError("its checksum does not hold")
    return arrays


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
