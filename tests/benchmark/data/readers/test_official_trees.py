"""Each tree in an official layout: listed, checked, and run with the pixels as features."""

from pathlib import Path

import pytest

import tvseg_bench
from tvseg_bench.benchmark.data.diagnose import check
from tvseg_bench.benchmark.data.status import status
from tvseg_bench.tests.benchmark.data.readers import official_trees as trees

SIZES = {"protocol.kmeans-frame.size": 32}


def test_trees_are_listed_as_found(tree):
    for make in (
        trees.ade20k,
        trees.cityscapes,
        trees.cocostuff,
        trees.jhmdb,
        trees.nyuv2,
        trees.vip,
    ):
        make(tree)
    rows = {row.name: row for row in status(tree.root)}
    assert {
        name: (row.split, row.clips, row.problem) for name, row in rows.items() if row.root
    } == {
        "ade20k": ("val", 2, ""),
        "ade20k-151": ("val", 2, ""),
        "cityscapes": ("val", 2, ""),
        "cityscapes-27": ("val", 2, ""),
        "cocostuff-15": ("val", 2, ""),
        "cocostuff-27": ("curated-val", 1, ""),
        "cocostuff-171": ("val", 2, ""),
        "cocothings-12": ("val", 2, ""),
        "jhmdb": ("test", 2, ""),
        "nyuv2": ("test", 2, ""),
        "vip": ("val", 1, ""),
    }


@pytest.mark.parametrize(
    ("make", "dataset", "masks", "void"),
    [
        (trees.ade20k, "ade20k:val", 2, 1 / 3),
        (trees.ade20k, "ade20k-151:train", 1, 1 / 3),
        (trees.cityscapes, "cityscapes:val", 2, 1 / 2),
        (trees.cityscapes, "cityscapes-27:train", 1, 1 / 4),
        (trees.cocostuff, "cocostuff-27:curated-val", 1, 1 / 5),
        (trees.cocostuff, "cocostuff-171:train", 1, 1 / 5),
        (trees.cocostuff, "cocostuff-15:val", 2, 3 / 5),
        (trees.cocostuff, "cocothings-12:val", 2, 3 / 5),
    ],
)
def test_trees_are_whole_and_scored(tree, tmp_path: Path, make, dataset, masks, void):
    make(tree)
    name, split = dataset.split(":")
    report = check(name, split, tree.root)
    assert report.ok
    assert (report.frames, report.masks) == (masks, masks)
    assert report.void_share == pytest.approx(void, abs=0.05)
    (result,) = tvseg_bench.run(
        "baseline/pixels",
        "kmeans-frame",
        dataset,
        output=tmp_path / "run",
        data_root=tree.root,
        overrides=SIZES,
    ).results
    assert result.status == "ok"
    assert result.dataset.id == name
    assert 0 < result.metrics["miou"].value <= 1


def test_parts_of_people_are_carried_through_a_video(tree, tmp_path: Path):
    trees.vip(tree)
    assert check("vip", None, tree.root).ok
    (result,) = tvseg_bench.run(
        "baseline/pixels",
        "propagation",
        "vip",
        output=tmp_path / "run",
        data_root=tree.root,
        overrides={"protocol.propagation.size": 32},
    ).results
    assert result.status == "ok"
    assert 0 <= result.metrics["jf"].value <= 1


@pytest.mark.parametrize(
    ("make", "dataset"), [(trees.nyuv2, "nyuv2:test"), (trees.jhmdb, "jhmdb:test")]
)
def test_a_protocol_that_needs_masks_says_that_there_are_none(tree, tmp_path, make, dataset):
    make(tree)
    results = tvseg_bench.run(
        "baseline/pixels",
        "kmeans-frame,kmeans-dataset",
        dataset,
        output=tmp_path / "run",
        data_root=tree.root,
    ).results
    assert [result.status for result in results] == ["skipped", "skipped"]
    assert {
        f"{dataset} has no semantic masks, which this protocol needs" in r.reason for r in results
    } == {True}


def test_151_ids_average_over_a_class_that_is_never_scored(tree, tmp_path: Path):
    """As NeCo and open-hummingbird-eval: 0 is no pixel's truth and counts 0 in the mean."""
    trees.ade20k(tree)
    results = tvseg_bench.run(
        "baseline/pixels",
        "retrieval:hummingbird",
        "ade20k,ade20k-151",
        output=tmp_path / "run",
        data_root=tree.root,
        overrides={
            "protocol.retrieval.size": 32,
            "protocol.retrieval.score_size": 32,
            "protocol.retrieval.k": 3,
        },
    ).results
    assert [result.status for result in results] == ["ok", "ok"]
    for result, classes in zip(results, (150, 151), strict=True):
        assert result.metrics["miou"].value == pytest.approx(sum(result.per_class.iou) / classes)
        assert 0 < result.metrics["miou"].value < 0.02
