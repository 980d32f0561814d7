"""What was recorded of ranges of clips, joined to the files of one run, and damage refused."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tvseg_bench.benchmark.metrics.matching import Match
from tvseg_bench.benchmark.recording.reader import RecordedCell
from tvseg_bench.benchmark.recording.writer import MediaRecorder
from tvseg_bench.benchmark.results.text import ResultError
from tvseg_bench.benchmark.types import Clip, ClipFeatures, Dataset, DatasetCard

CELL = "0123456789abcdef"
CARD = DatasetCard(
    name="toy",
    version=1,
    title="toy",
    splits=("val",),
    clip_labels="semantic",
    dataset_labels="semantic",
)


def image(t: int) -> np.ndarray:
    return np.full((16, 24, 3), 20 * t, np.uint8)


CLIPS = [Clip(name=f"clip/{i}", n_frames=3, image=image) for i in range(6)]
DATASET = Dataset(card=CARD, split="val", clips=CLIPS, manifest_sha256="0" * 64)


def recorder(folder: Path, dataset: Dataset = DATASET, cell: str = CELL) -> MediaRecorder:
    return MediaRecorder(folder, cell, dataset, clips=2)


def record(recording: MediaRecorder, chosen: Sequence[int]) -> MediaRecorder:
    """Record some clips, of which one has no score, as a protocol does."""
    recording.on_begin("clip", "semantic", "mIoU")
    for i in chosen:
        rng = np.random.default_rng(i)
        tokens = rng.normal(size=(3, 2, 3, 5))
        clip = ClipFeatures(clip=CLIPS[i], index=0, frames=(0, 1, 2), tokens=tokens)
        recording.on_features(clip, tokens)
        if i == 3:
            continue
        for t in range(3):
            truth = rng.integers(0, 3, (16, 24))
            recording.on_frame(
                clip, t, rng.integers(0, 2 + 300 * (i == 1), (16, 24)), truth, (2, 3)
            )
        recording.on_unit(clip, range(3), Match(np.arange(400), np.arange(400) % 3))
    return recording


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@settings(max_examples=15)
@given(st.lists(st.integers(0, 3), min_size=6, max_size=6), st.permutations(range(4)))
def test_ranges_in_any_order_give_the_files_of_one_run(
    tmp_path_factory: pytest.TempPathFactory, of_clip: list[int], order: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("parts")
    record(recorder(folder / "whole"), range(6)).write()
    joined = recorder(folder / "joined")
    for number in order:
        chosen = [i for i, part in enumerate(of_clip) if part == number]
        joined.add_part(record(recorder(folder / "part"), chosen).part())
    joined.write()
    assert files(folder / "joined") == files(folder / "whole")
    assert not (folder / "part").exists(), "a range writes nothing"
    cell = RecordedCell(folder / "joined", CELL)
    assert [clip.clip for clip in cell.read().clips if cell.maps(clip).max() > 255] == ["clip/1"]


def test_nothing_recorded_is_a_part_too(tmp_path: Path) -> None:
    joined = recorder(tmp_path)
    joined.add_part(record(recorder(tmp_path), []).part())
    joined.write()
    assert files(tmp_path) == {}


def change(*path: str | int, to: Any) -> Callable[[dict[str, Any]], None]:
    def spoil(data: dict[str, Any]) -> None:
        where: Any = data
        for step in path[:-1]:
            where = where[step]
        where[path[-1]] = to

    return spoil


FIRST = ("clips", 0)
SPOILT = [
    (change("cell_id", to="f" * 16), "belongs to the cell 'ffffffffffffffff'"),
    (change("schema", to="tvseg-bench/kept-part@9"), "schema"),
    (change("script", to="<script>"), "unknown field 'script'"),
    (change(*FIRST, "clip", to="clip/9"), "the data set has no clip 'clip/9' with these frames"),
    (change(*FIRST, "frames", to=[0, 1, 7]), "has no clip 'clip/0' with these frames"),
    (change(*FIRST, "frames", to=[0]), "positions, frames and series do not belong together"),
    (change(*FIRST, "clip", to="clip/1"), "the clip 'clip/1' was recorded before"),
    (change(*FIRST, "size", to=[4000, 24]), "maps do not unpack to 192000 bytes"),
    (change(*FIRST, "size", to=[16, 23]), "maps do not unpack to 736 bytes"),
    (change(*FIRST, "maps", "0", to="AAAA"), "maps cannot be unpacked"),
    (change(*FIRST, "truth", "0", to="!"), "truth.0"),
    (change(*FIRST, "truth", "7", to="eA=="), "truth are of other frames than positions says"),
    (change(*FIRST, "pca", "shape", to=[3, 2, 2, 3]), "pca do not unpack to 36 bytes"),
    (change(*FIRST, "scores", to=[2.0]), "scores"),
    (change(*FIRST, "units", 0, "assigned", to=[0]), "do not have the same length"),
]


@pytest.mark.parametrize(("spoil", "said"), SPOILT)
def test_a_damaged_part_is_refused_in_one_sentence(
    tmp_path: Path, spoil: Callable[[dict[str, Any]], None], said: str
) -> None:
    data = json.loads(record(recorder(tmp_path), [0, 1]).part())
    spoil(data)
    joined = recorder(tmp_path)
    with pytest.raises(ResultError) as caught:
        joined.add_part(json.dumps(data).encode())
    message = str(caught.value)
    assert said in message
    assert message.startswith(f"a part of what was recorded of the cell {CELL} cannot be used: ")
    assert message.endswith("; run the cell again with --force")
    assert "\n" not in message
    joined.write()
    assert files(tmp_path) == {}, "nothing of it was taken over"


@pytest.mark.parametrize("share", [0.0, 0.3, 0.999])
def test_a_part_that_was_cut_short_is_refused(tmp_path: Path, share: float) -> None:
    data = record(recorder(tmp_path), [0, 1]).part()
    with pytest.raises(ResultError, match=r"cannot be used: .*; run the cell again"):
        recorder(tmp_path).add_part(data[: int(share * len(data))])


def test_a_range_that_was_added_already_is_refused(tmp_path: Path) -> None:
    joined = recorder(tmp_path)
    data = record(recorder(tmp_path), [2]).part()
    joined.add_part(data)
    with pytest.raises(ResultError, match="the clip 'clip/2' was recorded before"):
        joined.add_part(data)
