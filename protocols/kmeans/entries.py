"""`kmeans-frame`, `kmeans-clip`, `kmeans-dataset` and `overcluster-*`: citation and presets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tvseg_bench.benchmark.registry import ProtocolEntry, protocols
from tvseg_bench.protocols.common.config import mean_iou_cards
from tvseg_bench.protocols.kmeans.config import (
    LEOPART,
    NECO,
    OVERCLUSTER,
    STANDARD,
    TIMET,
    TIMET_DATASET,
    KMeansConfig,
    Scope,
)

if TYPE_CHECKING:
    from tvseg_bench.benchmark.evaluation import Evaluation

PAPER = "TimeT, ICCV 2023, arXiv 2308.11796"
SCOPES: tuple[Scope, ...] = ("frame", "clip", "dataset")
TITLES = {
    "frame": "k-means within each frame",
    "clip": "k-means within each clip",
    "dataset": "k-means over the whole data set",
}


def register() -> None:
    """Add the six protocols to the registry."""
    for scope in SCOPES:
        presets = {"standard": STANDARD, "timet": TIMET_DATASET if scope == "dataset" else TIMET}
        _add(f"kmeans-{scope}", scope, f"{TITLES[scope]}, matched one to one", presets)
        many = {name: preset.model_copy(update=OVERCLUSTER) for name, preset in presets.items()}
        if scope == "dataset":
            many |= {"leopart": LEOPART, "neco": NECO}
        _add(
            f"overcluster-{scope}",
            scope,
            f"{TITLES[scope]} with more clusters than classes, each taking its majority label",
            many,
        )


def _add(name: str, scope: Scope, title: str, presets: dict[str, KMeansConfig]) -> None:
    def build(config: KMeansConfig) -> Evaluation:
        from tvseg_bench.protocols.kmeans.evaluation import KMeansDataset, KMeansUnits

        return KMeansDataset(config) if scope == "dataset" else KMeansUnits(config, scope)

    protocols.register(
        name,
        ProtocolEntry(
            version=2,
            title=title,
            paper=PAPER,
            presets=presets,
            build=build,
            metrics=mean_iou_cards(
                "counts" if scope == "dataset" else "mean",
                "mean-of-frames" if scope == "frame" else "own",
            ),
        ),
    )
