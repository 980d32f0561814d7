"""Data that a protocol cannot use: one sentence in the result, and the grid goes on."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import tvseg_bench
from tvseg_bench.benchmark.results.result import Result

Masks = Callable[[int], np.ndarray | None]
SIZE = (48, 64)


def block(t: int) -> np.ndarray:
    mask = np.zeros(SIZE, np.uint8)
    mask[16:32, 16 * (t % 2) : 16 * (t % 2) + 32] = 1
    return mask


def full(value: int) -> Masks:
    return lambda t: np.full(SIZE, value, np.uint8)


def made(root: Path, clips: dict[str, Masks], n_frames: int = 2) -> str:
    """Write clips with masks of classes, and return the reference of the data set."""
    rng = np.random.default_rng(0)
    for name, masks in clips.items():
        for folder in ("images", "masks"):
            (root / folder / name).mkdir(parents=True)
        for t in range(n_frames):
            noise = rng.integers(0, 255, (*SIZE, 3)).astype(np.uint8)
            Image.fromarray(noise).save(root / "images" / name / f"{t}.png")
            mask = masks(t)
            if mask is not None:
                Image.fromarray(mask).save(root / "masks" / name / f"{t}.png")
    config = "frames: images\nmasks: masks\nlabel_kind: semantic\n"
    (root / "data.yaml").write_text(
        config + "labels: {0: ground, 1: thing, 2: other, 255: void}\nbackground: ground\n"
    )
    return f"folder:{root / 'data.yaml'}"


@pytest.fixture
def grid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Result]]:
    """Run every protocol on made clips; return the results by protocol."""
    monkeypatch.setenv("TVSEG_HOME", str(tmp_path / "home"))

    def run(clips: dict[str, Masks], n_frames: int = 2) -> dict[str, Result]:
        report = tvseg_bench.run(
            "baseline/pixels",
            "all",
            made(tmp_path / "data", clips, n_frames),
            output=tmp_path / "out",
            overrides={"protocol.all.size": 48},
        )
        assert not report.plan.unavailable
        assert not list(tmp_path.glob("out/errors/*")), "a traceback is no sentence"
        found = {result.protocol.id: result for result in report.results}
        assert len(found) == len(tvseg_bench.list_protocols())
        return found

    return run


def without_number(found: dict[str, Result]) -> dict[str, str]:
    return {name: r.reason or "" for name, r in found.items() if r.status != "ok"}


def test_all_void(grid: Callable[..., dict[str, Result]]) -> None:
    found = without_number(grid({"a": full(255), "b": full(255)}))
    assert len(found) == len(tvseg_bench.list_protocols())
    assert "nothing but void" in found["propagation"]
    assert "no clip of folder:data:all holds two classes" in found["kmeans-clip"]
    assert "shows an object" in found["foreground"]
    for name, reason in found.items():
        assert reason.count("\n") == 0, name


def test_one_class(grid: Callable[..., dict[str, Result]]) -> None:
    found = without_number(grid({"a": full(1), "b": full(1)}))
    for name in ("kmeans-frame", "kmeans-clip", "kmeans-dataset", "linear", "retrieval"):
        assert "two classes" in found[name], found[name]
    assert "two frames with two classes" in found["temporal"]


def test_one_clip_of_one_frame(grid: Callable[..., dict[str, Result]]) -> None:
    results = grid({"a": block}, n_frames=1)
    found = without_number(results)
    assert results["kmeans-clip"].status == "ok"
    for name in ("linear", "retrieval"):
        assert "holds 1 clip and has no training split here" in found[name]
    assert "holds still images" in found["temporal"]
    assert "holds still images" in found["propagation"]


def test_a_missing_mask_and_one_of_another_size(grid: Callable[..., dict[str, Result]]) -> None:
    found = grid({"a": block, "b": lambda t: None if t else block(t)})
    failed = {name: r for name, r in found.items() if r.status == "failed"}
    assert {"kmeans-clip", "linear", "retrieval", "propagation", "temporal"} <= set(failed)
    for result in failed.values():
        assert "clip 'b', frame '1': masks has no mask" in (result.reason or "")


def test_masks_of_another_size(grid: Callable[..., dict[str, Result]]) -> None:
    found = grid({"a": block, "b": lambda t: block(t)[:, :40]})
    failed = {name: r for name, r in found.items() if r.status == "failed"}
    assert {"kmeans-clip", "linear", "retrieval", "propagation", "temporal"} <= set(failed)
    for result in failed.values():
        assert "the mask masks/b/0.png has 40x48 pixels" in (result.reason or "")


def test_no_masks(grid: Callable[..., dict[str, Result]]) -> None:
    found = grid({"a": lambda t: None, "b": lambda t: None})
    assert {r.status for r in found.values()} <= {"skipped", "failed"}
    for name, result in found.items():
        others = {
            "segmenter": "brings no clusters",
            "flow": "no optical flow",
            "tracks": "no points",
            "depth": "no depth",
        }
        assert others.get(name, "mask") in (result.reason or ""), (name, result.reason)
