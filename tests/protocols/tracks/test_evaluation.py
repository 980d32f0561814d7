"""`tracks` on features of a canvas over which the frame moves, so that every place is known."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tvseg_bench.benchmark.errors import NotApplicableError
from tvseg_bench.benchmark.evaluation import RunContext
from tvseg_bench.benchmark.recording.writer import MediaRecorder
from tvseg_bench.benchmark.registry import protocols
from tvseg_bench.benchmark.types import Score
from tvseg_bench.protocols.tracks import STANDARD, TracksConfig

PATCH, ROWS, COLS, T = 8, 8, 12, 4
STEP = (2, 1)  # patches to the left and up in every frame
START = np.array([[8, 5], [9, 7], [11, 6], [10, 4]])  # patches (x, y) of the first frame


def centre(patches: np.ndarray) -> np.ndarray:
    return np.asarray((patches + 0.5) * PATCH - 0.5, np.float32)


def places(t: int) -> np.ndarray:
    return centre(START - t * np.array(STEP))


def evaluate(data: Any, recorder: Any = None, **changes: Any) -> Score:
    config = TracksConfig.model_validate({**STANDARD.model_dump(), **changes})
    more = {} if recorder is None else {"recorder": recorder}
    return protocols["tracks"].build(config).evaluate(data, RunContext(device="cpu", **more))


@pytest.fixture
def canvas(features: Callable[..., Any]) -> Callable[..., Any]:
    """Return a maker of features that move over the frame as a whole, points with them."""

    def make(
        points: Callable[[int], np.ndarray] | None = places,
        names: tuple[str, ...] = (),
        n_clips: int = 2,
    ) -> Any:
        made = features(
            [np.zeros((T, ROWS * PATCH, COLS * PATCH), np.uint8)] * n_clips, patch=PATCH
        )
        rng = np.random.default_rng(0)
        clips = []
        for one in made.clips:
            whole = rng.normal(size=(ROWS + T * STEP[1], COLS + T * STEP[0], 16))
            frames = [
                whole[t * STEP[1] : t * STEP[1] + ROWS, t * STEP[0] : t * STEP[0] + COLS]
                for t in range(T)
            ]
            clip = replace(one.clip, points=points, point_names=names)
            clips.append(replace(one, clip=clip, tokens=np.stack(frames).astype(np.float32)))
        dataset = replace(made.dataset, clips=[one.clip for one in clips])
        return replace(made, clips=clips, dataset=dataset)

    return make


NAMES = ("head", "hand", "foot", "hip")


def test_points_that_are_carried_along_stay_near(canvas: Any) -> None:
    score = evaluate(canvas(), follow="propagation", window=0, radius=3)
    assert score.metrics["delta_avg"] > 0.9
    assert score.references["constant/delta_avg"] < 0.3


def test_points_that_are_found_again_are_right(canvas: Any) -> None:
    score = evaluate(canvas(names=NAMES), window=0)
    assert score.metrics == {"delta_avg": 1, "survival": 1, "pck_10": 1, "pck_20": 1}
    assert score.references["oracle/delta_avg"] == 1
    assert score.references["constant/delta_avg"] < 0.3
    assert score.references["constant/pck_20"] < score.metrics["pck_20"]
    assert len(score.frames) == 2 * (T - 1)
    assert score.details["points"] == 8


def test_points_without_names_are_no_joints(canvas: Any) -> None:
    score = evaluate(canvas())
    assert score.metrics["pck_10"] is None
    assert score.metrics["delta_avg"] > 0.9


def test_distances_are_at_256_pixels(canvas: Any) -> None:
    """A step of (16, 8) pixels in a frame of 96 x 64 is one of (42.7, 32) in one of 256 x 256."""
    score = evaluate(canvas(), window=0)
    step = np.hypot(256 * 16 / 96, 256 * 8 / 64)
    assert step == pytest.approx(53.3, abs=0.1)
    assert score.references["constant/survival"] == 0
    farther = evaluate(canvas(), window=0, failure=54.0).references["constant/survival"]
    assert farther == pytest.approx(1 / 3)


def test_pck_is_relative_to_the_box_of_the_points(canvas: Any) -> None:
    """Still points are (2, 1) patches away after a frame; the box is 3 x 3 patches."""
    data = canvas(names=NAMES)

    def of_first_frame(**changes: Any) -> float | None:
        score = evaluate(
            replace(data, clips=[still(one) for one in data.clips]), window=0, **changes
        )
        return score.frames[0].metrics["pck_20"]

    def still(one: Any) -> Any:
        near = 0.19 * 0.6 * np.hypot(3, 3) * PATCH
        shifted = lambda t: places(t) + np.float32(near if t else 0) * np.float32([1, 0])  # noqa: E731
        return replace(one, clip=replace(one.clip, points=shifted))

    assert of_first_frame() == 1
    assert of_first_frame(reference="long-side") == 1
    further = replace(data, clips=data.clips)
    assert evaluate(further).references["constant/pck_10"] == 0


def test_hidden_points_say_nothing(canvas: Any) -> None:
    def hidden(t: int) -> np.ndarray:
        shown = places(t)
        shown[0] = np.nan if t == 2 else shown[0]
        shown[1] = np.nan if t == 0 else shown[1]
        return shown

    score = evaluate(canvas(hidden), window=0)
    assert score.metrics["delta_avg"] == 1
    assert score.details["points"] == 6, "a point that the first frame hides is not followed"
    with pytest.raises(NotApplicableError, match="shows a point in its first frame"):
        evaluate(canvas(lambda t: np.full((4, 2), np.nan, np.float32)))


def test_kinds_of_joints_weigh_alike(canvas: Any) -> None:
    def one_rare(t: int) -> np.ndarray:
        shown = places(t)
        if t > 1:
            shown[0] = np.nan
        if t == 1:
            shown[0] += 40  # the features know better than this truth
        return shown

    data = canvas(one_rare, NAMES)
    by_joint = evaluate(data, window=0, average="points").metrics["pck_10"]
    by_clip = evaluate(data, window=0).metrics["pck_10"]
    assert by_joint == pytest.approx(3 / 4)
    assert by_clip == pytest.approx(9 / 10)


def test_what_a_data_set_lacks(canvas: Any) -> None:
    with pytest.raises(NotApplicableError, match="has no points, which this protocol follows"):
        evaluate(canvas(None))


def test_pictures(canvas: Any, tmp_path: Path) -> None:
    data = canvas()
    recorder = MediaRecorder(tmp_path, "0123456789abcdef", data.dataset, 2)
    evaluate(data, recorder=recorder)
    recorder.write()
    assert list(tmp_path.glob("media/*/*.png"))
