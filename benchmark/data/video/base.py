"""What a video is to the suite: numbered pictures, whoever decodes them."""

from __future__ import annotations

import operator
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Literal

from tvseg_bench.benchmark.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from tvseg_bench.benchmark.data.video.index import FrameIndex
    from tvseg_bench.benchmark.data.video.stream import StreamInfo
    from tvseg_bench.benchmark.types import Image

Reader = Literal["decord", "av"]
"""Who decodes: decord, or FFmpeg through PyAV."""


class FrameNumberError(DataError, IndexError):
    """A frame was asked for that the video does not have; also ends a plain `for` loop."""


class Video(ABC):
    """The frames of one video stream, decoded when they are asked for.

    Frame `i` is the i-th frame in presentation order, converted to RGB and turned upright as
    FFmpeg does by default. Reading is safe from any thread, one frame at a time. Files are opened
    with the first frame and closed by `close()`; a frame that is asked for later opens them again.
    """

    reader: Reader

    def __init__(self, path: Path, info: StreamInfo, index: FrameIndex, reason: str) -> None:
        self.path = path
        self.info = info
        self.index = index
        self.reason = reason
        """One sentence: why this reader was chosen."""
        self._lock = threading.Lock()

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in pixels, as shown (after rotation)."""
        return self.info.shown

    @property
    def timestamps(self) -> tuple[float, ...] | None:
        """Presentation time of each frame in seconds, None where the file does not say."""
        if not self.index.labels or len(self.index.labels) != len(self):
            return None
        return tuple(float(label * self.info.time_base) for label in self.index.labels)

    def __len__(self) -> int:
        """Return the number of frames; where a file is cut off, the number it promises."""
        return self.index.n_frames

    def __getitem__(self, number: int) -> Image:
        """Return one frame, uint8 [H, W, 3] RGB.

        Raises:
            FrameNumberError: for a number outside 0..len - 1 (there are no negative numbers).
            DataError: where the file is damaged, naming file and frame.
        """
        number = operator.index(number)
        if not 0 <= number < len(self):
            raise FrameNumberError(
                f"there is no frame {number} in {self.path}: its {len(self)} frames are "
                f"numbered 0 to {len(self) - 1}"
            )
        with self._lock:
            return self._read(number)

    def frames(self, numbers: Iterable[int] | None = None) -> Iterator[Image]:
        """Yield the frames of the given numbers, in that order; all of them by default."""
        for number in range(len(self)) if numbers is None else numbers:
            yield self[number]

    def close(self) -> None:
        """Let go of the file and the decoder's memory."""
        with self._lock:
            self._release()

    def __enter__(self) -> Video:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @abstractmethod
    def _read(self, number: int) -> Image:
        """Return one frame; called with the lock held and a number that exists."""

    @abstractmethod
    def _release(self) -> None:
        """Close what is open; called with the lock held."""
