"""Curves over the distance of frames, as results hold them and as others might write them."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import tvseg_bench
from tvseg_bench.leaderboards.report.decay_view import ORACLE, decay_charts
from tvseg_bench.leaderboards.report.gather import gather
from tvseg_bench.leaderboards.report.view import page


@dataclass
class Held:
    details: dict[str, Any] = field(default_factory=dict)


@dataclass
class Model:
    name: str
    result: Held


def model(name: str, decay: Any) -> Any:
    return Model(name, Held({"decay": decay}))


def curves(**own: Any) -> dict[str, Any]:
    return {"distances": [1, 2, 4], "clips": [3, 3, 1], "curves": own}


def test_a_line_for_each_model_and_one_for_the_oracle() -> None:
    first = curves(kept=[1.0, 0.5, None], **{"oracle/kept": [1.0, 1.0, 0.9]})
    charts = decay_charts([model("a", first), model("b", curves(kept=[0.75, 0.5, 0.25]))])
    (chart,) = charts
    assert chart["title"] == "pixels that keep their cluster"
    assert chart["distances"] == [1, 2, 4]
    assert [line["name"] for line in chart["lines"]] == ["a", "b", ORACLE]
    (path,) = chart["lines"][0]["paths"]
    assert path.count("L") == 1, "no line where there is no value"
    assert chart["marks"] == pytest.approx([166.7, 500.0, 833.3], abs=0.1)


def test_the_axis_ends_with_the_last_value() -> None:
    found = {"distances": [1, 2, 4, 8, 16], "curves": {"kept": [1, 0.5, 0.5, None, None]}}
    (chart,) = decay_charts([model("a", found)])
    assert chart["distances"] == [1, 2, 4]
    assert chart["marks"][-1] == pytest.approx(833.3, abs=0.1)
    found["curves"] = {"kept": [1, None, None, None, None]}
    assert decay_charts([model("a", found)]) == [], "a point is no curve"


def test_other_distances_have_no_common_axis() -> None:
    other = {"distances": [1, 3, 9], "curves": {"kept": [0.1, 0.1, 0.1]}}
    (chart,) = decay_charts([model("a", curves(kept=[0.5, 0.5, 0.5])), model("b", other)])
    assert [line["name"] for line in chart["lines"]] == ["a"]


@pytest.mark.parametrize(
    "spoiled",
    [
        None,
        [],
        {"distances": [1, 2, 4]},
        {"distances": "124", "curves": {}},
        {"distances": [1, 2, "<b>"], "curves": {"kept": [0.5, 0.5, 0.5]}},
        {"distances": [1, 2, -4], "curves": {"kept": [0.5, 0.5, 0.5]}},
        curves(kept=[0.5, 0.5]),
        curves(kept=[0.5, 0.5, 2]),
        curves(kept=[0.5, 0.5, "x"]),
        curves(kept="0.5"),
        curves(kept=[None, None, None]),
    ],
)
def test_what_this_suite_did_not_write_is_not_drawn(spoiled: Any) -> None:
    assert decay_charts([model("a", spoiled)]) == []


def test_stands_in_a_report_of_temporal(tmp_path: Path) -> None:
    tvseg_bench.run(
        "baseline/pixels",
        "temporal",
        "moving-shapes",
        output=tmp_path,
        limit=2,
        overrides={"protocol.temporal.size": 64, "protocol.temporal.reseeds": 0},
    )
    html = page(gather([tmp_path]))
    assert "By the distance of two frames" in html
    assert html.count(', by frames apart" preserve') == 3
    assert f"{ORACLE}</li>" in html
