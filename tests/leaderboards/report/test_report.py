"""`tvseg-bench report`: what stands on the page, and what happens to a spoiled folder."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import tvseg_bench
from tvseg_bench.__main__ import main
from tvseg_bench.benchmark.errors import UsageError
from tvseg_bench.leaderboards.cli.pages import write_page
from tvseg_bench.leaderboards.report import drawing
from tvseg_bench.leaderboards.report.charts import HEIGHT, scatter, timeline
from tvseg_bench.leaderboards.report.gather import gather
from tvseg_bench.leaderboards.report.view import MARK, page


@pytest.fixture(scope="module")
def html(run: Path) -> str:
    return page(gather([run]))


def test_the_command_writes_one_file_beside_the_run(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(run), "-o", str(tmp_path / "out")]) == 0
    assert "report.html" in capsys.readouterr().out
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["report.html"]
    write_page(tmp_path / "out" / "report.html", f"\n{MARK}\nnew", MARK)  # replaces its own


def test_a_file_of_another_kind_is_kept(tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text("mine", encoding="utf-8")
    with pytest.raises(UsageError, match="was not written by this command, so it is kept"):
        write_page(tmp_path / "report.html", f"\n{MARK}\n", MARK)
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == "mine"


def test_no_torch_and_no_model(run: Path, tmp_path: Path) -> None:
    code = (
        "import sys\nfrom pathlib import Path\n"
        "from tvseg_bench.leaderboards.report.gather import gather\n"
        "from tvseg_bench.leaderboards.report.view import page\n"
        "page(gather([Path(sys.argv[1])]))\nassert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code, str(run)], check=True)


def test_every_protocol_has_a_section_with_pictures(html: str) -> None:
    for protocol in ("kmeans-frame", "kmeans-clip", "kmeans-dataset", "foreground"):
        assert f"{protocol} <span" in html
    for why in ("best clip", "median clip", "worst clip"):
        assert html.count(f"<h3>{why}: ") == 4
    assert html.count("<video ") == 12
    assert html.count("Labels are predicted as such, and nothing is matched") == 1
    assert html.count(">IoU of each frame<") == 3
    assert html.count(">mIoU of each frame<") == 9
    assert "Contingency and matching over the data set" in html
    assert "IoU per class" in html


def test_single_frames_borrow_the_colours_of_the_clip(run: Path) -> None:
    for section in gather([run]).sections:
        for shown in section.illustrated:
            for clip in shown.recording.clips if shown.recording else ():
                colours = shown.colours(clip)
                assert colours is not None
                assert colours.shape == (5, *clip.grid, 3)
                if section.table.key.protocol == "kmeans-frame":
                    assert clip.pca is None


def test_the_same_run_gives_the_same_bytes(run: Path, html: str) -> None:
    """Videos included."""
    assert page(gather([run])) == html


def test_a_long_page_is_folded(run: Path, html: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert html.count('<details class="pictures" open>') == 4
    monkeypatch.setattr("tvseg_bench.leaderboards.report.view.MOST_OPEN", 2)
    folded = page(gather([run]))
    assert folded.count('<details class="pictures" open>') == 2
    assert folded.count('<details class="pictures">') == 2
    assert folded.count("<summary>Pictures: best clip, median clip, worst clip</summary>") == 4


def test_scores_are_those_of_the_results(run: Path, html: str) -> None:
    for path in (run / "results").glob("*.json"):
        data = json.loads(path.read_text(encoding="utf-8"))
        metric = next(iter(data["metrics"].values()))
        assert f"<b>{100 * metric['value']:.1f}</b>" in html


def test_every_picture_says_what_it_shows(html: str) -> None:
    alts = re.findall(r'<img [^>]*alt="([^"]*)"', html)
    assert len(alts) == html.count("<img ")
    assert all(len(alt) > 5 for alt in alts)


def test_nothing_is_fetched(html: str) -> None:
    assert not re.findall(r'(?:src|href)="(?!data:|#)', html)
    assert "http" not in re.sub(r'"data:[^"]*"', "", html).replace("http-equiv", "")


def test_a_pair_is_compared_on_its_clips(run: Path) -> None:
    text = page(gather([run], ("selfdistil/tiny", "baseline/pixels")))
    assert "selfdistil/tiny against baseline/pixels" in text
    assert "selfdistil/tiny minus baseline/pixels" in text
    assert "selfdistil/tiny furthest ahead" in text
    results = {}
    for path in (run / "results").glob("*.json"):
        data = json.loads(path.read_text(encoding="utf-8"))
        if data["protocol"]["id"] == "kmeans-clip":
            results[data["model"]["name"]] = data["metrics"]["miou"]["value"]
    gap = 100 * (results["selfdistil/tiny"] - results["baseline/pixels"])
    assert f'<p class="big">{gap:+.1f}' in text


@pytest.mark.parametrize(
    ("pair", "said"),
    [
        (["selfdistil/tin", "baseline/pixels"], "did you mean 'selfdistil/tiny'"),
        (["baseline/pixels", "baseline/pixels"], "needs two models"),
    ],
)
def test_a_pair_that_is_none(
    run: Path, pair: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(run), "--compare", *pair]) == 2
    assert said in capsys.readouterr().err


def test_an_empty_folder_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert "holds no results to show" in error
    assert "tvseg-bench run" in error


def test_partial_results_are_shown_as_a_look(tmp_path: Path) -> None:
    tvseg_bench.run("baseline/pixels", "kmeans-clip", "moving-shapes", output=tmp_path, limit=2)
    text = page(gather([tmp_path]))
    assert "results of the first clips only" in text
    assert "best clip" in text


def test_a_run_without_pictures_says_how_to_get_them(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "run", ignore=shutil.ignore_patterns("media"))
    text = page(gather([tmp_path / "run"]))
    assert "run them again with --keep 12 --force" in text


def test_a_spoiled_picture_takes_nothing_else_down(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    shutil.copytree(run, out)
    kept = sorted(p for p in (out / "media").iterdir() if p.name != "data")
    (kept[0] / "kept.json").write_text('{"schema": "<script>alert(1)</script>"}', encoding="utf-8")
    assert main(["report", str(out)]) == 1
    assert "its images are not shown" in capsys.readouterr().err
    text = (out / "report" / "report.html").read_text(encoding="utf-8")
    assert "Not on this page" in text
    assert "<script>alert(1)" not in text


def test_strangers_names_are_text(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    shutil.copytree(run, out)
    for path in (out / "media").glob("*/kept.json"):
        data = json.loads(path.read_text(encoding="utf-8"))
        data["classes"] = ["<img src=x onerror=alert(1)>"] * 9
        path.write_text(json.dumps(data), encoding="utf-8")
    text = page(gather([out]))
    assert "<img src=x" not in text
    assert "&lt;img src=x" in text


def test_segments_have_the_colours_of_their_classes() -> None:
    images = np.full((1, 8, 40, 3), 100, np.uint8)
    labels = np.repeat(np.array([0, 3, -1, 255, 3]), 8)[None, None].repeat(8, axis=1)
    drawn = drawing.segments(images, labels, 0)[0, 4]
    colour = np.array(drawing.label_colour(3, 0))
    assert abs(drawn[12] - (0.7 * colour + 0.3 * (0.55 * 100 + 95))).max() <= 1
    assert (drawn[12] == drawn[36]).all()
    assert len({tuple(p) for p in drawn[17:24]}) == 2  # hatched
    assert (drawn[28] == 40).all()
    assert drawn[4].std() == 0  # the background stays grey


def test_the_timeline_stands_below_its_frames() -> None:
    made = timeline([("m", [0.0, 1.0, None, 0.5])], [0, 3], [10.0, 90.0])
    assert made is not None
    assert made["marks"] == [100.0, 900.0]
    assert made["lines"][0]["paths"] == [f"M100.0 {HEIGHT - 20:.1f} L366.7 8.0", "M900.0 69.0h0.1"]
    assert timeline([("m", [0.5, 0.5])], [0, 1], [10.0, 90.0]) is None


def test_the_scatter_counts_who_is_ahead() -> None:
    made = scatter([("x", 0.5, 0.25), ("y", 0.1, 0.2), ("z", 0.3, 0.3)])
    assert (made["ahead"], made["behind"]) == (1, 1)
    assert (made["points"][0]["x"], made["points"][0]["y"]) == (25.0, 50.0)
