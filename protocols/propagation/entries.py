"""`propagation`: citation and presets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tvseg_bench.benchmark.registry import ProtocolEntry, protocols
from tvseg_bench.benchmark.types import MetricCard
from tvseg_bench.protocols.propagation.config import DINO, DINOV3, STANDARD, PropagationConfig

if TYPE_CHECKING:
    from tvseg_bench.benchmark.evaluation import Evaluation

PAPER = "DINO, ICCV 2021, arXiv 2104.14294; scored as DAVIS 2017, arXiv 1704.00675"

METRICS = {
    "jf": MetricCard(title="mean of region similarity and boundary accuracy, J&F of DAVIS"),
    "j": MetricCard(title="region similarity: intersection over union of each object's mask"),
    "f": MetricCard(title="boundary accuracy: F-measure of the contours of each object's mask"),
}


def register() -> None:
    """Add the protocol to the registry."""
    protocols.register(
        "propagation",
        ProtocolEntry(
            version=2,  # 2: dino resizes as OpenCV does
            title="first-frame labels carried through each clip by feature similarity, J and F",
            paper=PAPER,
            presets={"standard": STANDARD, "dino": DINO, "dinov3": DINOV3},
            build=_build,
            metrics=METRICS,
        ),
    )


def _build(config: PropagationConfig) -> Evaluation:
    from tvseg_bench.protocols.propagation.evaluation import LabelPropagation

    return LabelPropagation(config)
