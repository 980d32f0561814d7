"""Published numbers: what the file may hold, and that it holds what its sources print."""

import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import tvseg_bench
from tvseg_bench.benchmark.errors import UsageError
from tvseg_bench.benchmark.execution.selection import apply_overrides
from tvseg_bench.benchmark.registry import datasets, models, protocols
from tvseg_bench.benchmark.results.result import Result
from tvseg_bench.leaderboards.board import make_board
from tvseg_bench.leaderboards.load import load
from tvseg_bench.leaderboards.published.numbers import (
    Published,
    beside,
    for_model,
    published,
    rows,
)

ROWS = rows()
HEADER = ",".join(Published.model_fields)
SETTING = (
    "mine,,baseline/pixels,kmeans-clip,standard,n_init=2,moving-shapes,val,12,miou,0.333,1,0.01,0,"
    ",first-hand,a made source,"
)

ABSENT_MODELS = {
    "croc/vits16-coco",
    "croc/vits16-cocoplus",
    "croc/vits16-unstated",
    "cribo/vits16-unstated",
    "cropmae/vits16",
    "dino/unstated",
    "franca/vitb14-in21k",
    "franca/vitg14-in21k",
    "franca/vitg14-laion",
    "franca/vitl14-in21k",
    "franca/vitl14-laion",
    "hummingbird/vitb16",
    "leopart/vitb16",
    "neco/vitb14-unstated",
    "neco/vits14-unstated",
    "selfpatch/vits16",
    "stego/unstated",
}
ABSENT_PROTOCOLS = {"fcn", "davis-unsupervised"}
ABSENT_PRESETS = {"", "dinov2", "dinov2-ms", "dino-before-pr-46", "stego-linear"}
ABSENT_DATASETS = {"potsdam-3"}


@pytest.fixture(autouse=True)
def _registered() -> None:
    tvseg_bench.register_builtins()


@pytest.mark.parametrize(
    ("model", "protocol", "metric", "percent"),
    [
        ("leopart/vits16", "overcluster-dataset", "miou", ["53.5"]),
        ("leopart/vitb8", "fcn", "miou", ["76.3"]),
        ("neco/dinov2r-xr-vits14", "linear", "miou", ["81.3"]),
        ("neco/timet-vits16", "retrieval", "miou", ["66.5"]),
        ("dino/vits16", "propagation", "jf", ["61.77", "57.75", "33.0", "50.9"]),
        ("dinov3/vit7b16", "propagation", "jf", ["79.7"]),
        ("dinov2/vits14", "linear", "miou", ["47.2", "44", "67", "78.9", "37.9"]),
        ("stego/vits8-potsdam", "segmenter", "accuracy", ["77.03", "85.85"]),
        ("mosic/dinov2-vits14", "kmeans-frame", "miou", ["58.9", "60.6"]),
    ],
)
def test_numbers_stand_as_they_are_printed(
    model: str, protocol: str, metric: str, percent: list[str]
) -> None:
    found = published(model, protocol=protocol, metric=metric)
    assert [row.percent for row in found] == percent


def test_the_table_of_second_hand_retrieval_is_whole() -> None:
    dip = published(paper="dip")
    assert len(dip) == 14 * 2 * 4
    assert {row.evidence for row in dip} == {"second-hand"}
    assert Counter(row.params.get("fraction", 1) for row in dip) == dict.fromkeys(
        (1, 1 / 8, 1 / 64, 1 / 128), 28
    )


def test_second_hand_is_what_others_say() -> None:
    evidence: dict[str, set[str]] = {}
    for row in ROWS:
        evidence.setdefault(row.paper, set()).add(row.evidence)
    assert {paper for paper, kinds in evidence.items() if "first-hand" not in kinds} == {
        *("dip", "mosic", "ctc2", "lift")
    }
    for row in ROWS:
        assert ("quotation" in row.note) <= (row.evidence == "second-hand")


def test_no_number_that_was_only_remembered_or_inferred_is_there() -> None:
    """TimeT's own video table (recalled), its selection score (inferred), points of a plot."""
    timet = published("timet/vits16")
    assert {row.protocol for row in timet} == {"retrieval", "davis-unsupervised"}
    remembered = {0.502, 0.514, 0.495, 0.492, 0.128, 0.1366, 0.063, 0.053, 0.131}
    assert not remembered & {row.value for row in timet}


def test_no_number_stands_twice() -> None:
    columns = "paper model protocol_label params dataset_label metric resolution evidence value"
    keys = [tuple(str(getattr(row, name)) for name in columns.split()) for row in ROWS]
    assert len(keys) == len(set(keys))


def test_names_are_the_suite_s_or_known_not_to_be() -> None:
    assert {r.model for r in ROWS} - set(models) == ABSENT_MODELS
    assert {r.protocol for r in ROWS} - set(protocols) == ABSENT_PROTOCOLS
    assert {r.dataset for r in ROWS} - set(datasets) == ABSENT_DATASETS
    presets = {
        r.preset
        for r in ROWS
        if r.protocol in protocols and r.preset not in protocols[r.protocol].presets
    }
    assert presets == ABSENT_PRESETS


def test_parameters_fit_their_presets() -> None:
    checked = 0
    for row in ROWS:
        if row.protocol in protocols and row.preset in protocols[row.protocol].presets:
            entry = protocols[row.protocol]
            apply_overrides(row.protocol, entry.presets[row.preset], row.params)
            checked += 1
    assert checked > 150


def test_values_have_no_more_digits_than_are_printed() -> None:
    for row in ROWS:
        assert row.value == float(f"{row.value:.{row.decimals + 2}f}")
        assert row.tolerance >= 0.5 * 10 ** -(row.decimals + 2)


def test_a_model_has_its_numbers() -> None:
    found = for_model("timet/vits16")
    assert found
    assert {row.model for row in found} == {"timet/vits16"}
    assert for_model("mine/none") == ()


def write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join((HEADER, *lines)) + "\n")
    return path


def test_another_file_is_read_the_same_way(tmp_path: Path) -> None:
    (row,) = rows(write(tmp_path / "mine.csv", SETTING))
    assert (row.value, row.params, row.clips, row.percent) == (0.333, {"n_init": 2}, 12, "33.3")


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        (",0.333,", ",33.3,", r"mine\.csv, line 3, column 'value': Input should be less than"),
        ("first-hand", "heard", r"line 3, column 'evidence': Input should be 'first-hand' or"),
        ("n_init=2", "n_init", r"line 3, column 'params': .*field=value"),
        ("n_init=2", "n_init=[", r"line 3, column 'params': .*cannot be read"),
        (",12,", ",none,", r"line 3, column 'clips'"),
    ],
)
def test_a_wrong_row_is_named(old: str, new: str, sentence: str, tmp_path: Path) -> None:
    path = write(tmp_path / "mine.csv", SETTING, SETTING.replace(old, new, 1))
    with pytest.raises(UsageError, match=sentence):
        rows(path)


def test_an_empty_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "none.csv").touch()
    with pytest.raises(UsageError, match=r"none\.csv is empty; give it the columns"):
        rows(tmp_path / "none.csv")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.csv cannot be read as a table of numbers"):
        rows(tmp_path / "none.csv")


def test_a_number_stands_beside_the_same_setting_only(tmp_path: Path) -> None:
    second = SETTING.replace("first-hand", "second-hand").replace("0.333", "0.444")
    made = rows(write(tmp_path / "mine.csv", second, SETTING))
    here = {
        "model": "baseline/pixels",
        "protocol": "kmeans-clip",
        "preset": "standard",
        "params": {"n_init": 2, "k": "gt"},
        "dataset": "moving-shapes",
        "split": "val",
        "clips": 12,
    }
    assert beside(made, **here)["miou"].value == 0.333  # type: ignore[arg-type]
    others = {"model": "a/b", "preset": "timet", "params": {"n_init": 3}, "split": "x", "clips": 3}
    for name, value in others.items():
        assert beside(made, **{**here, name: value}) == {}  # type: ignore[arg-type]


def test_reading_needs_no_torch() -> None:
    code = (
        "import sys; from tvseg_bench.leaderboards.published.numbers import rows; rows(); "
        "print([m for m in ('torch', 'numpy', 'pandas') if m in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


PUBLISHED: dict[str, Any] = {
    "model": "mosic/dinov2-vits14",
    "protocol": "kmeans-frame",
    "preset": "timet",
    "card": {"name": "mosic/dinov2-vits14"},
}
"""What public notes on MoSiC say of it: 58.9 on the 30 clips of davis-2017:val."""


def test_a_published_number_stands_beside_ours_for_its_metric_only(
    cell: Callable[..., Result], tmp_path: Path
) -> None:
    cell([0.5] * 29 + [0.6], **PUBLISHED)
    cell([0.7] * 30, **{**PUBLISHED, "model": "dino/vits16", "card": {}})
    (table,) = make_board(load([tmp_path])).tables
    rows = {row.key.model: row for row in table.metrics["miou"].rows}
    assert rows["mosic/dinov2-vits14"].paper_value == 0.589
    assert rows["dino/vits16"].paper_value is None
    assert [row.rank for row in table.metrics["miou"].rows] == [1, 2]
    assert all(row.paper_value is None for row in table.metrics["miou_fg"].rows)


def test_a_published_number_does_not_stand_beside_a_part_of_the_data(
    cell: Callable[..., Result], tmp_path: Path
) -> None:
    cell([0.5] * 29, **PUBLISHED)
    (table,) = make_board(load([tmp_path])).tables
    assert table.metrics["miou"].rows[0].paper_value is None
