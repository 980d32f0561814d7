"""What a protocol says of a data set before a run, and that ranges of clips can be scored apart.

However the clips are divided, and whatever lies between the parts, the numbers, the rows and the
recorded files are those of a single run.
"""

import json
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, is_dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

import tvseg_bench.protocols  # noqa: F401
from tvseg_bench.benchmark.data.moving_shapes import generator
from tvseg_bench.benchmark.errors import DataError, NotApplicableError
from tvseg_bench.benchmark.evaluation import Recorder, RunContext
from tvseg_bench.benchmark.recording.writer import MediaRecorder
from tvseg_bench.benchmark.registry import protocols
from tvseg_bench.benchmark.results.samples import samples_text
from tvseg_bench.benchmark.results.text import canonical_json, to_jsonable
from tvseg_bench.benchmark.types import Clip, ClipFeatures, Dataset, Score, View
from tvseg_bench.protocols.common.scoring import UnitRow

PATCH = 16
CELL = "0123456789abcdef"
VARIETY = replace(generator.EVERYTHING, size=(64, 96), n_frames=9)
FAST = {"n_init": 1, "max_iter": 5, "reseeds": 1, "radius": 3, "batch_clips": 2}
BATCHES = {"pca_scope": "batch", "last_batch": "drop", "average": "batches"}
PRESETS = [(name, preset) for name in protocols for preset in protocols[name].presets]
MORE: list[tuple[str, str, Mapping[str, Any]]] = [
    ("kmeans-clip", "standard", BATCHES),
    ("kmeans-frame", "standard", {"last_batch": "drop", "batch_clips": 3}),
    ("temporal", "vspw", BATCHES),
    ("propagation", "standard", {"task": "unsupervised"}),
    ("propagation", "standard", {"labels": "semantic"}),
    ("segmenter", "standard", {"scope": "frame"}),
    ("segmenter", "standard", {"scope": "clip"}),
    ("objects", "standard", {"segments": "kmeans-frame", "k": 3}),
    ("flow", "standard", {"distance": 3, "search_radius": 1}),
]


def build(name: str, preset: str, changes: Mapping[str, Any] | None = None) -> Any:
    entry = protocols[name]
    standard = entry.presets[preset]
    fast = {key: value for key, value in FAST.items() if key in type(standard).model_fields}
    values = {**standard.model_dump(), **fast, **(changes or {})}
    return entry.build(type(standard).model_validate(values))


CASES = [(name, preset, {}) for name, preset in PRESETS] + MORE
CLIPWISE = [case for case in CASES if build(*case).needs.unit == "clip"]


def test_these_protocols_are_scored_clip_by_clip() -> None:
    assert {name for name, *_ in CLIPWISE} == {
        "kmeans-frame",
        "kmeans-clip",
        "overcluster-frame",
        "overcluster-clip",
        "temporal",
        "objects",
        "flow",
        "tracks",
        "propagation",
        "segmenter",
    }


@lru_cache
def shapes() -> Dataset:
    """Five short clips of moving-shapes, of which the third shows nothing."""
    clips = [kept(generator.clip(seed, VARIETY)) for seed in range(5)]
    clips = [replace(clip, points=points, point_names=("a", "b")) for clip in clips]
    nothing = np.zeros(VARIETY.size, np.uint8)
    nowhere = np.full((*VARIETY.size, 2), np.nan, np.float32)
    clips[2] = replace(
        clips[2],
        semantic=lambda t: nothing,
        instance=lambda t: nothing,
        flow=lambda t: nowhere,
        points=lambda t: nowhere[0, :2],
    )
    return replace(generator.open_dataset(), clips=clips)


def points(t: int) -> np.ndarray:
    """Return two points that move to the right, of which the second hides in one frame."""
    shown = np.array([[10.0 + 5 * t, 20.0], [30.0, 40.0]], np.float32)
    shown[1] = np.nan if t == 4 else shown[1]
    return shown


def kept(clip: Clip) -> Clip:
    """Return a clip whose frames are drawn once."""
    readers = {
        name: lru_cache(read)
        for name, read in (
            ("image", clip.image),
            ("semantic", clip.semantic),
            ("instance", clip.instance),
            ("flow", clip.flow),
        )
    }
    return replace(clip, **readers)  # type: ignore[arg-type]


def colours(clip: Clip) -> np.ndarray:
    """Return mean and deviation of the colours of each patch."""
    images = np.stack([clip.image(t) for t in range(clip.n_frames)]).astype(np.float32) / 255
    n, height, width, _ = images.shape
    cells = images.reshape(n, height // PATCH, PATCH, width // PATCH, PATCH, 3)
    return np.concatenate([cells.mean((2, 4)), cells.std((2, 4))], axis=-1)


def ids(clip: Clip) -> np.ndarray:
    """Return a cluster for each pixel, as a model gives it that brings its own."""
    images = np.stack([clip.image(t) for t in range(clip.n_frames)])
    return (images // 128).dot([1, 2, 4])[..., None].astype(np.float32)


@dataclass
class Features:
    """Features of a cheap model for some clips."""

    dataset: Dataset
    view: View
    patch_size: int = PATCH
    tokens: Callable[[Clip], np.ndarray] = field(init=False)

    def __post_init__(self) -> None:
        self.tokens = ids if self.view.output == "segments" else colours

    def __len__(self) -> int:
        return len(self.dataset.clips)

    def __iter__(self) -> Iterator[ClipFeatures]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, index: int) -> ClipFeatures:
        clip = self.dataset.clips[index]
        frames = tuple(range(clip.n_frames))
        return ClipFeatures(clip=clip, index=index, frames=frames, tokens=self.tokens(clip))


def features_of(evaluation: Any, dataset: Dataset, clips: slice = slice(None)) -> Features:
    part = replace(dataset, clips=dataset.clips[clips])
    return Features(part, evaluation.view(dataset))


def recorder(folder: Path) -> MediaRecorder:
    return MediaRecorder(folder, CELL, shapes(), 2)


def through_json(evaluation: Any, rows: Sequence[Any]) -> list[Any]:
    """Return rows as another process reads them."""
    adapter = TypeAdapter(evaluation.row_type)
    written = [adapter.dump_json(row) for row in rows]
    read = [adapter.validate_json(data) for data in written]
    assert read == list(rows)
    assert [adapter.dump_json(row) for row in read] == written
    for data in written:
        json.loads(data, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    return read


def divided(
    evaluation: Any,
    dataset: Dataset,
    cuts: Sequence[int],
    recorders: Sequence[Recorder] | None = None,
) -> Score:
    """Score ranges that begin at 0 and at the cuts, each on its own, and put them together."""
    starts = [0, *cuts]
    rows = []
    for i, (start, stop) in enumerate(zip(starts, [*cuts, len(dataset.clips)], strict=True)):
        recording = Recorder() if recorders is None else recorders[i]
        run = RunContext(seed=1, device="cpu", whole=dataset, recorder=recording)
        features = features_of(evaluation, dataset, slice(start, stop))
        rows += through_json(evaluation, list(evaluation.score_clips(features, run)))
    score: Score = evaluation.combine(rows, dataset)
    return score


def assert_same(first: Score, second: Score) -> None:
    assert samples_text(CELL, first) == samples_text(CELL, second)
    summaries = [
        [score.metrics, score.references, score.per_class, score.details, score.resample]
        for score in (first, second)
    ]
    for one, other in zip(*map(to_jsonable, summaries), strict=True):
        assert canonical_json(one) == canonical_json(other)


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize(("name", "preset", "changes"), CLIPWISE)
def test_ranges_scored_apart_give_the_numbers_and_the_files_of_one_run(
    name: str, preset: str, changes: Mapping[str, Any], tmp_path: Path
) -> None:
    evaluation, dataset = build(name, preset, changes), shapes()
    cuts = range(0, len(dataset.clips), evaluation.needs.clips_per_unit)[1:]
    whole = recorder(tmp_path / "whole")
    run = RunContext(seed=1, device="cpu", recorder=whole)
    undivided = evaluation.evaluate(features_of(evaluation, dataset), run)
    whole.write()
    apart = [recorder(tmp_path / f"range{i}") for i in range(len(cuts) + 1)]
    assert_same(divided(evaluation, dataset, cuts, apart), undivided)
    joined = recorder(tmp_path / "joined")
    for part in reversed(apart):
        joined.add_part(part.part())
    joined.write()
    written = files(tmp_path / "whole")
    assert f"media/{CELL}/kept.json" in written
    assert files(tmp_path / "joined") == written


@pytest.mark.parametrize("name", ["kmeans-clip", "kmeans-frame", "temporal"])
def test_clips_of_an_incomplete_last_batch_are_dropped_in_the_last_range(name: str) -> None:
    evaluation, dataset = build(name, "standard", BATCHES), shapes()
    assert evaluation.needs.clips_per_unit == 2
    lengths = [
        len(list(evaluation.score_clips(features_of(evaluation, dataset, part), RunContext())))
        for part in (slice(0, 2), slice(2, 5), slice(4, 5))
    ]
    assert lengths == [2, 2, 0]


TINY = {"fit_size": "grid", "upsample": "labels-nearest", "score_size": 32}


@given(st.sets(st.integers(1, 4)), st.booleans())
@settings(max_examples=20)
def test_any_partition_gives_the_same_score(cuts: set[int], batched: bool) -> None:
    evaluation = build("kmeans-clip", "standard", {**TINY, **(BATCHES if batched else {})})
    step = evaluation.needs.clips_per_unit
    allowed = sorted({cut - cut % step for cut in cuts} - {0})
    run = RunContext(seed=1, device="cpu")
    whole = evaluation.evaluate(features_of(evaluation, shapes()), run)
    assert_same(divided(evaluation, shapes(), allowed), whole)


@given(st.lists(st.none() | st.floats(allow_nan=False, allow_infinity=False), max_size=8))
def test_numbers_of_rows_survive_bit_for_bit(values: list[float | None]) -> None:
    row = UnitRow({str(i): v for i, v in enumerate(values)}, {}, {"tp": [2**62]}, 0, "a\n\u2028é")
    adapter = TypeAdapter(UnitRow)
    read = adapter.validate_json(adapter.dump_json(row))
    assert read == row
    pairs = zip(read.metrics.values(), values, strict=True)
    assert all(a is b or struct.pack("d", a) == struct.pack("d", b) for a, b in pairs)


def undecodable(clip: Clip, **changes: Any) -> Clip:
    """Return a clip of which nothing can be read."""

    def fail(t: int) -> Any:
        raise AssertionError(f"frame {t} was read")

    readers = {"image": fail, "semantic": fail, "instance": fail, "flow": fail, "points": fail}
    readers["depth"] = fail
    return replace(clip, **{**readers, **changes})  # type: ignore[arg-type]


def unread(card: Mapping[str, Any] | None = None, n: int = 5, **changes: Any) -> Dataset:
    """Return the data set with clips of which nothing can be read."""
    clips = [undecodable(clip, **changes) for clip in shapes().clips[:n]]
    whole = replace(shapes(), clips=clips)
    return replace(whole, card=replace(whole.card, **(card or {})))


@pytest.mark.parametrize(("name", "preset", "changes"), CASES)
def test_every_protocol_says_before_a_run_whether_it_applies(
    name: str, preset: str, changes: Mapping[str, Any]
) -> None:
    evaluation = build(name, preset, changes)
    assert evaluation.check_dataset(unread()) is None
    assert evaluation.needs.clips_per_unit >= 1
    if evaluation.needs.unit == "clip":
        assert is_dataclass(evaluation.row_type)
        assert callable(evaluation.score_clips)
        assert callable(evaluation.combine)


STILL = {"n_frames": 1}
NO_CLASSES = {"dataset_labels": None}
REFUSED: list[tuple[str, Mapping[str, Any], Dataset, str]] = [
    ("temporal", {}, unread(**STILL), "holds still images, in which nothing moves"),
    ("propagation", {}, unread(**STILL), "holds still images, and labels are carried"),
    ("propagation", {"labels": "instance"}, unread(instance=None), "has no instance masks"),
    ("objects", {}, unread(instance=None), "has no instance masks, which this protocol needs"),
    ("flow", {}, unread(**STILL), "has more than 1 frame, and motion leads"),
    ("flow", {}, unread(flow=None), "has no optical flow, which this protocol needs"),
    ("tracks", {}, unread(**STILL), "holds still images, and points are followed"),
    ("tracks", {}, unread(points=None), "has no points, which this protocol follows"),
    ("depth", {}, unread(depth=None), "has no depth, which this protocol needs"),
    ("kmeans-clip", BATCHES, unread(n=1), "1 clips make no complete batch of 2"),
    ("temporal", BATCHES, unread(n=1), "1 clips make no complete batch of 2"),
    ("kmeans-dataset", BATCHES, unread(n=1), "1 clips make no complete batch of 2"),
    ("foreground", {}, unread({"background": None}), "none is background"),
    ("foreground-classes", {}, unread({"background": None}), "none is background"),
    *(
        (name, {}, unread({"training": ()}, n=1), "holds 1 clip and has no training split")
        for name in ("linear", "retrieval", "depth")
    ),
    (
        "foreground",
        {"threshold": "tuned-on-truth"},
        unread({"training": ()}, n=1),
        "holds 1 clip and has no training split",
    ),
    *(
        (name, {}, unread(semantic=None, instance=None), "masks, which this protocol needs")
        for name in protocols
        if name not in ("propagation", "flow", "tracks", "depth")
    ),
    *(
        (name, {}, replace(unread(), dataset_labels=None), "no classes of the data set")
        for name in ("kmeans-dataset", "segmenter", "linear", "retrieval", "foreground-classes")
    ),
]


@pytest.mark.parametrize(("name", "changes", "dataset", "why"), REFUSED)
def test_what_a_data_set_lacks_is_said_without_reading_a_frame(
    name: str, changes: Mapping[str, Any], dataset: Dataset, why: str
) -> None:
    evaluation = build(name, "standard", changes)
    with pytest.raises(NotApplicableError, match=why) as asked:
        evaluation.check_dataset(dataset)
    with pytest.raises(NotApplicableError) as evaluated:
        evaluation.evaluate(Features(dataset, evaluation.view(dataset)), RunContext())
    assert str(evaluated.value) == str(asked.value)


def test_a_folder_of_flow_of_another_data_set_is_found_before_a_run(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    evaluation = build("temporal", "standard", {"flow_dir": tmp_path})
    with pytest.raises(DataError, match="holds no flow of moving-shapes"):
        evaluation.check_dataset(unread())


def test_a_training_split_that_may_be_there_is_left_to_the_run() -> None:
    dataset = unread({"training": ("probe",)}, n=1)
    for name in ("linear", "retrieval"):
        assert build(name, "standard").check_dataset(dataset) is None


@pytest.mark.parametrize(("name", "preset", "changes"), CLIPWISE)
def test_only_the_whole_can_hold_nothing_to_score(
    name: str, preset: str, changes: Mapping[str, Any]
) -> None:
    evaluation = build(name, preset, changes)
    empty = shapes().clips[2]
    clips = [replace(empty, name=f"{empty.name}-{i}") for i in range(6)]
    dataset = replace(shapes(), clips=clips)
    run = RunContext(device="cpu", whole=dataset)
    rows = list(evaluation.score_clips(features_of(evaluation, dataset), run))
    assert len(rows) == 6
    if preset == "timet":
        assert evaluation.combine(rows, dataset).metrics["miou"] == 1, "single_class=score"
        return
    with pytest.raises(NotApplicableError, match=r"^no |holds no ") as caught:
        evaluation.combine(rows, dataset)
    assert str(caught.value).count("\n") == 0


def test_which_objects_are_followed_is_one_for_all_ranges() -> None:
    """The first clip of the data set says so, and not that of the range."""
    dataset = shapes()
    mixed = [dataset.clips[0], *(replace(c, instance=None) for c in dataset.clips[1:])]
    dataset = replace(dataset, clips=mixed)
    evaluation = build("propagation", "standard")
    whole = evaluation.evaluate(features_of(evaluation, dataset), RunContext(device="cpu"))
    assert whole.details["labels"] == "instance"
    assert_same(divided(evaluation, dataset, [1, 3]), whole)
