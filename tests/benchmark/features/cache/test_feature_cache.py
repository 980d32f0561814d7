import errno
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tvseg_bench.benchmark.errors import UsageError
from tvseg_bench.benchmark.features.cache import feature_cache as cache_module
from tvseg_bench.benchmark.features.cache import safe_files
from tvseg_bench.benchmark.features.cache.entry import CacheEntry
from tvseg_bench.benchmark.features.cache.feature_cache import FeatureCache, parse_bytes
from tvseg_bench.benchmark.types import (
    Clip,
    ClipFeatures,
    ModelCard,
    View,
)
from tvseg_bench.tests.benchmark.features.cache.cache_process import DATASET

CARD = ModelCard(name="dino/vits16", revision="sha256:" + "ab" * 32, patch_size=16, embed_dim=5)
VIEW = View(size=32)


@pytest.fixture
def cache(tmp_path: Path) -> FeatureCache:
    return FeatureCache(tmp_path / "features", limit=10**7)


@pytest.fixture(autouse=True)
def no_disk_to_spare(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_module, "SPARE_DISK", 0)


def entry(cache: FeatureCache, card=CARD, dataset=DATASET, view=VIEW, dtype="fp32") -> CacheEntry:
    key = FeatureCache.key(card, dataset, view, dtype)
    assert key is not None
    return cache.entry(key)


def a_clip(name: str = "bear") -> Clip:
    return Clip(name=name, n_frames=3, image=lambda t: np.zeros((4, 4, 3), np.uint8))


def made(clip: Clip, seed: int = 0, dtype="float32", attention: bool = False) -> ClipFeatures:
    rng = np.random.default_rng(seed)
    maps = rng.random((3, 6, 20, 30)).astype(dtype) if attention else None
    tokens = rng.random((3, 20, 30, 5)).astype(dtype)
    return ClipFeatures(clip=clip, index=4, frames=(0, 1, 2), tokens=tokens, attention=maps)


def the_file(opened: CacheEntry) -> Path:
    (path,) = opened.path.glob("*.safetensors")
    return path


@pytest.mark.parametrize(("dtype", "stored"), [("fp32", "float32"), ("bf16", "float16")])
@pytest.mark.parametrize("attention", [False, True])
def test_what_is_put_comes_back_to_the_bit(cache, dtype, stored, attention):
    opened = entry(cache, dtype=dtype, view=replace(VIEW, attention=attention))
    clip, features = a_clip(), made(a_clip(), dtype=stored, attention=attention)
    assert not opened.holds(clip)
    assert opened.get(clip, 4, (0, 1, 2)) is None
    assert opened.put(features)
    assert opened.holds(clip)
    back = opened.get(clip, 4, (0, 1, 2))
    assert back is not None
    assert (back.clip, back.index, back.frames) == (clip, 4, (0, 1, 2))
    assert back.tokens.dtype == stored
    assert back.tokens.tobytes() == features.tokens.tobytes()
    assert (back.attention is not None) == attention
    if attention:
        assert back.attention.tobytes() == features.attention.tobytes()


def test_which_clips_are_held_is_told_by_one_look(cache):
    opened, clips = entry(cache), [a_clip(name) for name in ("bear", "boat", "a/b", "…")]
    assert opened.held(clips) == [False] * 4, "there is no folder yet"
    for clip in clips[1::2]:
        opened.put(made(clip))
    assert opened.held(clips) == [opened.holds(clip) for clip in clips] == [False, True] * 2
    assert opened.held([]) == []


CHANGES = [
    {"card": replace(CARD, name="dino-vits16")},
    {"card": replace(CARD, revision="sha256:" + "ab" * 31 + "ac")},  # the same first 12 digits
    {"card": replace(CARD, mean=(0.5, 0.5, 0.5))},
    {"dataset": replace(DATASET, manifest_sha256="cd" * 31 + "ce")},
    {"dataset": replace(DATASET, split="train")},
    {"view": replace(VIEW, statistics="timet")},
    {"view": replace(VIEW, frames=3)},
    {"view": replace(VIEW, frames=3, sampling="random")},
    {"view": replace(VIEW, frames=3, sampling="random", sampling_seed=1)},
    {"view": replace(VIEW, size=48)},
    {"view": replace(VIEW, attention=True)},
    {"dtype": "bf16"},
]


def test_every_part_of_the_identity_has_a_folder_of_its_own(cache):
    folders = [entry(cache).path, *(entry(cache, **change).path for change in CHANGES)]
    assert len(set(folders)) == len(folders)


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_a_file_moved_to_another_identity_is_never_served(cache, change):
    clip = a_clip()
    mine, other = entry(cache), entry(cache, **change)
    mine.put(made(clip))
    other.path.mkdir(parents=True)
    shutil.copy(the_file(mine), other.path)
    with pytest.warns(UserWarning, match="clip 'bear' are not used .* states another identity"):
        assert other.get(clip, 4, (0, 1, 2)) is None


def test_a_whole_folder_renamed_is_never_served_nor_shown_nor_pruned(cache):
    mine, other = entry(cache), entry(cache, card=replace(CARD, name="dino/vitb16"))
    mine.put(made(a_clip()))
    other.path.parent.mkdir(parents=True)
    shutil.move(mine.path, other.path)
    with pytest.warns(UserWarning, match="states another identity"):
        assert other.get(a_clip(), 4, (0, 1, 2)) is None
    assert cache.status() == []
    assert cache.prune(everything=True).removed == []
    assert the_file(other).is_file()


def test_another_clip_or_other_frames_are_never_served(cache):
    opened = entry(cache)
    opened.put(made(a_clip("bear")))
    shutil.copy(the_file(opened), opened.path / safe_files.data_file("dog"))
    with pytest.warns(UserWarning, match="states another identity"):
        assert opened.get(a_clip("dog"), 4, (0, 1, 2)) is None
    with pytest.warns(UserWarning, match="states another identity"):
        assert opened.get(a_clip("bear"), 4, (0, 1)) is None


def test_views_that_mean_the_same_share_an_entry(cache):
    same = replace(VIEW, sampling="random", sampling_seed=7, interpolation="bilinear")
    assert entry(cache, view=same).path == entry(cache).path


@pytest.mark.parametrize("length", [0, 7, 300, -1])
def test_a_truncated_file_is_not_served_and_is_replaced(cache, length):
    opened, clip = entry(cache), a_clip()
    opened.put(made(clip))
    path = the_file(opened)
    path.write_bytes(path.read_bytes()[:length])
    with pytest.warns(UserWarning, match="computed again"):
        assert opened.get(clip, 4, (0, 1, 2)) is None
    assert opened.put(made(clip))
    assert opened.get(clip, 4, (0, 1, 2)) is not None


def test_a_flipped_bit_and_blocks_of_zeros_are_noticed(cache):
    opened, clip = entry(cache), a_clip()
    opened.put(made(clip))
    path = the_file(opened)
    whole = path.read_bytes()
    for damaged in (whole[:-1] + bytes([whole[-1] ^ 1]), whole[:-64] + bytes(64)):
        path.write_bytes(damaged)
        with pytest.warns(UserWarning, match="checksum does not hold"):
            assert opened.get(clip, 4, (0, 1, 2)) is None


@pytest.mark.parametrize(
    "arrays",
    [
        {"tokens": np.zeros((2, 2, 3, 5), "f4")},
        {"tokens": np.zeros((3, 2, 3, 6), "f4")},
        {"tokens": np.zeros((3, 600, 5), "f4")},
        {"tokens": np.zeros((3, 2, 3, 5), "f2")},
        {"tokens": np.zeros((3, 2, 3, 5), "f8")},
        {"tokens": np.zeros((3, 2, 3, 5), "f4"), "more": np.zeros((3, 1, 1, 1), "f4")},
        {},
    ],
    ids=lambda arrays: str({name: (a.shape, a.dtype.str) for name, a in arrays.items()}),
)
def test_forged_contents_are_not_served(cache, arrays):
    opened, clip = entry(cache), a_clip()
    opened.put(made(clip))
    safe_files.write(the_file(opened), arrays, opened._metadata(clip, (0, 1, 2)))
    with pytest.warns(UserWarning, match="it holds"):
        assert opened.get(clip, 4, (0, 1, 2)) is None


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=300), st.text(max_size=300))
def test_any_clip_name_gives_a_safe_file_name_of_its_own(one, other):
    name = safe_files.data_file(one)
    assert safe_files.DATA_FILE.fullmatch(name)
    assert len(name) < 100
    assert (name == safe_files.data_file(other)) == (one == other)


@pytest.mark.parametrize("name", ["../../evil", "a/b/c", "x" * 5000, "CON", "ü\n\0", "\udcff", ""])
def test_odd_clip_names_work_and_stay_inside(cache, name):
    opened, clip = entry(cache), a_clip(name)
    assert opened.put(made(clip))
    assert opened.get(clip, 4, (0, 1, 2)) is not None
    assert the_file(opened).resolve().is_relative_to(cache.root.resolve())


def test_odd_model_names_stay_inside(cache):
    for name in ("../../../evil", "/etc", "..", "x" * 5000):
        path = entry(cache, card=replace(CARD, name=name, revision="../..")).path
        assert len(path.relative_to(cache.root).parts) == 3
        assert path.resolve().is_relative_to(cache.root.resolve())


def test_without_revision_or_manifest_there_is_no_key():
    assert FeatureCache.key(replace(CARD, revision=""), DATASET, VIEW, "fp32") is None
    assert FeatureCache.key(CARD, replace(DATASET, manifest_sha256=""), VIEW, "fp32") is None


# --------------------------------------------------------------------------- crash and company


def test_a_killed_writer_leaves_nothing_that_looks_whole(cache, monkeypatch):
    opened, clip = entry(cache), a_clip()
    opened.put(made(a_clip("first")))

    def killed(self: Path, target: Path) -> None:
        shutil.copy(self, self.with_name(".left"))
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        opened.put(made(clip))
    assert not opened.holds(clip)
    assert opened.get(clip, 4, (0, 1, 2)) is None


def test_left_temporary_files_go_when_they_are_old(cache):
    opened = entry(cache)
    opened.put(made(a_clip()))
    old, young = (opened.path / f".{digit * 32}.tmp" for digit in "ab")
    for path in (old, young):
        path.write_bytes(b"half")
    os.utime(old, (0, 0))
    cache.prune()
    assert not old.exists()
    assert young.exists()


def write_many(root: str, n: str) -> None:
    opened = entry(FeatureCache(Path(root), limit=10**9))
    for i in range(int(n)):
        opened.put(made(a_clip(f"clip{i % 50}"), seed=i % 50))


def writer(cache: FeatureCache, n: int) -> subprocess.Popen[bytes]:
    code = "import runpy, sys; runpy.run_path(sys.argv[1])['write_many'](*sys.argv[2:])"
    return subprocess.Popen([sys.executable, "-c", code, __file__, str(cache.root), str(n)])


def kept_clips(cache: FeatureCache) -> list[int]:
    """Return the clips that are there, having compared each with what was put."""
    opened, found = entry(cache), []
    for i in range(50):
        back = opened.get(a_clip(f"clip{i}"), 4, (0, 1, 2))
        if back is not None:
            assert back.tokens.tobytes() == made(a_clip(), seed=i).tokens.tobytes()
            found.append(i)
    return found


def test_several_processes_may_write_one_cache(cache):
    writers = [writer(cache, 50) for _ in range(2)]
    write_many(str(cache.root), "50")
    assert [process.wait() for process in writers] == [0, 0]
    assert kept_clips(cache) == list(range(50))
    (row,) = cache.status()
    assert row.clips == 50
    assert len(list(row.path.iterdir())) == 51


def test_after_kill_9_every_file_is_whole_or_not_there(cache):
    for n in (3, 60):
        process = writer(cache, 10**9)
        before = time.monotonic()
        while (
            len(list(cache.root.glob("*/*/*/*.safetensors"))) < min(n, 50)
            and process.poll() is None
        ):
            assert time.monotonic() - before < 60
        process.kill()
        assert process.wait() != 0
        assert kept_clips(cache)


def test_a_folder_pruned_by_another_process_is_made_again(cache, monkeypatch):
    opened = entry(cache)
    opened.put(made(a_clip("a")))
    write, calls = safe_files.write, []

    def pruned_before(path, arrays, metadata):
        if not calls:
            shutil.rmtree(opened.path)
        calls.append(path)
        write(path, arrays, metadata)

    monkeypatch.setattr(safe_files, "write", pruned_before)
    assert opened.put(made(a_clip("b")))
    assert len(calls) == 2
    assert [row.clips for row in cache.status()] == [1]


def test_threads_may_put_at_the_same_time(cache):
    opened = entry(cache)
    threads = [
        threading.Thread(target=lambda i=i: opened.put(made(a_clip(f"c{i}"), i))) for i in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [row.clips for row in cache.status()] == [8]


# ----------------------------------------------------------------------------- limit and prune


def test_a_full_disk_stops_keeping_with_one_warning(cache, monkeypatch):
    def full(path, arrays, metadata):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(safe_files, "write", full)
    opened = entry(cache)
    with pytest.warns(UserWarning, match="no longer cached .* No space left"):
        assert not opened.put(made(a_clip("a")))
    assert not opened.put(made(a_clip("b")))  # a second warning would be an error here
    assert not entry(cache, dtype="bf16").put(made(a_clip("c"), dtype="float16"))


def test_a_nearly_full_disk_is_left_alone(cache, monkeypatch):
    monkeypatch.setattr(cache_module, "SPARE_DISK", 10**18)
    with pytest.warns(UserWarning, match="free disk"):
        assert not entry(cache).put(made(a_clip()))
    assert cache.status() == []


def test_a_root_that_cannot_be_made_only_warns(tmp_path):
    (tmp_path / "file").write_text("a user's")
    with pytest.warns(UserWarning, match="no longer cached"):
        assert not entry(FeatureCache(tmp_path / "file" / "features", 10**6)).put(made(a_clip()))
    assert (tmp_path / "file").read_text() == "a user's"


def filled(cache: FeatureCache, names: str) -> dict[str, Path]:
    """Make entries of a clip each, the first used longest ago."""
    paths = {}
    for age, name in enumerate(reversed(names)):
        opened = entry(cache, card=replace(CARD, name=name))
        opened.put(made(a_clip()))
        past = 1e9 - 1e6 * age
        os.utime(opened.path / safe_files.INDEX, (past, past))
        paths[name] = opened.path
        del opened
    return paths


def test_the_limit_is_kept_by_removing_what_was_not_used_for_longest(cache):
    size = cache_size_of_one(cache)
    paths = filled(cache, "abc")
    cache.limit = 3 * size + size // 2
    opened = entry(cache, card=replace(CARD, name="d"))
    assert opened.put(made(a_clip()))
    assert [row.model for row in cache.status()] == ["d", "c", "b"]
    assert not paths["a"].parent.parent.exists()


def cache_size_of_one(cache: FeatureCache) -> int:
    filled(cache, "z")
    (row,) = cache.prune(everything=True).removed
    return row.bytes


def test_reading_counts_as_use(cache):
    filled(cache, "abc")
    assert [row.model for row in cache.status()] == ["c", "b", "a"]
    assert entry(cache, card=replace(CARD, name="a")).get(a_clip(), 0, (0, 1, 2)) is not None
    assert [row.model for row in cache.status()] == ["a", "c", "b"]


def test_what_this_process_uses_is_never_pruned_and_the_rest_streams(cache):
    size = cache_size_of_one(cache)
    cache.limit = size + size // 2
    opened = entry(cache)
    assert opened.put(made(a_clip("a")))
    with pytest.warns(UserWarning, match="TVSEG_CACHE_LIMIT"):
        assert not opened.put(made(a_clip("b")))
    (row,) = cache.status()
    assert row.in_use
    assert cache.prune(everything=True).removed == []
    assert opened.get(a_clip("a"), 0, (0, 1, 2)) is not None
    del opened
    assert len(cache.prune(everything=True).removed) == 1


def test_prune_takes_what_is_asked_and_returns_what_it_took(cache):
    filled(cache, "abcd")
    size = cache.status()[0].bytes
    assert cache.prune().removed == []
    assert [row.model for row in cache.prune(to_bytes=3 * size).removed] == ["a"]
    entry(cache, card=replace(CARD, name="b")).get(a_clip(), 0, (0, 1, 2))
    assert [row.model for row in cache.prune(older_than=timedelta(days=1)).removed] == ["c", "d"]
    assert [row.model for row in cache.status()] == ["b"]
    assert [row.model for row in cache.prune(everything=True).removed] == ["b"]
    assert cache.root.is_dir()
    assert list(cache.root.iterdir()) == []


def test_prune_leaves_everything_that_the_cache_did_not_write(cache):
    paths = filled(cache, "ab")
    in_entry, beside, lookalike = (
        paths["a"] / "notes.txt",
        cache.root / "thesis.safetensors",
        paths["a"] / f"mine-{'0' * 32}.safetensors",
    )
    for path in (in_entry, beside, lookalike):
        path.write_text("a user's")
    strange = cache.root / "x@1" / "y@2" / "z"
    strange.mkdir(parents=True)
    (strange / safe_files.INDEX).write_text(json.dumps({"format": safe_files.FORMAT}))
    cache.prune(everything=True)
    assert all(path.read_text() == "a user's" for path in (in_entry, beside, lookalike))
    assert (strange / safe_files.INDEX).exists()
    assert not paths["b"].exists()


def test_prune_and_put_never_follow_links_out_of_the_root(cache, tmp_path):
    outside = FeatureCache(tmp_path / "outside", 10**7)
    paths = filled(outside, "a")
    cache.root.mkdir()
    (cache.root / "linked@1").symlink_to(paths["a"].parent.parent, target_is_directory=True)
    mine = entry(cache)
    mine.put(made(a_clip()))
    target = next(paths["a"].glob("*.safetensors"))
    (mine.path / safe_files.data_file("linked")).symlink_to(target)
    with pytest.warns(UserWarning, match="it is a link"):
        assert mine.get(a_clip("linked"), 0, (0, 1, 2)) is None
    del mine
    assert [row.model for row in cache.prune(everything=True).removed] == ["dino/vits16"]
    assert target.is_file()
    assert len(outside.status()) == 1

    other = entry(cache, card=replace(CARD, name="b"))
    other.path.parent.mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    other.path.symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    with pytest.warns(UserWarning, match="leads out of the cache"):
        assert not other.put(made(a_clip()))
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_the_status_names_model_data_view_size_and_use(cache):
    opened = entry(cache)
    for name in ("a", "b"):
        opened.put(made(a_clip(name)))
    (row,) = cache.status()
    assert (row.model, row.revision, row.dataset) == (CARD.name, CARD.revision, "toy:val")
    assert row.view == "short-side 32, every frame, fp32"
    assert row.clips == 2
    assert row.bytes == sum(path.stat().st_size for path in opened.path.glob("*.safetensors"))
    assert row.path == opened.path
    index = json.loads((opened.path / safe_files.INDEX).read_text())
    assert index == opened.key.identity


def test_the_limit_and_the_root_come_from_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("TVSEG_HOME", str(tmp_path))
    monkeypatch.setenv("TVSEG_CACHE_LIMIT", "2.5G")
    cache = FeatureCache()
    assert (cache.root, cache.limit) == (tmp_path / "features", 2_500_000_000)
    assert not cache.root.exists()
    for text in ("much", "-1", "1X", "", "inf", "nan"):
        with pytest.raises(UsageError, match="not a size in bytes"):
            parse_bytes(text)
