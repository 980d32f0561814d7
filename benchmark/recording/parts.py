"""What a run recorded of a range of clips, on its way to the recorder that writes the files.

JSON; label maps and colours stay compressed, as base64. A part is checked as it is read, so that
one that was cut short or spoilt is refused and never written.
"""

from __future__ import annotations

import zlib
from typing import Annotated, Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from tvseg_bench.benchmark.evaluation import UnitScope
from tvseg_bench.benchmark.recording.reader import FRAMES, Count, Fraction, RecordedUnit
from tvseg_bench.benchmark.results.result import format_validation_error
from tvseg_bench.benchmark.results.text import Line, ResultError
from tvseg_bench.benchmark.types import Clip, LabelKind

SCHEMA: Final = "tvseg-bench/kept-part@1"

Patches = Annotated[int, Field(ge=1, le=1024)]


class _Piece(BaseModel):
    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        ser_json_bytes="base64",
        val_json_bytes="base64",
    )


class Colours(_Piece):
    """Features of the recorded frames as colours."""

    shape: tuple[Count, Patches, Patches, Literal[3]]
    """[P, rows, cols, 3]."""
    data: bytes
    """Compressed, uint8."""

    @model_validator(mode="after")
    def _whole(self) -> Colours:
        _check_bytes(self.data, int(np.prod(self.shape)), "pca")
        return self

    def array(self) -> NDArray[np.uint8]:
        """Return them [P, rows, cols, 3]."""
        return np.frombuffer(zlib.decompress(self.data), np.uint8).reshape(self.shape)


class HeldClip(_Piece):
    """What was recorded of one clip; see `writer`."""

    clip: Line
    frames: tuple[Count, ...]
    """Those that were looked at, as indices into the clip."""
    positions: Annotated[tuple[Count, ...], Field(max_length=FRAMES)]
    """Of the recorded ones among them."""
    size: tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(ge=0)]]
    """Height and width of one recorded frame; 0 where there is none."""
    grid: tuple[Patches, Patches]
    maps: dict[int, bytes]
    """Position -> compressed label map, uint16."""
    truth: dict[int, bytes]
    """Likewise, uint8."""
    units: tuple[RecordedUnit, ...]
    series: dict[Count, Fraction | None]
    scores: tuple[Fraction, ...]
    pca: Colours | None

    @model_validator(mode="after")
    def _whole(self) -> HeldClip:
        pixels = self.size[0] * self.size[1]
        for name, packed, width in (("maps", self.maps, 2), ("truth", self.truth, 1)):
            if not set(packed) <= set(self.positions):
                raise ValueError(f"{name} are of other frames than positions says")
            for data in packed.values():
                _check_bytes(data, pixels * width, name)
        if self.pca is not None and self.pca.shape[0] != len(self.positions):
            raise ValueError("pca is of other frames than positions says")
        if max((*self.positions, *self.series), default=-1) >= len(self.frames):
            raise ValueError("positions, frames and series do not belong together")
        return self

    def fits(self, clip: Clip) -> bool:
        """Return whether the clip has these frames."""
        return max(self.frames, default=-1) < clip.n_frames


class RecordedPart(_Piece):
    """Everything that was recorded of a range of clips."""

    schema_: Literal["tvseg-bench/kept-part@1"] = Field(default=SCHEMA, alias="schema")
    cell_id: str
    scope: UnitScope
    labels: LabelKind
    metric: Line
    of_frames: Line
    clips: tuple[HeldClip, ...]


def written(part: RecordedPart) -> bytes:
    """Return a part as JSON."""
    return part.model_dump_json(by_alias=True).encode()


def read(data: bytes, cell_id: str) -> RecordedPart:
    """Return a part from JSON.

    Raises:
        ResultError: it is damaged, or another cell's.
    """
    try:
        part = RecordedPart.model_validate_json(data)
    except ValidationError as error:
        raise damaged(cell_id, format_validation_error(error)) from None
    if part.cell_id != cell_id:
        raise damaged(cell_id, f"it belongs to the cell {part.cell_id!r}")
    return part


def damaged(cell_id: str, why: str) -> ResultError:
    """Return the error that says what is wrong with a part."""
    return ResultError(
        f"a part of what was recorded of the cell {cell_id} cannot be used: {why}; "
        "run the cell again with --force"
    )


def _check_bytes(data: bytes, size: int, name: str) -> None:
    """Refuse what does not unpack to exactly so many bytes."""
    unpacker = zlib.decompressobj()
    try:
        unpacked = unpacker.decompress(data, size + 1)
    except zlib.error:
        raise ValueError(f"{name} cannot be unpacked") from None
    if len(unpacked) != size or not unpacker.eof:
        raise ValueError(f"{name} do not unpack to {size} bytes")
