"""Reads what a run recorded for reports: label maps and frames of a few clips.

`media/<cell_id>/kept.json` lists what was recorded. Beside it lie, per clip, `<n>.png`, the maps
of clusters, or of predicted labels, of its recorded frames one below the other, and `<n>-pca.png`,
their features as colours on the patch grid. Frames and ground truth are the same for every cell
and lie once in `media/data`. All of it is read as untrusted: bounded, and no names that lead
elsewhere.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from tvseg_bench.benchmark.evaluation import UnitScope
from tvseg_bench.benchmark.results.result import format_validation_error
from tvseg_bench.benchmark.results.result_file import open_regular_file
from tvseg_bench.benchmark.results.text import Line, ResultError

SCHEMA: Final = "tvseg-bench/kept@1"
FRAMES = 12
"""Frames of a clip that are recorded, equidistant."""
LONG_SIDE = 480
"""Pixels of the long side at most."""

_MAX_JSON = 64 * 2**20
_MAX_IMAGE = 32 * 2**20
_MAX_PIXELS = FRAMES * LONG_SIDE * LONG_SIDE

Count = Annotated[int, Field(ge=0)]
Side = Annotated[int, Field(ge=1, le=LONG_SIDE)]
Fraction = Annotated[float, Field(ge=-1, le=1)]
"""Below 0 only of agreement corrected for chance."""
FileName = Annotated[str, Field(pattern=r"^[0-9A-Za-z][0-9A-Za-z._-]{0,200}$")]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class RecordedUnit(_Part):
    """One clustering with its matching: of a frame, a clip, or what a clip has of the data set."""

    start: Count
    """Position of its first frame among the scored frames of the clip."""
    clusters: tuple[int, ...]
    assigned: tuple[int, ...]
    """The label of each cluster; -1 = unmatched."""
    labels: tuple[int, ...]
    table: tuple[tuple[Count, ...], ...]
    """[labels][clusters] pixels."""

    @model_validator(mode="after")
    def _parallel(self) -> RecordedUnit:
        shape = {len(row) for row in self.table} | {len(self.assigned)}
        if shape != {len(self.clusters)} or len(self.table) != len(self.labels):
            raise ValueError("clusters, assigned and table do not have the same length")
        return self


class RecordedClip(_Part):
    """What was recorded of one clip."""

    clip: Line
    positions: Annotated[tuple[Count, ...], Field(min_length=1, max_length=FRAMES)]
    """Of the recorded frames among the scored ones."""
    frames: Annotated[tuple[Count, ...], Field(max_length=FRAMES)]
    """The same, as indices into the clip."""
    size: tuple[Side, Side]
    """Height and width of one recorded frame."""
    score: Fraction | None
    """What `metric` names."""
    series: tuple[Fraction | None, ...]
    """Of every frame that was looked at: mIoU under the unit's matching over the classes in the
    frame, or what `of_frames` names."""
    units: tuple[RecordedUnit, ...]
    maps: FileName
    image: FileName
    truth: FileName
    pca: FileName | None = None
    grid: tuple[Annotated[int, Field(ge=1, le=1024)], Annotated[int, Field(ge=1, le=1024)]]
    """Patches of one frame."""

    @model_validator(mode="after")
    def _fits(self) -> RecordedClip:
        if len(self.frames) != len(self.positions) or max(self.positions) >= len(self.series):
            raise ValueError("positions, frames and series do not belong together")
        return self


class Recording(_Part):
    """Everything that was recorded of one cell."""

    schema_: Literal["tvseg-bench/kept@1"] = Field(default=SCHEMA, alias="schema")
    cell_id: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
    scope: UnitScope
    labels: Literal["semantic", "instance"]
    metric: Line = "mIoU"
    of_frames: Line = "mIoU"
    classes: tuple[Line, ...] = ()
    background: int | None = None
    candidates: Count
    """Clips among which the best, the median and the worst were looked for."""
    clips: tuple[RecordedClip, ...]


def media_folder(directory: Path, cell_id: str) -> Path:
    """Return where a run records a cell."""
    return directory / "media" / cell_id


def data_folder(directory: Path) -> Path:
    """Return where a run records frames and ground truth, which all cells share."""
    return directory / "media" / "data"


class RecordedCell:
    """Reads what a run recorded of one cell."""

    def __init__(self, directory: Path, cell_id: str) -> None:
        self.folder = media_folder(directory, cell_id)
        self.data = data_folder(directory)
        self.cell_id = cell_id

    @property
    def exists(self) -> bool:
        """Return whether anything was recorded."""
        return (self.folder / "kept.json").exists()

    def read(self) -> Recording:
        """Return what was recorded.

        Raises:
            ResultError: naming the file and the field.
        """
        path = self.folder / "kept.json"
        with open_regular_file(path, _MAX_JSON) as file:
            data = file.read(_MAX_JSON + 1)
        try:
            recording = Recording.model_validate_json(data)
        except ValidationError as error:
            raise ResultError(
                f"{path}: {format_validation_error(error)}; run the cell again with --force"
            ) from None
        if recording.cell_id != self.cell_id:
            raise ResultError(f"{path} belongs to the cell {recording.cell_id}, not to its folder")
        return recording

    def maps(self, clip: RecordedClip) -> NDArray[np.int64]:
        """Return the cluster ids [T, H, W] of the recorded frames; -1 where there is none."""
        stored = self._image(self.folder / clip.maps, clip, clip.size, ("L", "I;16", "I"))
        ids = stored.astype(np.int64)
        return np.where(ids == (255 if stored.dtype == np.uint8 else 65535), -1, ids)

    def truth(self, clip: RecordedClip) -> NDArray[np.uint8]:
        """Return the labels [T, H, W] of the recorded frames; 255 is void."""
        return self._image(self.data / clip.truth, clip, clip.size, ("L", "P"))

    def images(self, clip: RecordedClip) -> NDArray[np.uint8]:
        """Return the recorded frames [T, H, W, 3]."""
        return self._image(self.data / clip.image, clip, clip.size, ("RGB",), "JPEG")

    def pca(self, clip: RecordedClip) -> NDArray[np.uint8] | None:
        """Return the features as colours [T, rows, cols, 3], None where they were not recorded."""
        if clip.pca is None:
            return None
        return self._image(self.folder / clip.pca, clip, clip.grid, ("RGB",))

    def _image(
        self,
        path: Path,
        clip: RecordedClip,
        size: tuple[int, int],
        modes: tuple[str, ...],
        form: str = "PNG",
    ) -> NDArray[Any]:
        with open_regular_file(path, _MAX_IMAGE) as file:
            found = _decoded(path, file.read(_MAX_IMAGE + 1), modes, form)
        frames, (height, width) = len(clip.positions), size
        if found.shape[:2] != (frames * height, width):
            raise ResultError(
                f"{path} is {found.shape[1]}x{found.shape[0]}, and kept.json states "
                f"{width}x{frames * height}; run the cell again with --force"
            )
        return found.reshape(frames, height, width, *found.shape[2:])


def _decoded(path: Path, data: bytes, modes: tuple[str, ...], form: str) -> NDArray[Any]:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(data), formats=[form]) as image:
            if image.width * image.height > _MAX_PIXELS or image.mode not in modes:
                raise ResultError(
                    f"{path} is a {image.mode} image of {image.width}x{image.height}, "
                    "which no run writes; run the cell again with --force"
                )
            wide = image.mode.startswith("I")
            array: NDArray[Any] = np.asarray(image)
            return array.astype(np.uint16) if wide else array
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
        cause = " ".join(str(error).split())
        raise ResultError(
            f"{path} is not a readable {form}: {cause}; run the cell again"
        ) from None
