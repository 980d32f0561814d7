"""The feature cache: computed features of a model, bounded, visible, never another model's.

    ROOT/<model>@<revision>/<data set>@<manifest>/<size>-<dtype>-<digest>/index.json
                                                                          <clip>-<hash>.safetensors

A file is served only if the identity inside it (model and revision, data set and manifest, view,
dtype, clip, frames) is the one asked for and its checksum holds; names are for people. Files are
written under a temporary name and renamed: a killed process leaves no file that looks complete.
Any number of processes on any number of nodes may share a cache: who reads or writes an entry
leaves a mark in its folder (`marks`), and what is marked is not removed (`removal`). Importing
this module loads neither torch nor numpy.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import threading
import warnings
import weakref
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from pydantic import ByteSize, TypeAdapter, ValidationError

from tvseg_bench.benchmark.errors import UsageError
from tvseg_bench.benchmark.features.cache import removal, safe_files
from tvseg_bench.benchmark.features.cache.entry import CacheEntry, CacheKey, cache_key, in_use
from tvseg_bench.benchmark.paths import home
from tvseg_bench.benchmark.types import Dataset, ModelCard, View

DEFAULT_LIMIT = 50 * 10**9
SPARE_DISK = 10**9
"""Bytes of the disk that the cache leaves to others."""
RECOUNT = 0.02
"""Share of the limit that this process writes before it counts again what others wrote."""


def parse_bytes(text: str) -> int:
    """Read a number of bytes with an optional decimal unit.

    Raises:
        UsageError: it is not such a number.

    Example:
        >>> parse_bytes("50G"), parse_bytes("1.5 MB"), parse_bytes("0")
        (50000000000, 1500000, 0)
    """
    try:
        return int(TypeAdapter(ByteSize).validate_python(text))
    except ValidationError:
        raise UsageError(
            f"{text!r} is not a size in bytes; write for example 50G or 800M"
        ) from None


@dataclass(frozen=True, kw_only=True)
class CacheRow:
    """One entry as `cache status` shows it."""

    model: str
    revision: str
    dataset: str
    view: str
    clips: int
    bytes: int
    last_use: datetime
    path: Path
    in_use: bool
    """By any process on any node; such an entry is never pruned."""


@dataclass(frozen=True, kw_only=True)
class Pruned:
    """What a prune removed, and what it would have removed."""

    removed: list[CacheRow]
    """The one not used for longest first."""
    in_use: list[CacheRow]
    """Entries that stayed because some process works with them."""


class FeatureCache:
    """Computed features in files below one root.

    Args:
        root: default the folder `features` of the suite's home; made when something is written.
        limit: bytes, default `TVSEG_CACHE_LIMIT` (50G where it is not set). Where there is no
            room, the entries not used for longest go first, never one that any process works
            with. Where several processes write, each counts what all wrote whenever it has written
            2 % of the limit itself, so together they may pass it by 2 % each.

    Raises:
        UsageError: `TVSEG_CACHE_LIMIT` is not a size.
    """

    key = staticmethod(cache_key)

    def __init__(self, root: Path | None = None, limit: int | None = None) -> None:
        self.root = (home() / "features" if root is None else root).expanduser().absolute()
        if limit is None:
            limit = parse_bytes(os.environ.get("TVSEG_CACHE_LIMIT") or str(DEFAULT_LIMIT))
        self.limit = limit
        self._used: int | None = None
        self._written = 0
        self._warned = False
        self._lock = threading.RLock()
        _CACHES.add(self)

    def entry(self, key: CacheKey) -> CacheEntry:
        """Open an entry, which need not exist yet; it is not pruned while the object lives."""
        return CacheEntry(self.root, key, self._make_room, self._no_room)

    def cached_view(self, card: ModelCard, dataset: Dataset, view: View, dtype: str) -> View:
        """Return a view under which every clip is cached and which serves this one, else this one.

        What was cached with attention, where the model has any, holds the tokens without it too.
        """
        wider = replace(view, attention="if-any")
        if view.attention is False and view.output == "features" and dataset.clips:
            for candidate in (view, wider):
                key = cache_key(card, dataset, candidate, dtype)
                entry = None if key is None else self.entry(key)
                if entry is not None and all(entry.held(dataset.clips)):
                    return candidate
        return view

    def status(self) -> list[CacheRow]:
        """Return every entry, the one used last first."""
        return [row for row, _ in self._rows(safe_files.now(self.root))]

    def _rows(self, now: float) -> list[tuple[CacheRow, Mapping[str, Any]]]:
        """Return every entry with its identity, the one used last first."""
        rows = []
        for path, identity in safe_files.entries(self.root):
            with contextlib.suppress(OSError, KeyError, TypeError):  # pruned just now, or forged
                rows.append((_row(path, identity, now), identity))
        return sorted(rows, key=lambda row: row[0].last_use, reverse=True)

    def prune(
        self,
        *,
        everything: bool = False,
        older_than: timedelta | None = None,
        to_bytes: int | None = None,
    ) -> Pruned:
        """Remove entries completely, those not used for longest first.

        Only files that the cache wrote are removed, recognised by name and header; an entry in use
        by any process stays. Without an argument, entries go until the limit holds.

        Args:
            older_than: entries not used for that long.
            to_bytes: entries not used for longest, until the rest is not larger.
        """
        if not everything and older_than is None and to_bytes is None:
            to_bytes = self.limit
        now = safe_files.now(self.root)
        rows = self._rows(now)
        total = sum(row.bytes for row, _ in rows)
        today = datetime.fromtimestamp(now, timezone.utc)
        pruned = Pruned(removed=[], in_use=[])
        for row, identity in reversed(rows):
            with contextlib.suppress(OSError):
                removal.sweep(row.path, now)
            old = older_than is not None and today - row.last_use > older_than
            over = to_bytes is not None and total > to_bytes
            if not (everything or old or over):
                continue
            outcome = removal.remove(row.path, identity)
            if outcome == "removed":
                total -= row.bytes
                pruned.removed.append(row)
            elif outcome == "in use":
                pruned.in_use.append(replace(row, in_use=True))
        self._used = None
        return pruned

    def _make_room(self, size: int) -> None:
        """Raise OSError where `size` bytes do not fit, whatever is pruned."""
        with self._lock:
            self.root.mkdir(parents=True, exist_ok=True)
            if self._used is None or self._written > RECOUNT * self.limit:
                self._used, self._written = self._total(), 0
            free = shutil.disk_usage(self.root).free
            allowed = min(self.limit, self._used + free - SPARE_DISK)
            if self._used + size > allowed:
                self.prune(to_bytes=max(0, allowed - size))
                self._used, self._written = self._total(), 0
            if self._used + size > allowed:
                raise OSError(
                    f"{size / 1e6:.0f} MB more would pass the limit of {self.limit / 1e9:g} GB "
                    f"(TVSEG_CACHE_LIMIT) or leave too little of {free / 1e9:.1f} GB free disk"
                )
            self._used += size
            self._written += size

    def _total(self) -> int:
        return sum(row.bytes for row in self.status())

    def _no_room(self, error: OSError) -> None:
        if not self._warned:
            self._warned = True
            warnings.warn(
                f"features are computed but no longer cached in {self.root}: {error}; "
                f"`tvseg-bench cache prune` makes room",
                stacklevel=3,
            )


_CACHES: weakref.WeakSet[FeatureCache] = weakref.WeakSet()


def _forked() -> None:
    """Give the caches of a forked process locks that no thread of its parent holds."""
    for cache in _CACHES:
        cache._lock = threading.RLock()


if sys.platform != "win32":
    os.register_at_fork(after_in_child=_forked)


def _row(path: Path, identity: Mapping[str, Any], now: float) -> CacheRow:
    sizes = [file.stat().st_size for file in safe_files.files(path, safe_files.DATA_FILE)]
    view = identity["view"]
    chosen = "every frame" if view["frames"] is None else f"{view['frames']} {view['sampling']}"
    return CacheRow(
        model=identity["model"]["name"],
        revision=identity["model"]["revision"],
        dataset=f"{identity['dataset']['name']}:{identity['dataset']['split']}",
        view=f"{view['resize']} {view['size']}, {chosen}, {identity['dtype']}",
        clips=len(sizes),
        bytes=sum(sizes),
        last_use=datetime.fromtimestamp((path / safe_files.INDEX).stat().st_mtime, timezone.utc),
        path=path,
        in_use=in_use(path, now),
    )
