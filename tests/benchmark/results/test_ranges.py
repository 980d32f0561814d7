import json
from dataclasses import replace
from math import inf
from typing import Any

import pytest

import tvseg_bench
from tvseg_bench.benchmark.registry import datasets, protocols
from tvseg_bench.benchmark.results.key import CellKey
from tvseg_bench.benchmark.results.provenance import Provenance
from tvseg_bench.benchmark.results.result import Result, ResultError, from_score
from tvseg_bench.benchmark.results.samples import read_samples, samples_text
from tvseg_bench.benchmark.results.store import ResultStore
from tvseg_bench.benchmark.types import MetricCard, ModelCard, Score, UnitScore

CARDS = {
    "miou": MetricCard(title="a fraction"),
    "drift": MetricCard(title="a difference of fractions", lowest=-1.0),
    "epe": MetricCard(title="an error", highest=inf, unit="pixels", higher_is_better=False),
    "narrow": MetricCard(title="between a quarter and a half", lowest=0.25, highest=0.5),
}

KEY = CellKey(
    model="dino/vits16",
    revision="sha256:ab12",
    protocol="temporal",
    protocol_version=1,
    params={},
    dataset="davis-2017",
    split="val",
    dataset_version=1,
    manifest_sha256="cd" * 32,
    resolution={"size": 224},
    seed=0,
)


def score(metric: str, values: list[float], **changes: Any) -> Score:
    rows = [UnitScore(clip=f"c{i}", metrics={metric: v}) for i, v in enumerate(values)]
    mean = sum(values) / len(values)
    return Score(**{"metrics": {metric: mean}, "clips": rows, **changes})


def result(made: Score) -> Result:
    card = ModelCard(name=KEY.model, patch_size=16, embed_dim=384)
    made_by = Provenance(suite="0", started=None)
    return from_score(KEY, made, card=card, provenance=made_by, metrics=CARDS)


def test_the_range_stands_in_the_file() -> None:
    for name, card in CARDS.items():
        metric = json.loads(result(score(name, [0.3])).to_json())["metrics"][name]
        highest = None if card.highest == inf else card.highest
        assert (metric["lowest"], metric["highest"]) == (card.lowest, highest)
        assert metric["unit"] == card.unit


def test_an_error_in_pixels_has_no_upper_bound(tmp_path: Any) -> None:
    made = score("epe", [2.0, 3.0, 2.5, 40.0], references={"constant/epe": 1e6})
    found = result(made)
    metric = found.metrics["epe"]
    assert metric.highest == inf
    assert metric.ci95 is not None
    assert 0 < metric.ci95[0] < 11.875 < 60 < metric.ci95[1]
    assert metric.ci_method == "clip-log-t"
    assert Result.model_validate_json(found.to_json()) == found
    written = ResultStore(tmp_path).write(found, made)
    path = ResultStore(tmp_path).samples_path(written.cell_id)
    assert read_samples(path, written.cell_id, metrics=written.metrics)[0][3].metrics["epe"] == 40
    with pytest.raises(ResultError, match=r"metrics\.epe is -0\.5: input should be greater"):
        result(score("epe", [-0.5]))


def test_a_signed_metric_may_be_negative_and_so_may_its_interval(tmp_path: Any) -> None:
    made = score("drift", [-0.3, 0.1, -0.2], references={"constant/drift": -0.5})
    found = result(made)
    metric = found.metrics["drift"]
    assert metric.value == pytest.approx(-0.4 / 3)
    assert metric.ci95 is not None
    assert metric.ci95[0] < -0.3
    assert Result.model_validate_json(found.to_json()) == found
    ResultStore(tmp_path).write(found, made)
    assert ResultStore(tmp_path).finished(found.cell_id) is not None
    assert '"drift":-0.3' in samples_text(found.cell_id, made)


def test_intervals_end_where_the_metric_does() -> None:
    for name, values in (
        ("drift", [-1.0, -0.9, 1.0]),
        ("miou", [0.0, 0.1, 1.0]),
        ("narrow", [0.25, 0.26, 0.5]),
    ):
        ends, card = result(score(name, values)).metrics[name].ci95, CARDS[name]
        near = (card.highest - card.lowest) / 10
        assert ends is not None
        assert card.lowest <= ends[0] < card.lowest + near
        assert card.highest - near < ends[1] <= card.highest


@pytest.mark.parametrize(
    ("made", "sentence"),
    [
        (score("miou", [-0.1]), r"metrics\.miou is -0\.1: input should be greater than or equal"),
        (score("drift", [-1.1]), r"metrics\.drift is -1\.1: input should be greater"),
        (score("narrow", [0.6]), r"metrics\.narrow is 0\.6: input should be less than or equal"),
        (score("miou", [0.1], references={"oracle/miou": -0.1}), r"references\.oracle/miou is -0"),
    ],
)
def test_what_is_out_of_range_is_named(made: Score, sentence: str) -> None:
    with pytest.raises(ResultError, match=sentence):
        result(made)


def test_rows_out_of_range_are_named(tmp_path: Any) -> None:
    made = score("narrow", [0.3, 0.4])
    written = ResultStore(tmp_path).write(result(made), made)
    path = ResultStore(tmp_path).samples_path(written.cell_id)
    path.write_text(path.read_text().replace("0.3", "0.2"), encoding="utf-8")
    assert len(read_samples(path, written.cell_id)[0]) == 2
    with pytest.raises(ResultError, match=r"line 2: metrics\.narrow is 0\.2: input should be gr"):
        read_samples(path, written.cell_id, metrics=written.metrics)


NEW = ("lowest", "highest", "unit", "background", "clip_score", "rows")


def older(made: Result, **changes: Any) -> Result:
    """Return a result as a version without the fields of `NEW` wrote it."""
    fields = json.loads(made.to_json())
    del fields["dataset"]["n_classes"]
    for metric in fields["metrics"].values():
        for name in NEW:
            del metric[name]
        metric.update(changes)
    return Result.model_validate_json(json.dumps(fields))


@pytest.mark.parametrize(
    ("protocol", "name"),
    [("temporal", "drift"), ("kmeans-frame", "miou_fg"), ("kmeans-dataset", "miou")],
)
def test_older_files_are_completed_by_the_cards_of_their_protocol(
    protocol: str, name: str
) -> None:
    tvseg_bench.register_builtins()
    cards = protocols[protocol].metrics
    made = from_score(
        replace(KEY, protocol=protocol),
        score(name, [0.1, 0.2, 0.3]),
        card={},
        provenance=Provenance(suite="0", started=None),
        metrics=cards,
        n_classes=len(datasets[KEY.dataset].card.classes) or None,
    )
    assert older(made) == made


@pytest.mark.parametrize(
    ("method", "rows"),
    [
        ("clip-logit-t", "value"),
        ("clip-logit-t, shifted", "near-value"),
        ("clip-jackknife-logit-t, shifted", "near-value"),
        ("none: one clip", "value"),
        ("none: the clips' rows do not make this number", "other-value"),
    ],
)
def test_what_older_files_say_of_their_rows(method: str, rows: str) -> None:
    found = older(result(score("drift", [0.1])), ci_method=method)
    assert found.metrics["drift"].rows == rows


def test_nothing_of_a_protocol_that_is_not_here_is_refused() -> None:
    key = replace(KEY, protocol="of-a-plugin")
    made = from_score(
        key,
        score("drift", [-0.1]),
        card={},
        provenance=Provenance(suite="0", started=None),
        metrics=CARDS,
    )
    assert older(made).metrics["drift"].value == pytest.approx(-0.1)
