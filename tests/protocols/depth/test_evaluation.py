"""`depth` on features of which the depth is a linear function, and on noise."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import ValidationError

import tvseg_bench
from tvseg_bench.benchmark.errors import NotApplicableError
from tvseg_bench.benchmark.evaluation import RunContext
from tvseg_bench.benchmark.registry import protocols
from tvseg_bench.benchmark.types import Score
from tvseg_bench.protocols.depth import DINOV2, STANDARD, DepthConfig
from tvseg_bench.protocols.depth.evaluation import MeanDepth, patch_depths
from tvseg_bench.protocols.depth.fit import RidgeSums, bin_depths, soft_bins, upsampled

PATCH, ROWS, COLS, T, DIM = 8, 6, 9, 2, 12
EXACT = {"l2": 1e-7}
BINS = {
    "targets": "bins",
    "bins": 16,
    "min_depth": 0.5,
    "max_depth": 9,
    "l2": 1e-4,
    "max_iter": 1000,
}


def evaluate(data: Any, training: Any = None, **changes: Any) -> Score:
    config = DepthConfig.model_validate({**STANDARD.model_dump(), **changes})
    run = RunContext(device="cpu", training=training)
    return protocols["depth"].build(config).evaluate(data, run)


@pytest.fixture
def rooms(features: Callable[..., Any]) -> Callable[..., Any]:
    """Return a maker of clips whose depth is constant in each patch, or of which some is unknown.

    The features of a patch are noise that a matrix mixes; its depth is linear in the noise, unless
    `blind`, where they do not belong together.
    """

    def make(
        n_clips: int = 6,
        seed: int = 0,
        blind: bool = False,
        change: Callable[[np.ndarray], np.ndarray] = lambda depth: depth,
    ) -> Any:
        blank = np.zeros((T, ROWS * PATCH, COLS * PATCH), np.uint8)
        made = features([blank] * n_clips, patch=PATCH)
        rng = np.random.default_rng(seed)
        mixing = np.random.default_rng(9).normal(size=(3, DIM))
        clips = []
        for one in made.clips:
            hidden = rng.uniform(0, 1, (T, ROWS, COLS, 3))
            cells = 1 + hidden @ [4.0, 2.0, 1.0]
            shown = rng.permuted(hidden, axis=1) if blind else hidden
            pixels = change(cells.repeat(PATCH, axis=1).repeat(PATCH, axis=2)).astype(np.float32)
            clip = replace(one.clip, depth=lambda t, pixels=pixels: pixels[t])
            tokens = (shown @ mixing + 3).astype(np.float32)
            clips.append(replace(one, clip=clip, tokens=tokens))
        dataset = replace(made.dataset, clips=[one.clip for one in clips])
        return replace(made, clips=clips, dataset=dataset)

    return make


def test_a_linear_depth_is_read_off_up_to_resolution(rooms: Any) -> None:
    score = evaluate(rooms(), **EXACT)
    for metric, value in score.metrics.items():
        assert value == pytest.approx(score.references[f"oracle/{metric}"], rel=1e-3), metric
    assert score.metrics["rmse"] < 0.6 * score.references["constant/rmse"]
    assert score.details["training"] == "halves"
    assert len(score.frames) == 6 * T
    assert score.resample == "mean"


def test_features_that_say_nothing_stay_at_the_mean_depth(rooms: Any) -> None:
    score = evaluate(rooms(n_clips=30, blind=True))
    floor = score.references["constant/rmse"]
    assert score.metrics["rmse"] == pytest.approx(floor, rel=0.06)
    assert score.references["oracle/rmse"] < 0.6 * floor


def test_bins_give_what_regression_gives_where_depth_is_linear(rooms: Any) -> None:
    score = evaluate(rooms(), **BINS)
    assert score.metrics["rmse"] < 0.7 * score.references["constant/rmse"]
    (first, _) = score.details["learnt"]
    assert first["converged"]
    assert first["bins"] <= 16
    few = evaluate(rooms(), **BINS, max_patches=100)
    assert few.details["learnt"][0]["patches"] == 6 * (100 // 6)
    again = evaluate(rooms(), **BINS, max_patches=100)
    assert again.metrics == few.metrics


@pytest.mark.parametrize("changes", [{"upsample": 4}, {"bin_spacing": "log"}])
def test_conventions_of_bins_move_the_numbers(rooms: Any, changes: Any) -> None:
    score = evaluate(rooms(), **{**BINS, **changes})
    assert score.metrics != evaluate(rooms(), **BINS).metrics
    assert score.metrics["rmse"] < 0.7 * score.references["constant/rmse"]


def test_a_training_split_is_learnt_from(rooms: Any) -> None:
    training = rooms(seed=3)
    score = evaluate(rooms(n_clips=2), training, **EXACT)
    assert score.metrics["rmse"] == pytest.approx(score.references["oracle/rmse"], rel=1e-3)
    (learnt,) = score.details["learnt"]
    assert (learnt["clips"], learnt["frames"], learnt["patches"]) == (6, 12, 12 * ROWS * COLS)
    with pytest.raises(NotApplicableError, match="holds 1 clip and has no training split"):
        evaluate(rooms(n_clips=1))


def test_two_clips_are_learnt_from_in_turn(rooms: Any) -> None:
    score = evaluate(rooms(n_clips=2), **EXACT)
    assert [learnt["clips"] for learnt in score.details["learnt"]] == [1, 1]
    assert score.metrics["rmse"] == pytest.approx(score.references["oracle/rmse"], rel=1e-2)


def test_unknown_and_far_pixels_count_for_nothing(rooms: Any) -> None:
    def spoilt(depth: np.ndarray) -> np.ndarray:
        depth = depth.copy()
        depth[:, :PATCH] = np.nan
        depth[:, -PATCH:] = 500
        depth[:, PATCH : 2 * PATCH, ::2] = 0
        return depth

    data = rooms(change=spoilt)
    score = evaluate(data, **EXACT)
    kept = score.details["learnt"][0]
    assert kept["patches"] == 6 * (ROWS - 2) * COLS
    assert kept["residual"] < 1e-2
    assert score.metrics["rmse"] < score.references["constant/rmse"]
    nothing = rooms(change=lambda depth: depth + 100)
    with pytest.raises(NotApplicableError, match=r"to learn from whose .* between 0\.001 and 10"):
        evaluate(nothing)
    with pytest.raises(NotApplicableError, match="no pixel to score whose depth is known"):
        evaluate(nothing, data)
    assert evaluate(nothing, max_depth=200, **EXACT).metrics["rmse"] is not None


def test_a_clip_without_known_depth_is_left_out(rooms: Any) -> None:
    data = rooms()
    clips = list(data.clips)
    nan = np.full((ROWS * PATCH, COLS * PATCH), np.nan, np.float32)
    clips[2] = replace(clips[2], clip=replace(clips[2].clip, depth=lambda t: nan))
    clips[4] = replace(clips[4], clip=replace(clips[4].clip, depth=None))
    dataset = replace(data.dataset, clips=[one.clip for one in clips])
    score = evaluate(replace(data, clips=clips, dataset=dataset), **EXACT)
    assert score.details["clips_left_out"] == 2
    assert [row.clip for row in score.clips if row.note] == ["clip2", "clip4"]
    assert score.clips[2].metrics["rmse"] is None


def test_the_crop_is_scored_alone(rooms: Any) -> None:
    def frame(depth: np.ndarray) -> np.ndarray:
        outside = depth.copy()
        rows, cols = ROWS * PATCH, COLS * PATCH
        inner = slice(round(rows * 45 / 480), round(rows * 471 / 480))
        outside[:] = 9.5
        side = slice(round(cols * 41 / 640), round(cols * 601 / 640))
        outside[:, inner, side] = 2.0
        return outside

    data = rooms(change=frame, blind=True)
    whole, inside = evaluate(data), evaluate(data, crop="eigen")
    assert whole.references["constant/rmse"] == pytest.approx(0, abs=1e-5)
    assert inside.references["constant/delta_1"] == 1
    assert inside.metrics["rmse"] != whole.metrics["rmse"]


def test_ridge_is_the_solution_of_the_normal_equations() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(3, [1, 5, 0.1, 2], (50, 4))
    y, weight, l2 = rng.normal(size=50), rng.uniform(0.1, 1, 50), 0.3
    sums = RidgeSums()
    for part in (slice(0, 7), slice(7, 7), slice(7, 50)):
        sums.add(x[part], y[part], weight[part])
    share = weight / weight.sum()
    middle = share @ x
    z = (x - middle) / np.sqrt(share @ (x - middle) ** 2)
    design = np.concatenate([z, np.ones((50, 1))], axis=1)
    penalty = np.diag([l2] * 4 + [0])
    expected = np.linalg.solve(
        design.T @ (share[:, None] * design) + penalty, design.T @ (share * y)
    )
    fitted = design @ expected
    probe = sums.solve(l2)
    assert probe(x)[:, 0] == pytest.approx(fitted, abs=1e-5)
    assert sums.residual == pytest.approx(np.sqrt(share @ (fitted - y) ** 2))


def test_a_dimension_that_never_changes_has_no_weight() -> None:
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(size=(9, 2)), np.full((9, 1), 7.0)], axis=1)
    sums = RidgeSums()
    sums.add(x, x[:, 0], np.ones(9))
    assert sums.solve(1e-9).weights[:, 0] == pytest.approx([1, 0, 0], abs=1e-6)


def test_upsampling_is_torchs() -> None:
    low = np.random.default_rng(0).uniform(1, 9, (3, 5)).astype(np.float32)
    expected = torch.nn.functional.interpolate(
        torch.from_numpy(low)[None, None], (10, 17), mode="bilinear", align_corners=False
    )
    assert upsampled(low, (10, 17)) == pytest.approx(expected[0, 0].numpy(), abs=1e-5)


@pytest.mark.parametrize("spacing", ["linear", "log"])
def test_bins_hold_the_depth_as_their_mean(spacing: str) -> None:
    values = bin_depths(DepthConfig(bins=7, bin_spacing=spacing))  # type: ignore[arg-type]
    depth = np.random.default_rng(0).uniform(1e-3, 10, 100)
    shares = soft_bins(depth, values)
    assert shares @ values == pytest.approx(depth, rel=1e-5)
    assert ((shares > 0).sum(axis=1) <= 2).all()
    assert (values[0], values[-1]) == pytest.approx((1e-3, 10))


def test_patches_hold_the_mean_of_their_known_pixels() -> None:
    truth = np.array([[1, 3, np.nan, 8], [1, 3, np.nan, np.nan]], np.float32)
    depth, share = patch_depths(truth, (1, 2))
    assert (depth.tolist(), share.tolist()) == ([2, 8], [1, 0.25])


def test_the_floor_is_the_mean_of_the_training_frames_of_any_size() -> None:
    floor = MeanDepth()
    floor.add(np.array([[1.0, 2.0]]))
    floor.add(np.array([[3.0, 3.0, 6.0, 6.0]]))
    assert floor.at((1, 2)).tolist() == [[2, 4]]
    assert floor.at((2, 4)).tolist() == [[2, 2, 4, 4]] * 2


def test_a_range_that_is_none_is_refused() -> None:
    with pytest.raises(ValidationError, match="min_depth=3 is not below max_depth=3"):
        DepthConfig(min_depth=3, max_depth=3)


def test_data_without_depth_are_refused(toy: Any) -> None:
    with pytest.raises(NotApplicableError, match="toy:val has no depth, which this protocol"):
        evaluate(toy)


def test_a_run_of_nyuv2_prints_metres_and_holds_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    for split, n in (("train", 6), ("test", 2)):
        folder = tmp_path / "data" / "nyu_depth_v2" / "official_splits" / split / "kitchen"
        folder.mkdir(parents=True)
        for i in range(n):
            near = rng.integers(0, 255, (6, 8)).repeat(16, axis=0).repeat(16, axis=1)
            Image.fromarray(np.stack([near] * 3, -1).astype(np.uint8)).save(
                folder / f"rgb_{i:05d}.jpg"
            )
            Image.fromarray((1000 + 20 * near).astype(np.uint16)).save(
                folder / f"sync_depth_{i:05d}.png"
            )
    monkeypatch.setenv("TVSEG_DATA", str(tmp_path / "data"))
    report = tvseg_bench.run(
        "baseline/pixels", "depth", "nyuv2", output=tmp_path / "out",
        overrides={"protocol.depth.size": 96},
    )  # fmt: skip
    (result,) = report.results
    assert result.status == "ok", result.reason
    rmse = result.metrics["rmse"]
    assert (rmse.unit, rmse.higher_is_better) == ("metres", False)
    assert result.metrics["delta_1"].value > result.references["constant/delta_1"]
    assert result.references["oracle/rmse"] < result.references["constant/rmse"]
    assert rmse.value < result.references["constant/rmse"]
    assert result.details["training"] == "train"
    assert list((tmp_path / "out").glob(f"media/{result.cell_id}/*.png"))


def test_the_preset_of_dinov2_runs_in_small(rooms: Any) -> None:
    assert (DINOV2.bins, DINOV2.crop, DINOV2.upsample) == (256, "eigen", 4)
    small = {"bins": 32, "max_iter": 30, "max_patches": 200}
    score = evaluate(rooms(), **{**DINOV2.model_dump(), **small})
    assert score.metrics["delta_1"] > score.references["constant/delta_1"]
