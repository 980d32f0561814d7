"""Dense nearest-neighbour retrieval of open-hummingbird-eval (hbird_eval.py)."""

from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from tvseg_bench.benchmark.metrics.contingency import contingency
from tvseg_bench.benchmark.metrics.iou import class_counts, mean_iou
from tvseg_bench.benchmark.metrics.matching import match
from tvseg_bench.benchmark.types import VOID
from tvseg_bench.protocols.common.labelled_patches import Patches, join, pick_patches, rarity
from tvseg_bench.protocols.common.patch_labels import patch_counts
from tvseg_bench.protocols.common.supervised import upsampled_argmax
from tvseg_bench.protocols.retrieval import HUMMINGBIRD
from tvseg_bench.protocols.retrieval.evaluation import fill_memory
from tvseg_bench.protocols.retrieval.neighbours import nearest, transfer_labels

pytestmark = pytest.mark.conformance

MANIFEST = "hummingbird"
KINDS = ("cross_attention", "pipeline", "patchify_scores", "metric")
CLOSE = {"rtol": 0, "atol": 1e-5}
EXACT = 1e-12
MATCHINGS: dict[str, dict[str, Any]] = {
    "direct": {"matching": "identity"},
    "hungarian": {"matching": "hungarian-iou", "unmatched": "background"},
    "m2o_iou": {"matching": "majority-iou"},
    "m2o_prec": {"matching": "majority-precision"},
}
PIPELINE = (
    *("Wm", "x_train", "y_train", "x_val", "y_val", "feature_memory", "label_memory", "pred"),
    *("query_features", "neighbour_features", "neighbour_labels", "label_hat"),
)


def test_every_case(case: Any) -> None:
    case.knows("kind", [case.entry["kind"]], KINDS)
    {
        "cross_attention": cross_attention,
        "pipeline": pipeline,
        "patchify_scores": patchify_scores,
        "metric": metric,
    }[case.entry["kind"]](case)


def cross_attention(case: Any) -> None:
    entry = case.fields("name", "kind", "B", "N", "K", "D", "C", "beta")
    found = case.arrays("q", "k", "v", "out")
    q, k, v = (torch.from_numpy(found[name]) for name in ("q", "k", "v"))
    similarity = (normalize(q, dim=-1).unsqueeze(2) * normalize(k, dim=-1)).sum(-1)
    ours = transfer_labels(similarity, v, entry["beta"])
    np.testing.assert_allclose(ours, found["out"], **CLOSE)


def patchify_scores(case: Any) -> None:
    entry = case.fields("name", "kind", "patch", "C")
    found = case.arrays("y", "patchified", "patch_scores", "mask")
    labels = range(entry["C"])
    for i, mask in enumerate(found["y"][:, 0]):
        patches = found["patchified"][i]
        counts, pixels = patch_counts(mask, patches.shape[:2], labels)
        expected = (patches[..., None] == np.arange(entry["C"])).sum(axis=-2)
        np.testing.assert_array_equal(counts, expected)
        assert (pixels == entry["patch"] ** 2).all()
        present = counts.reshape(-1, entry["C"]) > 0
        scores = rarity(present).reshape(found["mask"].shape[1:])
        np.testing.assert_array_equal(scores, found["patch_scores"][i])
        np.testing.assert_array_equal(scores > 0, found["mask"][i])


def metric(case: Any) -> None:
    names = [f"miou_{name}" for name in MATCHINGS]
    entry = case.fields("name", "kind", "C", *names)
    found = case.arrays("gt", "pred", "tp_fp_fn_direct", "tp_fp_fn_hung")
    for name, options in MATCHINGS.items():
        counts, miou = score(found["gt"], found["pred"], entry["C"], options)
        assert miou == pytest.approx(entry[f"miou_{name}"], abs=EXACT), name
        stored = {"direct": "tp_fp_fn_direct", "hungarian": "tp_fp_fn_hung"}.get(name)
        if stored:
            np.testing.assert_array_equal([counts.tp, counts.fp, counts.fn], found[stored])


def score(truth: Any, predicted: Any, classes: int, options: Any) -> tuple[Any, float | None]:
    table = contingency(truth, predicted, labels=range(classes), clusters=range(classes))
    counts = class_counts(table, match(table, **options))
    return counts, mean_iou(counts, "zero")


def pipeline(case: Any) -> None:
    entry = case.fields(
        *("name", "kind", "S", "patch", "D", "C", "K", "memory_size", "augmentation_epoch"),
        *("num_sampled_features", "filled", "n_rand_draws"),
        *("miou_evaluate", "miou_direct", "miou_hungarian"),
    )
    draws = [f"rand_draw_{i}" for i in range(entry["n_rand_draws"])]
    found = case.arrays(*PIPELINE, *draws)
    memory = remembered(entry, found, draws)
    assert len(memory.tokens) == entry["filled"]
    keys = normalize(torch.from_numpy(memory.tokens), dim=-1)
    np.testing.assert_allclose(keys, found["feature_memory"], **CLOSE)
    np.testing.assert_allclose(memory.shares, found["label_memory"][:, memory.labels], **CLOSE)
    config = HUMMINGBIRD.model_copy(update={"k": entry["K"]})
    ours = fill_memory(memory, config, 0, torch.device("cpu"), clips=len(found["x_train"]))
    side = entry["S"]
    predicted = []
    for tokens, frame in zip(found["query_features"], found["x_val"], strict=True):
        np.testing.assert_allclose(embedded(frame, found["Wm"], entry["patch"]), tokens, **CLOSE)
        votes = ours.votes(tokens.reshape(side, side, -1))
        predicted.append(memory.labels[upsampled_argmax(votes, frame.shape[1:])])
    check_neighbours(entry, found)
    np.testing.assert_array_equal(predicted, found["pred"])
    check_votes(ours, memory.labels, found)
    for name, options in (
        ("direct", "direct"),
        ("hungarian", "hungarian"),
        ("evaluate", "hungarian"),
    ):
        miou = score(found["y_val"], np.array(predicted), entry["C"], MATCHINGS[options])[1]
        assert miou == pytest.approx(entry[f"miou_{name}"], abs=EXACT), name


def embedded(frame: np.ndarray, matrix: np.ndarray, patch: int) -> np.ndarray:
    """The stand-in for a backbone: patches [rows * cols, 3 p p] of one frame times a matrix."""
    channels, height, width = frame.shape
    parts = frame.reshape(channels, height // patch, patch, width // patch, patch)
    return parts.transpose(1, 3, 0, 2, 4).reshape(-1, channels * patch * patch) @ matrix


def remembered(entry: Any, found: Any, draws: list[str]) -> Patches:
    """Fill the memory as the release does: the same frames once per epoch."""
    side, epochs = entry["S"], entry["augmentation_epoch"]
    frames = len(found["x_train"]) * epochs
    quota = None
    uniform = np.zeros((frames, side * side))
    if entry["memory_size"] is not None:
        quota = max(1, entry["memory_size"] // frames)
        assert quota == entry["num_sampled_features"]
        uniform = np.concatenate([found[name] for name in draws]).reshape(frames, -1)
    picked = []
    for i in range(frames):
        frame, mask = (found[name][i % len(found["x_train"])] for name in ("x_train", "y_train"))
        tokens = embedded(frame, found["Wm"], entry["patch"]).reshape(side, side, -1)
        true = np.where(mask[0] == VOID, 0, mask[0])
        picked.append(pick_patches(tokens, true, uniform[i], quota, "rare-first"))
    return join(picked, frames)


def check_neighbours(entry: Any, found: Any) -> None:
    memory = torch.from_numpy(found["feature_memory"])
    queries = normalize(torch.from_numpy(found["query_features"]), dim=-1).flatten(0, 1)
    at = nearest(queries, memory, entry["K"]).index.numpy()
    for stored, name in (
        ("neighbour_features", "feature_memory"),
        ("neighbour_labels", "label_memory"),
    ):
        expected = found[stored].reshape(*at.shape, -1)
        np.testing.assert_allclose(found[name][at], expected, **CLOSE)


def check_votes(ours: Any, labels: np.ndarray, found: Any) -> None:
    votes = np.zeros_like(found["label_hat"])
    votes[..., labels] = ours.votes(found["query_features"])
    np.testing.assert_allclose(votes, found["label_hat"], **CLOSE)
