"""`retrieval`: citation and presets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tvseg_bench.benchmark.registry import ProtocolEntry, protocols
from tvseg_bench.protocols.common.config import mean_iou_cards
from tvseg_bench.protocols.retrieval.config import HUMMINGBIRD, STANDARD, RetrievalConfig

if TYPE_CHECKING:
    from tvseg_bench.benchmark.evaluation import Evaluation


def register() -> None:
    """Add the protocol to the registry."""
    protocols.register(
        "retrieval",
        ProtocolEntry(
            version=1,
            title="dense nearest-neighbour retrieval from a memory of other clips' patches",
            paper="Towards In-context Scene Understanding, NeurIPS 2023, arXiv 2306.01667",
            presets={"standard": STANDARD, "hummingbird": HUMMINGBIRD},
            build=_build,
            metrics=mean_iou_cards("counts"),
        ),
    )


def _build(config: RetrievalConfig) -> Evaluation:
    from tvseg_bench.protocols.retrieval.evaluation import Retrieval

    return Retrieval(config)
