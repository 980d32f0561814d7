import contextlib
import errno
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tvseg_bench.benchmark.features.cache import feature_cache as cache_module
from tvseg_bench.benchmark.features.cache import marks, removal, safe_files
from tvseg_bench.benchmark.features.cache.feature_cache import FeatureCache
from tvseg_bench.tests.benchmark.features.cache import cache_process
from tvseg_bench.tests.benchmark.features.cache.cache_process import (
    N_CLIPS,
    a_clip,
    features_of,
    is_right,
    open_entry,
)

A_DAY = 86400.0


@pytest.fixture
def cache(tmp_path: Path) -> FeatureCache:
    return FeatureCache(tmp_path / "features", limit=10**7)


@pytest.fixture(autouse=True)
def no_disk_to_spare(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_module, "SPARE_DISK", 0)


def started(cache: FeatureCache, what: str) -> "subprocess.Popen[str]":
    command = [sys.executable, cache_process.__file__, what, str(cache.root)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@contextlib.contextmanager
def company(cache: FeatureCache, what: str) -> Iterator["subprocess.Popen[str]"]:
    """Run another process, from when it says that it is ready."""
    with started(cache, what) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        try:
            yield process
        finally:
            process.kill()


def marks_of(cache: FeatureCache) -> list[Path]:
    return list(cache.root.glob("*/*/*/.reading-*"))


def make_old(path: Path, seconds: float) -> None:
    then = path.stat().st_mtime - seconds
    os.utime(path, (then, then))


def models(rows: list[cache_module.CacheRow]) -> list[str]:
    return [row.model for row in rows]


# ------------------------------------------------------------------------------ other processes


def test_what_another_process_reads_is_not_pruned_until_it_is_gone(cache):
    open_entry(cache).put(features_of(0))
    with company(cache, "hold") as reader:
        (row,) = cache.status()
        assert row.in_use
        pruned = cache.prune(everything=True)
        assert (pruned.removed, models(pruned.in_use)) == ([], ["toy/vit"])
        _, _ = reader.communicate("")  # it ends of itself
    assert marks_of(cache) == []
    assert len(cache.prune(everything=True).removed) == 1


def test_the_mark_of_a_killed_process_expires(cache):
    open_entry(cache).put(features_of(0))
    with company(cache, "hold") as reader:
        reader.send_signal(signal.SIGKILL)
        reader.wait()
    (mark,) = marks_of(cache)
    make_old(mark, marks.EXPIRED_S - 30)
    assert len(cache.prune(everything=True).in_use) == 1
    make_old(mark, 60)
    assert [row.in_use for row in cache.status()] == [False]
    assert len(cache.prune(everything=True).removed) == 1
    assert list(cache.root.iterdir()) == []


def test_room_is_not_made_by_removing_what_another_process_reads(cache):
    open_entry(cache).put(features_of(0))
    cache.limit = 50_000
    with company(cache, "hold"):
        with pytest.warns(UserWarning, match="no longer cached"):
            assert not open_entry(cache, "other").put(features_of(1))
        assert models(cache.status()) == ["toy/vit"]


def test_a_living_process_touches_its_mark(cache):
    open_entry(cache).put(features_of(0))
    with company(cache, "touch_often"):
        (mark,) = marks_of(cache)
        begin = time.monotonic()
        os.utime(mark, (0, 0))
        while mark.stat().st_mtime == 0:
            assert time.monotonic() - begin < 60
            time.sleep(0.01)


@pytest.mark.skipif(sys.platform == "win32", reason="no fork")
def test_a_forked_process_has_marks_of_its_own(cache):
    open_entry(cache).put(features_of(0))
    with started(cache, "fork") as process:
        assert process.wait() == 0
    assert marks_of(cache) == []


def test_writers_beside_a_prune_give_right_features_always(cache):
    with started(cache, "write") as one, started(cache, "write") as other:
        removed = 0
        while one.poll() is None or other.poll() is None:
            removed += len(cache.prune(everything=True).removed)
            time.sleep(0.001)
        assert (one.wait(), other.wait()) == (0, 0)
    assert removed
    folders = {path.parent for path in cache.root.glob("*/*/*/*.safetensors")}
    assert {row.path for row in cache.status()} >= folders
    entry = open_entry(cache)
    for number in range(N_CLIPS):
        assert is_right(entry, number) or entry.put(features_of(number))
    del entry
    assert len(cache.prune(everything=True).removed) == 1
    assert list(cache.root.iterdir()) == []


# ------------------------------------------------------------------------------------- the marks


def test_asking_leaves_nothing(cache):
    assert not open_entry(cache).holds(a_clip(0))
    assert not is_right(open_entry(cache), 0)
    assert not cache.root.exists()
    open_entry(cache).put(features_of(0))
    entry = open_entry(cache)
    assert entry.holds(a_clip(0))
    assert marks_of(cache) == []


def test_threads_share_the_mark_of_their_entry(cache):
    entry = open_entry(cache)
    threads = [threading.Thread(target=entry.put, args=(features_of(n),)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(marks_of(cache)) == 1
    del entry, threads, thread
    assert marks_of(cache) == []


def test_ages_are_taken_by_the_clock_of_the_files(cache, monkeypatch):
    open_entry(cache).put(features_of(0))
    mark = cache.status()[0].path / f".reading-{'0' * 32}"
    half = cache.status()[0].path / f".{'0' * 32}.tmp"
    for path in (mark, half):
        path.touch()
    monkeypatch.setattr(safe_files.time, "time", lambda: time.monotonic() + 10 * A_DAY)
    assert len(cache.prune(everything=True).in_use) == 1
    assert half.exists()
    make_old(half, removal.STALE_S + 60)
    make_old(mark, marks.EXPIRED_S + 60)
    assert len(cache.prune(everything=True).removed) == 1


def test_where_no_mark_can_be_made_features_are_read_all_the_same(cache, monkeypatch):
    open_entry(cache).put(features_of(0))

    def refused(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "touch", refused)
    assert is_right(open_entry(cache), 0)  # a warning would be an error
    assert [row.in_use for row in cache.status()] == [False]
    assert marks_of(cache) == []


def test_a_mark_is_never_made_through_a_link(cache, tmp_path):
    outside = FeatureCache(tmp_path / "outside", 10**7)
    open_entry(outside).put(features_of(0))
    cache.root.mkdir()
    (linked,) = outside.root.iterdir()
    (cache.root / linked.name).symlink_to(linked, target_is_directory=True)
    entry = open_entry(cache)
    entry.get(a_clip(0), 0, (0, 1, 2))
    assert marks_of(outside) == []


# ----------------------------------------------------------------- two at the very same moment


def test_a_clip_written_while_its_entry_is_removed_stays_with_an_index(cache, monkeypatch):
    open_entry(cache).put(features_of(0))

    def a_writer_comes(folder: Path, now: float) -> bool:
        open_entry(cache).put(features_of(1))
        return False

    monkeypatch.setattr(removal, "in_use", a_writer_comes)
    cache.prune(everything=True)
    assert [row.clips for row in cache.status()] == [1]
    assert is_right(open_entry(cache), 1)


def test_an_index_removed_under_a_writer_is_written_again(cache, monkeypatch):
    open_entry(cache).put(features_of(0))
    rmdir = Path.rmdir

    def a_writer_came(folder: Path) -> None:
        (folder / safe_files.data_file("late")).touch()
        rmdir(folder)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "rmdir", a_writer_came)
        cache.prune(everything=True)
    assert [row.clips for row in cache.status()] == [1]

    entry, write = open_entry(cache), safe_files.write

    def a_prune_came(path: Path, *rest: object) -> None:
        write(path, *rest)
        path.with_name(safe_files.INDEX).unlink()

    monkeypatch.setattr(safe_files, "write", a_prune_came)
    entry.put(features_of(1))
    assert [row.clips for row in cache.status()] == [2]


def test_folders_that_go_while_they_are_made_are_made_again(cache, monkeypatch):
    write_index, calls = safe_files.write_index, []

    def removed_at_once(folder: Path, identity: dict[str, object]) -> None:
        write_index(folder, identity)
        calls.append(folder)
        if len(calls) < 4:
            shutil.rmtree(folder.parents[1])

    monkeypatch.setattr(safe_files, "write_index", removed_at_once)
    assert open_entry(cache).put(features_of(0))
    assert is_right(open_entry(cache), 0)


def test_a_file_removed_on_another_node_while_it_is_read_is_only_gone(cache, monkeypatch):
    open_entry(cache).put(features_of(0))

    def stale(path: Path) -> bytes:
        raise OSError(errno.ESTALE, "Stale file handle")

    monkeypatch.setattr(Path, "read_bytes", stale)
    assert open_entry(cache).get(a_clip(0), 0, (0, 1, 2)) is None  # a warning would be an error


def test_half_a_file_of_a_killed_writer_keeps_its_index_until_it_goes(cache):
    open_entry(cache).put(features_of(0))
    half = cache.status()[0].path / f".{'0' * 32}.tmp"
    half.write_bytes(b"half")
    assert len(cache.prune(everything=True).removed) == 1
    assert [row.clips for row in cache.status()] == [0]
    make_old(half, removal.STALE_S + 60)
    cache.prune(everything=True)
    assert list(cache.root.iterdir()) == []


def test_what_others_write_is_counted_when_two_percent_of_the_limit_were_written(cache):
    size = features_of(0).tokens.nbytes
    cache.limit = 50 * size
    open_entry(cache, "mine").put(features_of(0))
    others = FeatureCache(cache.root, limit=10**9)
    for number in range(60):
        open_entry(others, f"other{number}").put(features_of(number))
    open_entry(cache, "mine").put(features_of(1))
    open_entry(cache, "mine").put(features_of(2))
    assert sum(row.bytes for row in cache.status()) < 1.02 * cache.limit
