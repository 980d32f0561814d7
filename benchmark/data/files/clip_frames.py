"""From file names to the frames and labels of a clip, decoded when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tvseg_bench.benchmark.data.files.images import image_size, read_image
from tvseg_bench.benchmark.data.files.listing import join, stem
from tvseg_bench.benchmark.data.files.masks import LabelMap, StoredMask, read_mask
from tvseg_bench.benchmark.errors import DataError
from tvseg_bench.benchmark.types import VOID, Depth, Flow, Image, Labels, Points


@dataclass(frozen=True, slots=True)
class ClipFiles:
    """The file names of one clip: all of a clip that stays in memory."""

    name: str
    image_dir: str
    """Relative to the data set's folder, as is `mask_dir`."""
    frames: tuple[str, ...]
    mask_dir: str = ""
    masks: tuple[str | None, ...] = ()
    """One per frame, None where it is missing; empty where the data have no masks at all."""

    def image_path(self, frame: int) -> str:
        """Return the path of a frame relative to the data set's folder."""
        return join(self.image_dir, self.frames[frame])

    def mask_path(self, frame: int) -> str | None:
        """Return the path of a mask relative to the data set's folder, None if missing."""
        mask = self.masks[frame] if self.masks else None
        return None if mask is None else join(self.mask_dir, mask)


@dataclass(frozen=True)
class Companions:
    """What a clip has beside frames and masks; each takes a frame, as in `Clip`."""

    flow: Callable[[int], Flow] | None = None
    depth: Callable[[int], Depth] | None = None
    points: Callable[[int], Points] | None = None
    point_names: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where frames come from, and what errors call it."""

    dataset: str
    root: Path
    reference: str
    """What the user types to name these data."""
    no_mask: str = "there is no mask"
    """The error, without the frame, where a mask is missing."""
    unknown: str = "no id of this data set"
    """The error where a stored value has no id; may use {value}."""
    unlabelled_is_void: bool = False
    """Whether a frame without mask is void everywhere, instead of an error."""
    label_file: Callable[[ClipFiles, int], StoredMask] | None = None
    """Reads the mask of a frame where the masks of all frames stand in one file, whose name is
    then the name of every mask."""

    def stored_mask(self, files: ClipFiles, frame: int) -> StoredMask:
        """Return the mask of a frame that has one, as stored.

        Raises:
            DataError: it is missing or broken; names its file.
        """
        if self.label_file is not None:
            return self.label_file(files, frame)
        name = files.mask_path(frame) or ""
        return read_mask(self.root / name, name)

    def unknown_text(self, mask: str, values: Sequence[int]) -> str:
        """Return the error about stored values of a mask that have no id."""
        shown = ", ".join(map(str, values[:8])) + (", ..." if len(values) > 8 else "")
        return f"{mask} holds the value {shown}: {self.unknown.format(value=values[0])}"


@dataclass(frozen=True)
class FrameReader:
    """Reads the frames of one clip; holds names only, so any thread may use it."""

    source: Source
    files: ClipFiles

    def image(self, frame: int) -> Image:
        """Return frame 0.. as [H, W, 3].

        Raises:
            DataError: names data set, clip, frame and file.
        """
        name = self.files.image_path(frame)
        with self.naming(frame):
            return read_image(self.source.root / name, name)

    def size(self, frame: int) -> tuple[int, int]:
        """Return (height, width) of a frame, from its header."""
        name = self.files.image_path(frame)
        return image_size(self.source.root / name, name)

    def labels_by(self, ids: LabelMap | None) -> Callable[[int], Labels] | None:
        """Return the reader of one kind of label, None where the data have none."""
        if ids is None:
            return None

        def labels(frame: int) -> Labels:
            with self.naming(frame):
                if self.source.unlabelled_is_void and self.files.mask_path(frame) is None:
                    return np.full(self.size(frame), VOID, np.uint8)
                out, unknown = ids.apply(self.mask(frame).values)
                if unknown:
                    mask = self.files.mask_path(frame) or ""
                    raise DataError(self.source.unknown_text(mask, unknown))
                return out

        return labels

    def mask(self, frame: int) -> StoredMask:
        """Return the mask of a frame, as stored.

        Raises:
            DataError: names the mask; missing, broken, or of another size than the frame.
        """
        name, image = self.files.mask_path(frame), self.files.image_path(frame)
        if name is None:
            raise DataError(f"{self.source.no_mask} for {image}")
        mask = self.source.stored_mask(self.files, frame)
        check_size(name, mask, image, self.size(frame))
        return mask

    @contextmanager
    def naming(self, frame: int) -> Iterator[None]:
        """Add to an error inside the block which data set, clip and frame it is about."""
        try:
            yield
        except DataError as error:
            raise DataError(
                f"{self.source.dataset}, clip {self.files.name!r}, frame "
                f"{stem(self.files.frames[frame])!r}: {error}; "
                f"type: tvseg-bench data check {self.source.reference}"
            ) from error


def check_size(name: str, mask: StoredMask, image: str, size: tuple[int, int]) -> None:
    """Refuse a mask that is not of its frame's (height, width).

    Raises:
        DataError: names both files and both sizes.
    """
    height, width = mask.values.shape
    if (height, width) != size:
        raise DataError(
            f"the mask {name} has {width}x{height} pixels, its frame {image} {size[1]}x{size[0]}"
        )
