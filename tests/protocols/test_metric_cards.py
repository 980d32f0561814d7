"""What an entry declares of its metrics is what its scores hold."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tvseg_bench
import tvseg_bench.protocols
from tvseg_bench.benchmark.errors import ProtocolError
from tvseg_bench.benchmark.evaluation import RunContext
from tvseg_bench.benchmark.execution.cells import check_declared
from tvseg_bench.benchmark.execution.selection import choose_protocols
from tvseg_bench.benchmark.registry import protocols
from tvseg_bench.benchmark.types import Score, UnitScore

RESULTS = Path(tvseg_bench.__file__).resolve().parent / "leaderboards" / "results"
FAST = {"n_init": 1, "reseeds": 1, "max_iter": 20, "radius": 3}
CASES: dict[str, tuple[Mapping[str, Any], ...]] = {
    **{name: ({},) for name in protocols},
    "foreground": ({}, {"threshold": "tuned-on-truth"}),
    "foreground-classes": ({}, {"grouping": "kmeans"}),
    "objects": ({}, {"segments": "kmeans-frame"}, {"segments": "model"}),
    "segmenter": ({"scope": "frame"}, {"scope": "clip"}, {"scope": "dataset"}),
}


@pytest.fixture
def clips(features: Callable[..., Any], moving_blocks: Any) -> Any:
    """Features of clips that hold everything which a protocol may want of a clip."""
    made = features([moving_blocks(4, order) for order in ([1, 2], [2, 1], [1, 2], [2, 1])])
    still, places = np.zeros((48, 48, 2), np.float32), np.array([[9.0, 9.0], [30.0, 20.0]])
    more = {"flow": lambda t: still, "points": lambda t: places, "point_names": ("a", "b")}
    more["depth"] = lambda t: np.linspace(1, 5, 48 * 48, dtype=np.float32).reshape(48, 48)
    held = [replace(f, clip=replace(f.clip, instance=f.clip.semantic, **more)) for f in made.clips]
    dataset = replace(made.dataset, clips=[f.clip for f in held])
    return replace(made, clips=held, dataset=dataset)


def evaluate(name: str, features: Any, changes: Mapping[str, Any]) -> Score:
    entry = protocols[name]
    standard = entry.presets["standard"]
    fast = {key: value for key, value in FAST.items() if key in type(standard).model_fields}
    config = type(standard).model_validate({**standard.model_dump(), **fast, **changes})
    if config.view(features.dataset).output == "segments":
        features = replace(features, clips=[segmented(clip) for clip in features.clips])
    return entry.build(config).evaluate(features, RunContext(training=features))


def segmented(clip: Any) -> Any:
    ids = np.stack([clip.clip.semantic(t) for t in clip.frames])
    return replace(clip, tokens=ids[..., None].astype(np.float32))


@pytest.mark.parametrize(
    ("name", "changes"), [(name, changes) for name, all_ in CASES.items() for changes in all_]
)
def test_scores_hold_what_is_declared(name: str, changes: Mapping[str, Any], clips: Any) -> None:
    entry, score = protocols[name], evaluate(name, clips, changes)
    assert next(iter(score.metrics)) == entry.headline
    held = {metric for row in score.clips for metric in row.metrics}
    for metric in chain(score.metrics, score.references, held):
        card = entry.card_of(metric)
        assert card is not None, metric
        made_of_rows = "mean" if metric.rpartition("/")[2] in held else score.resample
        assert card.interval in (made_of_rows, "as-scored"), metric
    rows = (row.metrics for row in (*score.clips, *score.frames))
    for metric, value in chain(*(numbers.items() for numbers in (score.metrics, *rows))):
        card = entry.metrics[metric]
        assert value is None or card.lowest <= value <= card.highest


def test_every_metric_of_the_board_is_declared_as_it_was_scored() -> None:
    paths = list(RESULTS.glob("*/results/*.json"))
    assert len(paths) > 20
    for path in paths:
        result = json.loads(path.read_text())
        cards = protocols[result["protocol"]["id"]].metrics
        for name, metric in result["metrics"].items():
            assert cards[name].higher_is_better == metric["higher_is_better"], (path.name, name)


def test_cards_that_depart_from_a_share_where_more_is_better() -> None:
    cards = {
        f"{name}/{metric}": card
        for name in protocols
        for metric, card in protocols[name].metrics.items()
    }
    assert all(card.title for card in cards.values())
    unbounded = {name for name, card in cards.items() if card.highest != 1}
    relative = {"depth/abs_rel"}
    assert unbounded - relative == {n for n, card in cards.items() if card.unit != "share"}
    errors = {name for name in cards if name.startswith("flow/epe")}
    assert unbounded == errors | {"depth/rmse"} | relative
    signed = {"temporal/drift", "temporal/seed_ari", "objects/fg_ari", "objects/fg_ari_frame"}
    assert {name for name, card in cards.items() if card.lowest != 0} == signed
    smaller = unbounded | {
        f"temporal/{m}" for m in ("flip_rate", "drift", "frame_gap", "largest_cluster")
    }
    smaller |= {name for name in cards if "/position_r2" in name}
    assert {name for name, card in cards.items() if not card.higher_is_better} == smaller
    for name, card in cards.items():
        assert (card.background == "left-out") == name.endswith("_fg"), name


@pytest.mark.parametrize(
    "score",
    [
        Score(metrics={"miou": 0.5, "recall": 0.5}, clips=[]),
        Score(metrics={"miou": 0.5}, clips=[], references={"oracle/recall": 0.5}),
        Score(metrics={"miou": 0.5}, clips=[UnitScore(clip="a", metrics={"recall": 0.5})]),
    ],
)
def test_a_metric_that_is_not_declared_is_refused(score: Score) -> None:
    (linear,) = choose_protocols(["linear"], {})
    with pytest.raises(
        ProtocolError, match=r"^the protocol linear returned the metric '(oracle/)?recall', which"
    ):
        check_declared(linear, score)
