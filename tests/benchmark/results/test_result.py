import json
import math
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tvseg_bench
from tvseg_bench.benchmark.results.key import CellKey
from tvseg_bench.benchmark.results.provenance import Provenance, collect
from tvseg_bench.benchmark.results.result import (
    Plugin,
    Result,
    ResultError,
    Timing,
    comparable_fields,
    from_score,
    json_schema,
    without_score,
)
from tvseg_bench.benchmark.types import ModelCard, Score, UnitScore

KEY = CellKey(
    model="dino/vits16",
    revision="sha256:ab12",
    protocol="kmeans-clip",
    protocol_version=1,
    params={"k": "gt", "tol": 1e-5},
    dataset="davis-2017",
    split="val",
    dataset_version=1,
    manifest_sha256="cd" * 32,
    resolution={"size": 224},
    seed=3,
)
CARD = ModelCard(name="dino/vits16", patch_size=16, embed_dim=384, params_m=21.7)
MADE = Provenance(suite="0.1.0", started="2026-01-01T00:00:00Z")


def score(values: list[float | None], **changes: Any) -> Score:
    clips = [
        UnitScore(clip=f"c{i}", n_frames=2, metrics={"miou": v}) for i, v in enumerate(values)
    ]
    said = [v for v in values if v is not None]
    mean = sum(said) / len(said) if said else None
    return Score(**{"metrics": {"miou": mean}, "clips": clips, **changes})


def result(values: list[float | None] | None = None, **changes: Any) -> Result:
    made = score([0.2, 0.4, 0.6] if values is None else values)
    return from_score(KEY, made, **{"card": CARD, "provenance": MADE, **changes})


def edited(made: Result, path: str, value: Any) -> bytes:
    data = json.loads(made.to_json())
    *parents, last = path.split(".")
    inner = data
    for name in parents:
        inner = inner[name]
    inner[last] = value
    return json.dumps(data).encode()


def test_round_trip() -> None:
    made = result(plugin=Plugin(package="mine", version="0.2"), timing=Timing(fps=48.5))
    assert Result.model_validate_json(made.to_json()) == made
    assert made.key == KEY
    assert made.headline == "miou"
    assert made.metrics["miou"].value == pytest.approx(0.4)
    assert made.metrics["miou"].seeds == (made.metrics["miou"].value,)
    assert made.dataset.n_clips == 3
    assert made.dataset.n_frames == 6
    assert made.model.card.params_m == 21.7
    assert made.model.card.model_dump()["interpolation"] == "bilinear"


def test_round_trip_of_what_a_run_records() -> None:
    made = result(provenance=collect(started=datetime.now(timezone.utc), command=["run"]))
    assert Result.model_validate_json(made.to_json()) == made


def test_null_is_not_zero() -> None:
    data = json.loads(result([0.5]).to_json())
    assert data["metrics"]["miou"]["ci95"] is None
    assert data["metrics"]["miou"]["ci_method"] == "none: one clip"
    assert data["metrics"]["miou"]["sd"] is None
    assert data["timing"]["extract_s"] is None
    nothing = json.loads(result([None, None]).to_json())["metrics"]["miou"]
    assert nothing["value"] is None
    assert nothing["n"] == 0


@pytest.mark.parametrize("value", [math.nan, math.inf, None])
def test_what_is_not_finite_is_null(value: float | None) -> None:
    made = from_score(
        KEY,
        score(
            [0.5], metrics={"miou": value}, details={"x": value}, references={"oracle/x": value}
        ),
        card=CARD,
        provenance=MADE,
    )
    assert made.metrics["miou"].value is None
    assert made.details["x"] is None
    assert made.references["oracle/x"] is None


def test_rounding_is_forgiven_and_percent_is_not() -> None:
    almost = from_score(
        KEY, score([1.0, 1.0], metrics={"miou": 1 + 1e-12}), card=CARD, provenance=MADE
    )
    assert almost.metrics["miou"].value == 1.0
    with pytest.raises(ResultError, match=r"metrics\.miou is 36\.1"):
        from_score(KEY, score([0.5], metrics={"miou": 36.1}), card=CARD, provenance=MADE)


def test_details_that_json_cannot_hold_are_named() -> None:
    with pytest.raises(ResultError, match=r"details\.matching is a object"):
        from_score(KEY, score([0.5], details={"matching": object()}), card=CARD, provenance=MADE)


def test_a_model_without_revision_has_no_results() -> None:
    key = replace(KEY, revision="")
    with pytest.raises(ResultError, match=r"model\.revision is ''"):
        from_score(key, score([0.5]), card=CARD, provenance=MADE)


def test_skipped_and_failed_carry_their_reason() -> None:
    made = without_score(KEY, "skipped", "no flow here", card=CARD, provenance=MADE)
    assert (made.status, made.reason, made.metrics) == ("skipped", "no flow here", {})
    assert Result.model_validate_json(made.to_json()) == made
    with pytest.raises(ResultError, match="a reason stands in a result if and only if"):
        without_score(KEY, "failed", "", card=CARD, provenance=MADE)


def test_a_limit_makes_a_result_partial() -> None:
    key = replace(KEY, limit=2)
    assert from_score(key, score([0.1, 0.2]), card=CARD, provenance=MADE).partial
    assert not result().partial


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        ("model.name", "dino/vits8", "one of them was edited"),
        ("seed", 4, "one of them was edited"),
        ("cell_id", "0" * 16, "one of them was edited"),
        ("protocol.params", {"k": 21}, "protocol.hash is not the hash"),
        ("partial", True, "partial must be true exactly where"),
        ("model.name", "dino/\nvits16", "String should match pattern"),
        ("model.name", "dino/\u202evits16", "String should match pattern"),
        ("model.card.params_m", "1,014.45", "valid number"),
        ("metrics.miou.value", "0.4", "valid number"),
        ("metrics.miou.value", -0.1, "greater than or equal to 0"),
        ("metrics.miou.ci95", [0.9, 0.1], "lower end of ci95"),
        ("metrics", {}, "metrics stand in a result if and only if"),
        ("status", "done", "'ok', 'skipped' or 'failed'"),
        ("trust.level", "certain", "self-reported"),
    ],
)
def test_edited_and_impossible_values_are_refused(path: str, value: Any, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        Result.model_validate_json(edited(result(), path, value))


def test_nan_in_a_file_is_refused() -> None:
    text = result().to_json().replace('"fps": null', '"fps": NaN')
    with pytest.raises(ValueError, match=r"timing\.fps"):
        Result.model_validate_json(text)


def test_numbers_leave_out_time_and_place_only() -> None:
    other = Provenance(suite="9.9", started="2027-01-01T00:00:00Z")
    left, right = result(), result(provenance=other, timing=Timing(fps=1.0))
    assert left != right
    assert comparable_fields(left) == comparable_fields(right)
    fields = {"schema" if n == "schema_" else n for n in Result.model_fields}
    assert set(comparable_fields(left)) == fields - {"timing", "provenance"}
    assert comparable_fields(left) != comparable_fields(result([0.2, 0.4, 0.7]))


def test_shipped_schema_is_that_of_the_model() -> None:
    shipped = Path(tvseg_bench.__file__).parent / "benchmark" / "results" / "result.schema.json"
    assert json.loads(shipped.read_text(encoding="utf-8")) == json_schema(), (
        "write json_schema() to benchmark/results/result.schema.json"
    )


def test_results_satisfy_the_schema() -> None:
    validator = jsonschema.Draft202012Validator(json_schema())
    for made in (
        result(),
        result([0.5], plugin=Plugin(file_sha256="ab" * 32)),
        without_score(KEY, "failed", "broke", card=CARD, provenance=MADE),
    ):
        assert validator.is_valid(json.loads(made.to_json()))
    assert not validator.is_valid(json.loads(edited(result(), "metrics.miou.value", 2)))
    assert not validator.is_valid(json.loads(edited(result(), "surprise", 1)))


names = st.text(
    st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=9
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=40, deadline=None)
@given(
    values=st.lists(st.none() | st.floats(0, 1), min_size=1, max_size=4),
    params=st.dictionaries(names, json_values, max_size=3),
    details=st.dictionaries(names, json_values, max_size=3),
    model=names,
)
def test_every_result_survives_its_file(
    values: list[float | None], params: Mapping[str, Any], details: Mapping[str, Any], model: str
) -> None:
    key = replace(KEY, model=model, params=params)
    made = from_score(key, score(values, details=details), card=CARD, provenance=MADE)
    assert Result.model_validate_json(made.to_json()) == made
