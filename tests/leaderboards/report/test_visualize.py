"""`tvseg-bench visualize`: a video without labels, as a model sees it."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import tvseg_bench
from tvseg_bench.__main__ import main
from tvseg_bench.leaderboards.report.video import encode
from tvseg_bench.leaderboards.report.visualize import open_clip, see


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    clip = tvseg_bench.load_dataset("moving-shapes:val").clips[0]
    path = tmp_path_factory.mktemp("video") / "shapes.mp4"
    path.write_bytes(encode([clip.image(t) for t in range(clip.n_frames)], 8))
    return path


def test_a_video_becomes_a_page(
    video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    command = ["visualize", "baseline/pixels", str(video), "--k", "4", "-o", str(out)]
    assert main(command) == 0
    assert "shapes.html" in capsys.readouterr().out
    text = (out / "shapes.html").read_text(encoding="utf-8")
    assert text.count("<img ") == 3
    assert text.count("<video ") == 1
    assert "4 clusters over the whole clip" in text
    assert 'href="data:,"' in text
    assert "10</dd>" in text


def test_a_folder_of_frames_gives_what_its_video_gives(video: Path, tmp_path: Path) -> None:
    clip = open_clip(video)
    for t in range(clip.n_frames):
        Image.fromarray(clip.image(t)).save(tmp_path / f"{t:05d}.png")
    seen = [
        see(one, "baseline/pixels", None, 3, 224, 5, 0, "cpu")
        for one in (clip, open_clip(tmp_path))
    ]
    assert (seen[0].ids == seen[1].ids).all()
    assert seen[0].ids.shape == (5, 224, 288)
    assert (np.diff(np.bincount(seen[0].ids.ravel(), minlength=3)) <= 0).all()  # largest first


@pytest.mark.parametrize(
    ("more", "code", "said"),
    [
        (["--k", "1"], 2, "--k 1 must be from 2 to 64"),
        (["--frames", "0"], 2, "--frames 0 must be from 1 to 600"),
        (["--size", "9"], 2, "--size 9 must be from 32 to 2048"),
    ],
)
def test_numbers_that_cannot_be(
    video: Path, more: list[str], code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["visualize", "baseline/pixels", str(video), *more]) == code
    assert said in capsys.readouterr().err


def test_what_is_no_video(video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "note.txt").write_text("no video", encoding="utf-8")
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    for name, said in (
        ("note.txt", "is no video by its name"),
        ("gone.mp4", "is not there"),
        ("broken.mp4", "broken.mp4"),
    ):
        assert main(["visualize", "baseline/pixels", str(tmp_path / name)]) == 1
        assert said in capsys.readouterr().err
    for name in ("a", "b"):
        (tmp_path / "many" / name).mkdir(parents=True)
        Image.new("RGB", (64, 64)).save(tmp_path / "many" / name / "0.png")
    assert main(["visualize", "baseline/pixels", str(tmp_path / "many")]) == 2
    assert "holds 2 clips; give one of them" in capsys.readouterr().err
