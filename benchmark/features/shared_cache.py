"""What evaluations of one feature set share: made once, kept while there is room.

Seeds, a sweep of K and several scopes want the same reduced features and the same ground truth.
The runner gives all cells of a group one memo; an evaluation called alone keeps what it itself
wants twice.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, TypeVar

T = TypeVar("T")

DEFAULT_LIMIT = 1 << 30
"""Bytes: 15 000 frames of 350 patches in 50 dimensions, or 2 600 masks of 480p."""


@dataclass
class SharedCache:
    """Values by key, up to a number of bytes; what comes when it is full is not kept.

    First come, first kept: evaluations read a data set from its first clip to its last, where
    dropping the oldest value would always drop the one that is wanted next.

    Example:
        >>> memo = SharedCache(limit=100)
        >>> memo.get("a", lambda: "made", lambda value: 60), memo.get("b", lambda: 1, lambda _: 60)
        ('made', 1)
        >>> "a" in memo, "b" in memo, memo.used
        (True, False, 60)
    """

    limit: int = DEFAULT_LIMIT
    used: int = 0
    _values: dict[Hashable, Any] = field(default_factory=dict)

    def __contains__(self, key: Hashable) -> bool:
        """Return whether the value is kept."""
        return key in self._values

    def get(self, key: Hashable, make: Callable[[], T], size: Callable[[T], int]) -> T:
        """Return the value of a key, made now if it is not kept.

        Args:
            key: everything that the value depends on, within one feature set.
            make: gives the value, which nobody may change afterwards.
            size: bytes that the value takes.
        """
        if key in self._values:
            kept: T = self._values[key]
            return kept
        value = make()
        needed = size(value)
        if self.used + needed <= self.limit:
            self._values[key] = value
            self.used += needed
        return value


def memo_of(features: object, limit: int = 0) -> SharedCache:
    """Return the memo that came with a feature set, else a new one that keeps `limit` bytes."""
    memo = getattr(features, "memo", None)
    return memo if isinstance(memo, SharedCache) else SharedCache(limit)
