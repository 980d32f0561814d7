from typing import Any

import pytest

from tvseg_bench.benchmark.metrics.bounds import metric_minimum
from tvseg_bench.benchmark.results.key import CellKey
from tvseg_bench.benchmark.results.provenance import Provenance
from tvseg_bench.benchmark.results.result import Result, ResultError, from_score
from tvseg_bench.benchmark.results.samples import samples_text
from tvseg_bench.benchmark.results.store import ResultStore
from tvseg_bench.benchmark.types import ModelCard, Score, UnitScore

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
    return from_score(KEY, made, card=card, provenance=Provenance(suite="0", started=None))


def test_a_name_says_what_may_be_negative() -> None:
    assert [metric_minimum(name) for name in ("drift", "j_decay", "seed_ari", "oracle/drift")] == [
        -1
    ] * 4
    assert [metric_minimum(name) for name in ("miou", "safari", "drift_rate", "vc8")] == [0] * 4


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
    for name, values in (("drift", [-1.0, -0.9, 1.0]), ("miou", [0.0, 0.1, 1.0])):
        ends = result(score(name, values)).metrics[name].ci95
        assert ends is not None
        assert metric_minimum(name) <= ends[0] < metric_minimum(name) + 0.1
        assert 0.9 < ends[1] <= 1


@pytest.mark.parametrize(
    ("made", "sentence"),
    [
        (score("miou", [-0.1]), r"metrics\.miou is -0\.1: input should be greater than or equal"),
        (score("drift", [-1.1]), r"metrics\.drift\.value is -1\.1"),
        (score("miou", [0.1], references={"oracle/miou": -0.1}), r"references\.oracle/miou is -0"),
    ],
)
def test_what_is_out_of_range_is_named(made: Score, sentence: str) -> None:
    with pytest.raises(ResultError, match=sentence):
        result(made)
