"""`segmenter`: citation and presets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tvseg_bench.benchmark.registry import ProtocolEntry, protocols
from tvseg_bench.protocols.common.config import mean_iou_cards
from tvseg_bench.protocols.segmenter.config import STANDARD, STEGO, SegmenterConfig

if TYPE_CHECKING:
    from tvseg_bench.benchmark.evaluation import Evaluation


def register() -> None:
    """Add the protocol to the registry."""

    def build(config: SegmenterConfig) -> Evaluation:
        from tvseg_bench.protocols.segmenter.evaluation import NativeSegmentation

        return NativeSegmentation(config)

    protocols.register(
        "segmenter",
        ProtocolEntry(
            version=1,
            title="the clusters that a model brings itself, matched to the ground truth",
            paper="STEGO, ICLR 2022, arXiv 2203.08414",
            presets={"standard": STANDARD, "stego": STEGO},
            build=build,
            metrics=mean_iou_cards("as-scored"),  # by the scope
        ),
    )
