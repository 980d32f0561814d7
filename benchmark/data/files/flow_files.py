"""Optical flow from the user's files: `.flo` or `.npz`, one file per frame, a folder per clip.

    FOLDER/<clip>/<frame>.flo            Middlebury: motion from this frame to the next
                 /<frame>.backward.flo   optional: from the next frame to this one
    FOLDER/<clip>/<frame>.npz            arrays `flow` and, optional, `backward` [H, W, 2], and
                                         `occluded` [H, W], true or not 0 where a point is hidden

<frame> is the frame's own name or its index in five digits. A point is left out where the flow
is NaN or unknown (beyond 1e9, as Middlebury marks it), where `occluded` is set, and, where there
is backward flow, where following both does not lead back.

The files are not trusted: nothing is unpickled, sizes are checked before anything is read, and
no clip's name leads out of the folder. Links in it are followed: the folder is the user's own.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tvseg_bench.benchmark.data.files.array_files import UNREADABLE, read_member
from tvseg_bench.benchmark.data.files.listing import walk_files
from tvseg_bench.benchmark.errors import DataError
from tvseg_bench.benchmark.metrics.flow import occluded
from tvseg_bench.benchmark.types import Clip, Flow

SUFFIXES = (".flo", ".npz")
MAGIC = b"PIEH"
"""202021.25 as little-endian float32: how a Middlebury file begins."""
UNKNOWN = 1e9
"""Displacements that are larger mean that nothing is known."""


@dataclass(frozen=True)
class FlowFolder:
    """The user's flow of a data set."""

    root: Path

    def clip(self, clip: Clip, size: tuple[int, int]) -> Callable[[int], Flow] | None:
        """Return the reader of one clip's flow, None where there is no folder for it.

        Args:
            size: (H, W) of its frames, which the flow must have.

        Raises:
            DataError: The clip's name leads out of the folder. When a frame is read: its file is
                missing or is not what it should be.
        """
        name = Path(clip.name)
        if name.anchor or ".." in name.parts:
            raise DataError(
                f"the flow of clip {clip.name!r} would lie outside {self.root}; rename the clip"
            )
        folder = self.root / name
        if not folder.is_dir():
            return None
        return lambda t: self._read(folder, clip, t, size)

    def _read(self, folder: Path, clip: Clip, t: int, size: tuple[int, int]) -> Flow:
        names = [clip.frame_names[t]] if clip.frame_names else []
        stems = dict.fromkeys([*(Path(name).name for name in names), f"{t:05d}"])
        wanted = [folder / f"{stem}{suffix}" for stem in stems for suffix in SUFFIXES]
        found = next((path for path in wanted if path.is_file()), None)
        if found is None:
            raise DataError(
                f"there is no flow from frame {t} of clip {clip.name!r}: expected "
                f"{wanted[0].name} or {wanted[1].name} in {folder}"
            )
        return read_flow(found, size)


def read_flow(path: Path, size: tuple[int, int], name: str = "") -> Flow:
    """Read the motion of one frame from a `.flo` or `.npz` file.

    Args:
        size: (H, W) that it must have; nothing is read of a file that has another.
        name: how errors call the file, default its path.

    Returns:
        [H, W, 2] float32 displacement (x, y) in pixels; NaN where it is unknown or occluded.

    Raises:
        DataError: It is damaged, of another size, or holds other things than expected.
    """
    try:
        parts = _read_npz(path, size) if path.suffix == ".npz" else _read_flo_pair(path, size)
    except FileNotFoundError as error:
        raise DataError(f"the flow {name or path} is not there") from error
    except UNREADABLE as error:
        raise DataError(
            f"the flow {name or path} cannot be used: {error}; expected the motion of a frame of "
            f"{size[0]}x{size[1]} pixels (height x width)"
        ) from None
    return _masked(*parts)


def manifest(root: Path) -> str:
    """Return sha256 over the relative paths and sizes of all flow files below a folder."""
    digest = hashlib.sha256()
    for name, size in sorted(walk_files(root, SUFFIXES)):
        digest.update(f"{name}\0{size}\n".encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


_Parts = tuple["Flow", "Flow | None", "NDArray[Any] | None"]
"""Forward, backward, occluded."""


def _masked(forward: Flow, backward: Flow | None, hidden: NDArray[Any] | None) -> Flow:
    """Put NaN where the motion is unknown or leads to what is hidden."""
    flow = _known(forward)
    if hidden is not None:
        flow[hidden != 0] = np.nan
    if backward is not None:
        flow[occluded(flow, _known(backward))] = np.nan
    return flow


def _known(flow: Flow) -> Flow:
    known = np.array(flow, np.float32)
    known[~(np.abs(known) <= UNKNOWN).all(axis=2)] = np.nan
    return known


def _read_flo_pair(path: Path, size: tuple[int, int]) -> _Parts:
    backward = path.with_name(f"{path.stem}.backward{path.suffix}")
    return (
        _read_flo(path, size),
        _read_flo(backward, size) if backward.is_file() else None,
        None,
    )


def _read_flo(path: Path, size: tuple[int, int]) -> Flow:
    height, width = size
    expected = 12 + 8 * height * width
    with path.open("rb") as file:
        head = file.read(12)
        if head[:4] != MAGIC or len(head) < 12:
            raise ValueError(f"{path.name} does not begin as a .flo file does")
        stated = tuple(np.frombuffer(head[4:], "<i4").tolist())
        if stated != (width, height):
            raise ValueError(f"{path.name} states that it is {stated[1]}x{stated[0]}")
        if (length := path.stat().st_size) != expected:
            raise ValueError(f"{path.name} has {length} bytes instead of {expected}")
        values = np.frombuffer(file.read(expected - 12), "<f4")
    return values.reshape(height, width, 2)


def _read_npz(path: Path, size: tuple[int, int]) -> _Parts:
    with zipfile.ZipFile(path) as archive:
        names = set(archive.namelist())
        if "flow.npy" not in names:
            held = ", ".join(sorted(names)[:4]) or "nothing"
            raise ValueError(f"it holds no array `flow` but {held}")
        forward = read_member(archive, "flow.npy", (*size, 2), "f")
        backward = hidden = None
        if "backward.npy" in names:
            backward = read_member(archive, "backward.npy", (*size, 2), "f")
        if "occluded.npy" in names:
            hidden = read_member(archive, "occluded.npy", size, "biu")
    return forward, backward, hidden
