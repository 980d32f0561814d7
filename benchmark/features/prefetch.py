"""Draw from an iterator in a thread of its own, ahead of the consumer, within a bound."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


def prefetched(
    items: Callable[[threading.Event], Generator[T, None, None]],
    weight: Callable[[T], int],
    limit: int,
) -> Iterator[T]:
    """Yield what `items(stop)` yields, in order, computed while the consumer is busy.

    Items wait while their weights together do not pass `limit`; one always may. An error of
    the generator is raised here, unchanged, after the items before it. When the consumer stops
    early, `stop` is set, the generator is closed in the thread that ran it, and the thread has
    ended before this generator is closed.

    Example:
        >>> list(prefetched(lambda stop: (n for n in range(4)), weight=lambda n: 1, limit=2))
        [0, 1, 2, 3]
    """
    buffer: _Buffer[T] = _Buffer(limit)
    thread = threading.Thread(target=_fill, args=(items, weight, buffer), daemon=True)
    thread.start()
    try:
        yield from iter(buffer.take, None)
    finally:
        buffer.close()
        if thread is not threading.current_thread():  # a garbage collection may run anywhere
            thread.join()


class _Buffer(Generic[T]):
    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.stop = threading.Event()
        self._error: BaseException | None = None
        self._ended = False
        self._items: deque[tuple[int, T]] = deque()
        self._weight = 0
        self._changed = threading.Condition()

    def put(self, item: T, weight: int) -> None:
        with self._changed:
            self._changed.wait_for(
                lambda: (
                    self.stop.is_set() or not self._items or self._weight + weight <= self.limit
                )
            )
            self._items.append((weight, item))
            self._weight += weight
            self._changed.notify_all()

    def end(self, error: BaseException | None) -> None:
        with self._changed:
            self._error, self._ended = error, True
            self._changed.notify_all()

    def take(self) -> T | None:
        """Return the next item, None at the end; raise the error that ended the items."""
        with self._changed:
            self._changed.wait_for(lambda: self._items or self._ended)
            if self._items:
                weight, item = self._items.popleft()
                self._weight -= weight
                self._changed.notify_all()
                return item
            if self._error is None:
                return None
            raise self._error

    def close(self) -> None:
        with self._changed:
            self.stop.set()
            self._items.clear()
            self._changed.notify_all()


def _fill(
    items: Callable[[threading.Event], Generator[T, None, None]],
    weight: Callable[[T], int],
    buffer: _Buffer[T],
) -> None:
    try:
        with contextlib.closing(items(buffer.stop)) as generator:
            for item in generator:
                buffer.put(item, weight(item))
                del item  # else it would outlive its use by one turn
                if buffer.stop.is_set():
                    break
    except BaseException as error:
        buffer.end(error)
    else:
        buffer.end(None)
