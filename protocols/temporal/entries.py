"""`temporal`: citation and presets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tvseg_bench.benchmark.registry import ProtocolEntry, protocols
from tvseg_bench.protocols.temporal.config import STANDARD, VSPW, TemporalConfig

if TYPE_CHECKING:
    from tvseg_bench.benchmark.registry import Evaluation

PAPER = "VSPW, CVPR 2021 (VC); STEP, arXiv 2102.11859 (STQ); VPS, arXiv 2006.11339 (VPQ)"


def register() -> None:
    """Add the protocol to the registry."""

    def build(config: TemporalConfig) -> Evaluation:
        from tvseg_bench.protocols.temporal.evaluation import Temporal

        return Temporal(config)

    protocols.register(
        "temporal",
        ProtocolEntry(
            version=1,
            title="do the clusters of a clip stay on their objects over time?",
            paper=PAPER,
            presets={"standard": STANDARD, "vspw": VSPW},
            build=build,
            headline="vc8_iou",
            higher_is_better=dict.fromkeys(
                ("flip_rate", "drift", "frame_gap", "largest_cluster"), False
            ),
        ),
    )
