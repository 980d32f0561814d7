"""How many threads to use, while BLAS itself stays on one each."""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from threading import Lock, local
from typing import Any, TypeVar

from threadpoolctl import ThreadpoolController

T = TypeVar("T")
R = TypeVar("R")


def default_threads() -> int:
    """Return torch's number of threads where torch is in use, else OMP_NUM_THREADS, else cores."""
    torch = sys.modules.get("torch")
    if torch is not None:
        return int(torch.get_num_threads())
    wanted = os.environ.get("OMP_NUM_THREADS", "").split(",")[0]
    if wanted.isdigit() and int(wanted) > 0:
        return int(wanted)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Workers:
    """Maps functions over items, in order, on up to `threads` threads."""

    def __init__(self, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads, initializer=_alone) if threads > 1 else None
        self._ahead = 4 * threads

    def map(self, function: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
        """Yield function(item) in the order of the items, a few of them ahead."""
        if self._pool is None:
            yield from map(function, items)
            return
        ahead: deque[Future[R]] = deque()
        for item in items:
            ahead.append(self._pool.submit(function, item))
            if len(ahead) > self._ahead:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()

    def close(self) -> None:
        """Let the threads end."""
        if self._pool is not None:
            self._pool.shutdown()


class _Here(local):
    """The workers of the block that a thread is in."""

    pool: Workers | None = None


_here = _Here()


def _alone() -> None:
    """Let a thread of a pool do by itself what is asked of it."""
    _here.pool = Workers(1)


@contextmanager
def workers(threads: int | None = None) -> Iterator[Workers]:
    """Give workers for the length of a block, while BLAS itself stays on one thread each.

    Within another such block they are its workers, so that many small problems share one pool, and
    a problem that is itself one of many is solved on one thread.
    """
    outer = _here.pool
    if outer is not None:
        yield outer
        return
    _here.pool = pool = Workers(threads or default_threads())
    with single_blas:
        try:
            yield pool
        finally:
            _here.pool = None
            pool.close()


@lru_cache(maxsize=1)
def _controller() -> ThreadpoolController:
    import scipy.linalg.cython_blas  # noqa: F401  # the BLAS that compiled code calls

    return ThreadpoolController()


class _SingleBlas:
    """Limits BLAS to one thread while anybody is inside; the last one out restores it."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._inside = 0
        self._limit: Any = None

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                self._limit = _controller().limit(limits=1, user_api="blas")
                self._limit.__enter__()
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                self._limit.__exit__(None, None, None)


single_blas = _SingleBlas()
