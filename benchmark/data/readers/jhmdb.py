"""JHMDB: videos of one person each, with the places of 15 joints in every frame.

Layout: Rename_Images/ACTION/VIDEO/NNNNN.png, joint_positions/ACTION/VIDEO/joint_positions.mat,
splits/ACTION_test_split1.txt with lines `VIDEO.avi 1` (train) and `VIDEO.avi 2` (test). The array
`pos_img` is [2, 15, frames], counted from 1 (github.com/ajabri/videowalk, code/data/jhmdb.py, and
github.com/Liusifei/UVC, eval_pck.py, subtract 1).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tvseg_bench.benchmark.data.cards import JHMDB as CARD
from tvseg_bench.benchmark.data.files import layout
from tvseg_bench.benchmark.data.files.clip_frames import Companions, FrameReader
from tvseg_bench.benchmark.data.files.inventory import Collector, Inventory, Labelling
from tvseg_bench.benchmark.data.files.listing import stem
from tvseg_bench.benchmark.errors import DataError
from tvseg_bench.benchmark.types import Points

ROOTS = ("JHMDB", "jhmdb", "JHMDB/JHMDB", "jhmdb_dataset")
IMAGES = ("Rename_Images", "Frames")
JOINTS = "joint_positions"
ENDING = "_test_split1.txt"
TEST_LIST = "testlist_split1.txt"
"""The test half of split 1 as one file of paths, as TimeCycle and UVC release it."""
PARTS = {"train": "1", "test": "2"}
MAX_BYTES = 4 << 20
"""A file of joints has some ten kilobytes."""

POINT_NAMES = (
    *("neck", "belly", "head", "right shoulder", "left shoulder", "right hip", "left hip"),
    *("right elbow", "left elbow", "right knee", "left knee", "right wrist", "left wrist"),
    *("right ankle", "left ankle"),
)


def inventory(root: Path | None, split: str | None) -> Inventory:
    """List one part of JHMDB's first split.

    Raises:
        DataError: the data set, the lists or the joints are not there.
        UsageError: there is no such split.
    """
    folder = layout.find_root(
        CARD,
        root,
        ROOTS,
        lambda path: layout.missing_part(path, IMAGES, [JOINTS], ["splits", TEST_LIST]),
    )
    lists = _lists(folder)
    split = layout.choose_split(CARD, split, lists, f"splits (*{ENDING})")
    images = next(name for name in IMAGES if (folder / name).is_dir())
    found = Collector(folder)
    for video in dict.fromkeys(_videos(lists[split], PARTS[split])):
        found.add_folder(video, f"{images}/{video}", None)
        joints = _joints_path(video)
        if (folder / joints).is_file():
            found.use(joints)
        else:
            found.findings.add("label-file", joints, f"{joints} of clip {video!r} is not there")
    return found.finish(
        CARD,
        split,
        lambda _: Labelling(),
        splits=lists,
        no_mask="this data set is read for its joints and has no masks",
        unknown="",
        companions=_companions,
    )


def _joints_path(video: str) -> str:
    return f"{JOINTS}/{video}/joint_positions.mat"


# ------------------------------------------------------------------------------ lists


def _lists(folder: Path) -> dict[str, Path]:
    if any((folder / "splits").glob(f"*{ENDING}")):
        return dict.fromkeys(CARD.splits, folder / "splits")
    return {"test": folder / TEST_LIST} if (folder / TEST_LIST).is_file() else {}


def _videos(listed: Path, part: str) -> Iterator[str]:
    """Yield `ACTION/VIDEO` of one part, in the order of the lists."""
    if listed.is_dir():
        for path in sorted(listed.glob(f"*{ENDING}")):
            for line in layout.read_list(path):
                video = re.fullmatch(r"(.+?)\s+([0-9]+)", line)
                if video is None:
                    raise DataError(f"{path} holds the line {line!r} instead of VIDEO.avi 1 or 2")
                if video[2] == part:
                    (name,) = layout.safe_parts(video[1], path.name)[-1:]
                    yield f"{path.name.removesuffix(ENDING)}/{stem(name)}"
        return
    for line in layout.read_list(listed):
        folders = [word for word in line.split() if not word.endswith(".mat")]
        parts = layout.safe_parts(folders[0], listed.name) if folders else ()
        if len(parts) < 2:
            raise DataError(f"{listed} holds the line {line!r} instead of .../ACTION/VIDEO")
        yield "/".join(parts[-2:])


# ----------------------------------------------------------------------------- joints


@dataclass(frozen=True)
class JointPositions:
    """The joints of one video, read when they are first asked for."""

    reader: FrameReader

    def points(self, frame: int) -> Points:
        """Return the joints of a frame, [15, 2] (x, y) in pixels from 0.

        Raises:
            DataError: the file is missing, damaged, or has no such frame.
        """
        with self.reader.naming(frame):
            places = self._places
            if frame >= len(places):
                raise DataError(
                    f"{_joints_path(self.reader.files.name)} holds {len(places)} frames of "
                    f"joints, the clip has {len(self.reader.files.frames)}"
                )
            found: Points = places[frame]
            return found

    @cached_property
    def _places(self) -> NDArray[np.float32]:
        name = _joints_path(self.reader.files.name)
        return read_joints(self.reader.source.root / name, name)


def read_joints(path: Path, name: str) -> NDArray[np.float32]:
    """Return the joints of all frames, [T, 15, 2] (x, y) in pixels from 0.

    Args:
        path: a Matlab file with the array `pos_img` [2, 15, T], counted from 1.
        name: how errors call it.

    Raises:
        DataError: missing, too large, damaged, or of another form.
    """
    from scipy.io import loadmat

    try:
        if path.stat().st_size > MAX_BYTES:
            raise DataError(
                f"{name} is larger than {MAX_BYTES >> 20} MiB, which no file of joints is"
            )
        stored = loadmat(path, variable_names=["pos_img"]).get("pos_img")
    except DataError:
        raise
    except FileNotFoundError as error:
        raise DataError(f"{name} is not there") from error
    except Exception as error:  # the reader of damaged files raises nearly anything
        raise DataError(f"{name} is not a Matlab file that can be read ({error})") from error
    if not isinstance(stored, np.ndarray) or stored.dtype.kind not in "fiu":
        raise DataError(f"{name} holds no array pos_img of numbers")
    if stored.ndim == 2:  # Matlab drops the last axis of a single frame
        stored = stored[..., None]
    if stored.shape[:2] != (2, len(POINT_NAMES)):
        raise DataError(
            f"the array pos_img of {name} is {list(stored.shape)} instead of [2, "
            f"{len(POINT_NAMES)}, frames]"
        )
    return (stored.transpose(2, 1, 0) - 1).astype(np.float32)


def _companions(reader: FrameReader) -> Companions:
    return Companions(points=JointPositions(reader).points, point_names=POINT_NAMES)
