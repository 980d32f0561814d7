"""`linear`: citation and presets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tvseg_bench.benchmark.registry import ProtocolEntry, protocols
from tvseg_bench.protocols.common.config import mean_iou_cards
from tvseg_bench.protocols.linear.config import (
    DINOV3,
    LEOPART,
    NECO,
    STANDARD,
    TIMET,
    LinearConfig,
)

if TYPE_CHECKING:
    from tvseg_bench.benchmark.evaluation import Evaluation


def register() -> None:
    """Add the protocol to the registry."""
    protocols.register(
        "linear",
        ProtocolEntry(
            version=1,
            title="linear probe on frozen features, trained on other clips",
            paper="Leopart, CVPR 2022, arXiv 2204.13101",
            presets={
                "standard": STANDARD,
                "leopart": LEOPART,
                "neco": NECO,
                "timet": TIMET,
                "dinov3": DINOV3,
            },
            build=_build,
            metrics=mean_iou_cards("counts"),
        ),
    )


def _build(config: LinearConfig) -> Evaluation:
    from tvseg_bench.protocols.linear.evaluation import LinearProbe

    return LinearProbe(config)
