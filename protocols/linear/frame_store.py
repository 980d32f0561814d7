"""Training frames for random access: in memory up to a budget, beyond it in an unnamed file."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from types import TracebackType
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

_BUDGET = 4 << 30


@dataclass(frozen=True)
class _Stored:
    """Where an array lies in the file."""

    offset: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]


@dataclass(eq=False)
class FrameStore:
    """Pairs of tokens [rows, cols, D] and masks [H, W], one per frame, in the order given.

    Example:
        >>> with FrameStore(budget=0) as store:
        ...     store.add(np.ones((2, 3, 4), "f4"), np.zeros((8, 8), "u1"))
        ...     tokens, mask = store[0]
        >>> tokens.shape, mask.shape
        ((2, 3, 4), (8, 8))
    """

    budget: int = _BUDGET
    """Bytes that may stay in memory."""
    _entries: list[tuple[NDArray[Any] | _Stored, NDArray[Any] | _Stored]] = field(
        default_factory=list
    )
    _file: IO[bytes] | None = None

    def __enter__(self) -> FrameStore:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._file is not None:
            self._file.close()

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, tokens: NDArray[np.floating[Any]], mask: NDArray[np.integer[Any]]) -> None:
        """Keep one frame."""
        self._entries.append((self._keep(tokens), self._keep(mask)))

    def __getitem__(self, index: int) -> tuple[NDArray[Any], NDArray[Any]]:
        tokens, mask = self._entries[index]
        return self._load(tokens), self._load(mask)

    def _keep(self, array: NDArray[Any]) -> NDArray[Any] | _Stored:
        if array.nbytes <= self.budget:
            self.budget -= array.nbytes
            return array.copy()
        if self._file is None:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115  # closed by __exit__
        offset = self._file.seek(0, 2)
        self._file.write(np.ascontiguousarray(array).data)
        return _Stored(offset, array.shape, array.dtype)

    def _load(self, entry: NDArray[Any] | _Stored) -> NDArray[Any]:
        if not isinstance(entry, _Stored):
            return entry
        assert self._file is not None
        self._file.seek(entry.offset)
        size = int(np.prod(entry.shape)) * entry.dtype.itemsize
        flat = np.frombuffer(self._file.read(size), entry.dtype)
        return flat.reshape(entry.shape)
