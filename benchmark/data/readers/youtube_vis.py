"""YouTube-VIS 2021 in its official layout: train/JPEGImages and train/instances.json.

The labels of the official validation and test videos are not public, so that the last 300 videos
of the training archive are the customary validation split (martius-lab/videosaur,
data/save_ytvis2021.py).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from tvseg_bench.benchmark.data.files import layout
from tvseg_bench.benchmark.data.files.clip_frames import ClipFiles
from tvseg_bench.benchmark.data.files.images import IMAGE_SUFFIXES, MAX_PIXELS
from tvseg_bench.benchmark.data.files.inventory import Collector, Inventory, Labelling
from tvseg_bench.benchmark.data.files.json_arrays import Element, elements, read_element
from tvseg_bench.benchmark.data.files.listing import list_files
from tvseg_bench.benchmark.data.files.masks import AsStored, LabelMap, StoredMask
from tvseg_bench.benchmark.data.files.rle import decode_rle
from tvseg_bench.benchmark.data.video_cards import YOUTUBE_VIS_2021 as CARD
from tvseg_bench.benchmark.errors import DataError
from tvseg_bench.benchmark.types import VOID

ROOTS = (
    *("YouTubeVIS2021", "YouTube-VIS-2021", "youtube-vis-2021", "youtube_vis_2021"),
    *("YTVIS2021", "ytvis2021", "ytvis_2021", "YouTubeVIS", "YouTube-VIS"),
)
IMAGES = "train/JPEGImages"
LABELS = ("train/instances.json", "train.json")
"""As the archive has it, and as it is usually put beside it."""
VALIDATION_VIDEOS = 300

FORMS = {
    "videos": '{"id", "height", "width", "file_names": [...]}',
    "annotations": '{"video_id", "category_id", "segmentations": [...]}',
    "categories": '{"id", "name"}',
}
"""The arrays of a label file that are read, and what of their entries."""

PLAIN_NAME = re.compile(r"[\w-][\w.-]*")

MAX_FRAMES = 1 << 20
MAX_OBJECTS = 1 << 20
MAX_NAME = 1024
"""What is kept of a file in memory is bounded; YouTube-VIS 2021 has some 90,000 frames."""

KEPT_BYTES = 1 << 20
"""Of the text of an object whose masks are kept while the frames of its clip are read."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Object:
    """One object of a video, and where in the file its masks stand."""

    category: int
    start: int
    length: int


@dataclass(slots=True)
class _Video:
    """What the label file says of one video."""

    folder: str
    frames: tuple[str, ...]
    size: tuple[int, int]
    """(height, width)."""
    objects: list[_Object] = field(default_factory=list)
    """In the order of the file: the first has the id 1."""


@dataclass(frozen=True)
class _Index:
    """A label file without its masks."""

    path: Path
    name: str
    changed: int
    videos: Mapping[str, _Video]
    """By the name of the clip, in the order of the file."""
    classes: tuple[str, ...]

    def labelling(self, files: ClipFiles) -> Labelling:
        """Return what the ids of one clip's objects mean."""
        objects = self.videos[files.name].objects
        categories = {i: one.category for i, one in enumerate(objects, start=1)}
        return Labelling(
            semantic=LabelMap({0: 0, **categories}), instance=AsStored(), categories=categories
        )

    def mask(self, files: ClipFiles, frame: int) -> StoredMask:
        """Paint the objects of a frame; where two overlap, the later one is seen.

        Raises:
            DataError: a mask is not what it should be.
        """
        video = self.videos[files.name]
        values = np.zeros(video.size, np.uint8)
        for i, one in enumerate(video.objects, start=1):
            about = self._about(one)
            try:
                if (rle := about["segmentations"][frame]) is not None:
                    values[decode_rle(rle, video.size)] = i
            except (LookupError, TypeError) as error:
                raise DataError(f"{self.name} was changed while it was in use") from error
            except DataError as error:
                raise DataError(f"{self.name}, annotation at byte {one.start}, {error}") from error
        return StoredMask(values, "RLE")

    def _about(self, one: _Object) -> Any:
        if one.length > KEPT_BYTES:
            return read_element(self.path, self.name, one.start, one.length)
        return _kept(self.path, self.name, self.changed, one)


@lru_cache(maxsize=16)
def _kept(path: Path, name: str, changed: int, one: _Object) -> Any:
    """Return what the file says of an object; all its frames are asked for one after the other."""
    return read_element(path, name, one.start, one.length)


def inventory(root: Path | None, split: str | None) -> Inventory:
    """List one split of YouTube-VIS 2021.

    Raises:
        DataError: the data set or its label file is not there, or the file has another form.
        UsageError: there is no such split.
    """
    folder = layout.find_root(CARD, root, ROOTS, _mismatch)
    there = dict.fromkeys(CARD.splits, folder / IMAGES)
    split = layout.choose_split(CARD, split, there, str(folder))
    name = next(name for name in LABELS if (folder / name).is_file())
    about = (folder / name).stat()
    index = _read_index(folder / name, name, about.st_size, about.st_mtime_ns)
    every = list(index.videos)
    chosen = every[:-VALIDATION_VIDEOS] if split == "train" else every[-VALIDATION_VIDEOS:]
    found = Collector(folder)
    found.use(name)
    for clip in chosen:
        _add(found, clip, index.videos[clip], name)
    return found.finish(
        CARD,
        split,
        index.labelling,
        splits=there,
        no_mask=f"{name} has no mask",
        unknown=f"{name} names no category for object {{value}} of this video",
        settings={"classes": index.classes},
        classes=index.classes,
        label_file=index.mask,
    )


def _mismatch(folder: Path) -> str | None:
    return layout.missing_part(folder, [IMAGES], LABELS)


def _add(found: Collector, clip: str, video: _Video, label_file: str) -> None:
    images = f"{IMAGES}/{video.folder}"
    sizes = list_files(found.root / images, IMAGE_SUFFIXES)
    for frame in (frame for frame in video.frames if frame not in sizes):
        text = f"{label_file} lists {video.folder}/{frame}, but {images}/{frame} is not there"
        found.findings.add("frame-missing", f"{images}/{frame}", text)
    if all(frame in sizes for frame in video.frames):
        frames = {frame: sizes[frame] for frame in video.frames}
        found.add_labelled(clip, images, frames, label_file)


# ------------------------------------------------------------------------ the label file


@lru_cache(maxsize=2)
def _read_index(path: Path, name: str, size: int, changed: int) -> _Index:
    """Look through a label file, once for as long as it has this size and time of change."""
    content = _Content(name)
    for found in elements(path, name, FORMS):
        try:
            content.add(found)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise DataError(
                f"{name} has an entry of {found.key} at byte {found.start} that is not of the "
                f"form {FORMS[found.key]} ({_reason(error)})"
            ) from error
    classes = content.classes()
    return _Index(path, name, changed, content.linked(), classes)


class _Content:
    """What the entries of a label file say, checked one by one, without the masks."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.videos: dict[int, tuple[str, _Video]] = {}
        self.categories: dict[int, str] = {}
        self.objects: list[tuple[int, int, _Object]] = []
        """(video, frames, object)."""
        self.frames = 0

    def add(self, found: Element) -> None:
        """Take up an entry; raise ValueError, or what access to another form raises."""
        about = found.value
        if found.key == "videos":
            video = _video(about, self.name)
            self.frames += len(video.frames)
            _add_once(self.videos, _number(about["id"]), (_clip_name(video, about), video))
        elif found.key == "categories":
            _add_once(self.categories, _number(about["id"]), _text(about["name"]))
        else:
            one = _Object(_number(about["category_id"]), found.start, found.length)
            frames = len(_list(about["segmentations"]))
            self.objects.append((_number(about["video_id"]), frames, one))
        if len(self.objects) > MAX_OBJECTS or self.frames > MAX_FRAMES:
            raise ValueError("there are more than any data set has")

    def classes(self) -> tuple[str, ...]:
        """Return the names of the ids 0.., of which 0 is the background."""
        numbers = range(1, len(self.categories) + 1)
        if set(self.categories) != set(numbers) or not 0 < len(self.categories) < VOID:
            raise DataError(
                f"{self.name} does not number its categories 1, 2, ... up to {VOID - 1} at most"
            )
        return ("background", *(self.categories[number] for number in numbers))

    def linked(self) -> dict[str, _Video]:
        """Return the videos with their objects, by the name of the clip."""
        for number, frames, one in self.objects:
            if number not in self.videos or one.category not in self.categories:
                raise DataError(
                    f"{self.name} has an annotation at byte {one.start} of a video or of a "
                    f"category that it does not list"
                )
            clip, video = self.videos[number]
            video.objects.append(one)
            if frames != len(video.frames) or len(video.objects) >= VOID:
                raise DataError(
                    f"{self.name} has an annotation at byte {one.start} with {frames} masks for "
                    f"the {len(video.frames)} frames of {clip!r}, as object {len(video.objects)} "
                    f"of {VOID - 1} at most"
                )
        videos = dict(self.videos.values())
        if len(videos) < len(self.videos):
            raise DataError(f"{self.name} lists two videos with frames in the same folder")
        return videos


def _video(about: Any, name: str) -> _Video:
    paths = [_text(path).rpartition("/") for path in _list(about["file_names"])]
    folders = {path[0] for path in paths}
    frames = tuple(path[2] for path in paths)
    size = _number(about["height"]), _number(about["width"])
    if len(folders) != 1 or len(set(frames)) < len(frames):
        raise ValueError("its frames are not different files of one folder")
    if not 0 < size[0] * size[1] <= MAX_PIXELS:
        raise ValueError(
            f"its frames have {size[1]}x{size[0]} pixels, at most {MAX_PIXELS} are read"
        )
    for frame in (frame for frame in frames if not PLAIN_NAME.fullmatch(frame)):
        raise ValueError(f"{frame!r:.40} is not the name of an image file")
    folder = folders.pop()
    return _Video("/".join(layout.safe_parts(folder, name)) if folder else "", frames, size)


def _clip_name(video: _Video, about: Any) -> str:
    return video.folder or str(about["id"])


def _number(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 1 << 53:
        raise ValueError(f"{value!r:.40} is not a number from 0 on")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str) or len(value) > MAX_NAME:
        raise ValueError(f"{value!r:.40} is not a name")
    return value


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError(f"{value!r:.40} is not a list")
    return value


def _add_once(known: dict[int, T], number: int, value: T) -> None:
    if number in known:
        raise ValueError(f"the id {number} stands there twice")
    known[number] = value


def _reason(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"{error} is missing"
    return str(error) if isinstance(error, ValueError) else "it is of another kind"
