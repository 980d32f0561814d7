"""`flow` on features of a canvas over which the frame moves, so that every motion is known."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tvseg_bench
from tvseg_bench.benchmark.errors import DataError, NotApplicableError
from tvseg_bench.benchmark.evaluation import RunContext
from tvseg_bench.benchmark.registry import protocols
from tvseg_bench.benchmark.types import Score
from tvseg_bench.protocols.flow import STANDARD, FlowConfig
from tvseg_bench.protocols.flow.evaluation import chained

PATCH, ROWS, COLS, T = 8, 6, 9, 4
STEP = (2, 1)  # patches to the left and up in every frame


def evaluate(data: Any, **changes: Any) -> Score:
    config = FlowConfig.model_validate({**STANDARD.model_dump(), **changes})
    return protocols["flow"].build(config).evaluate(data, RunContext(device="cpu"))


def moved(t: int, width: int = COLS * PATCH, height: int = ROWS * PATCH) -> np.ndarray:
    """Return the motion of every pixel; it is unknown near the edges that leave the frame."""
    flow = np.full((height, width, 2), (-STEP[0] * PATCH, -STEP[1] * PATCH), np.float32)
    flow[: (STEP[1] + 1) * PATCH] = np.nan
    flow[:, : (STEP[0] + 1) * PATCH] = np.nan
    return flow


@pytest.fixture
def canvas(features: Callable[..., Any]) -> Callable[..., Any]:
    """Return a maker of features that move over the frame as a whole."""

    def make(flow: Callable[[int], np.ndarray] | None = moved, n_clips: int = 2) -> Any:
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
            clip = replace(one.clip, flow=flow)
            clips.append(replace(one, clip=clip, tokens=np.stack(frames).astype(np.float32)))
        dataset = replace(made.dataset, clips=[one.clip for one in clips])
        return replace(made, clips=clips, dataset=dataset)

    return make


def test_features_that_are_found_again_have_no_error(canvas: Any) -> None:
    score = evaluate(canvas(), match="argmax")
    assert score.metrics["epe"] == pytest.approx(0, abs=1e-5)
    assert score.metrics["within_1"] == 1
    speed = PATCH * float(np.hypot(*STEP))
    assert score.references["constant/epe"] == pytest.approx(speed, rel=1e-5)
    assert score.references["oracle/epe"] == pytest.approx(0, abs=1e-5)
    assert score.metrics["epe_s10_40"] == pytest.approx(0, abs=1e-5)
    assert score.metrics["epe_s40"] is None
    assert score.metrics["epe_s0_10"] is None
    assert len(score.frames) == 2 * (T - 1)


def test_a_soft_argmax_of_sure_features_is_the_argmax(canvas: Any) -> None:
    sure = evaluate(canvas(), temperature=0.01).metrics["epe"]
    assert sure == pytest.approx(0, abs=1e-3)
    assert evaluate(canvas(), temperature=10).metrics["epe"] > 0.01
    assert evaluate(canvas(), temperature=10, window=0).metrics["epe"] == pytest.approx(
        0, abs=1e-5
    )


def test_what_lies_beyond_the_search_is_not_found(canvas: Any) -> None:
    assert evaluate(canvas(), match="argmax", search_radius=2).metrics["epe"] < 1e-4
    near = evaluate(canvas(), match="argmax", search_radius=1)
    assert near.metrics["within_5"] < 0.2
    still = evaluate(canvas(), match="argmax", search_radius=0)
    assert still.metrics == pytest.approx(
        {m: still.references[f"constant/{m}"] for m in still.metrics}
    )


def test_motion_over_several_frames_adds_up(canvas: Any) -> None:
    score = evaluate(canvas(), match="argmax", distance=2)
    speed = 2 * PATCH * float(np.hypot(*STEP))
    assert score.references["constant/epe"] == pytest.approx(speed, rel=1e-5)
    assert score.metrics["epe"] == pytest.approx(0, abs=1e-4)
    assert len(score.frames) == 2 * (T - 2)


def test_a_point_that_is_hidden_on_the_way_is_unknown() -> None:
    def read(t: int) -> np.ndarray:
        flow = np.full((4, 6, 2), (1.5, 0.0), np.float32)
        flow[:, 5] = np.nan
        return flow

    far = chained(read, 0, 2)
    assert far[:, :3, 0].tolist() == [[3.0, 3.0, 3.0]] * 4
    assert np.isnan(far[:, 3:]).all()
    assert np.array_equal(chained(read, 0, 1), read(0), equal_nan=True)


def test_unknown_pixels_count_for_nothing(canvas: Any) -> None:
    def half(t: int) -> np.ndarray:
        flow = moved(t)
        flow[-PATCH:] = np.nan
        return flow

    assert evaluate(canvas(half), match="argmax").metrics["epe"] == pytest.approx(0, abs=1e-5)
    nothing = canvas(lambda t: np.full_like(moved(t), np.nan))
    with pytest.raises(
        NotApplicableError, match="has a pixel whose motion is known at distance=1"
    ):
        evaluate(nothing)


def test_the_truth_may_have_another_size(canvas: Any) -> None:
    def large(t: int) -> np.ndarray:
        return 3 * np.repeat(np.repeat(moved(t), 3, axis=0), 3, axis=1)

    score = evaluate(canvas(large), match="argmax")
    assert score.metrics["epe"] == pytest.approx(0, abs=1e-4)


def test_own_flow_from_a_folder(canvas: Any, tmp_path: Path) -> None:
    data = canvas(None, n_clips=1)
    with pytest.raises(NotApplicableError, match=r"has no optical flow.*flow_dir=DIR"):
        evaluate(data)
    folder = tmp_path / "raft"
    folder.mkdir()
    with pytest.raises(DataError, match=r"holds no flow of toy: there is no folder 'clip0'"):
        evaluate(data, flow_dir=folder)
    (folder / "clip0").mkdir()
    for t in range(T - 1):
        np.savez(folder / "clip0" / f"{t:05d}.npz", flow=moved(t))
    score = evaluate(data, flow_dir=folder, match="argmax")
    assert score.metrics["epe"] == pytest.approx(0, abs=1e-5)
    name, _, digest = FlowConfig(flow_dir=folder).model_dump()["flow_dir"].partition("@")
    assert (name, len(digest)) == ("raft", 16)


def test_short_clips_are_left_out(canvas: Any) -> None:
    with pytest.raises(NotApplicableError, match="has more than 5 frames"):
        evaluate(canvas(), distance=5)


def test_a_run_of_moving_shapes_prints_pixels_and_holds_pictures(tmp_path: Path) -> None:
    report = tvseg_bench.run(
        "baseline/pixels", "flow", "moving-shapes", limit=3, output=tmp_path,
        overrides={"protocol.flow.size": 64},
    )  # fmt: skip
    (result,) = report.results
    assert result.status == "ok", result.reason
    assert (result.metrics["epe"].unit, result.metrics["epe"].higher_is_better) == (
        "pixels",
        False,
    )
    assert result.metrics["epe"].ci95 is not None
    assert result.references["oracle/epe"] < result.references["constant/epe"]
    assert list(tmp_path.glob(f"media/{result.cell_id}/*.png"))
