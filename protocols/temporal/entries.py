"""`temporal`: citation and presets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tvseg_bench.benchmark.registry import ProtocolEntry, protocols
from tvseg_bench.benchmark.types import MetricCard
from tvseg_bench.protocols.common.config import mean_iou_cards
from tvseg_bench.protocols.temporal.config import LENGTHS, STANDARD, VSPW, TemporalConfig

if TYPE_CHECKING:
    from tvseg_bench.benchmark.evaluation import Evaluation

PAPER = "VSPW, CVPR 2021 (VC); STEP, arXiv 2102.11859 (STQ); VPS, arXiv 2006.11339 (VPQ)"


_WINDOW = "pixels whose true label stays for {} frames"
METRICS = {
    **{
        f"vc{n}_iou": MetricCard(title=f"mean IoU by label over the {_WINDOW.format(n)}")
        for n in (8, *(n for n in LENGTHS if n != 8))
    },
    **{
        f"vc{n}_correct": MetricCard(
            title=f"VC, video consistency: share of the {_WINDOW.format(n)} that are right in all "
            "of them"
        )
        for n in LENGTHS
    },
    **{
        f"vc{n}": MetricCard(
            title=f"share of the {_WINDOW.format(n)} that keep their cluster, right or wrong"
        )
        for n in LENGTHS
    },
    "flip_rate": MetricCard(
        title="share of pixels of a constant true label whose cluster changes from one frame to "
        "the next",
        higher_is_better=False,
    ),
    "tube_iou": MetricCard(title="mean IoU of each object's tube, its masks over all frames"),
    "aq": MetricCard(title="association quality of STEP: whether an object keeps its cluster"),
    "stq": MetricCard(
        title="segmentation and tracking quality of STEP: geometric mean of association quality "
        "and mean IoU of the classes"
    ),
    "vpq": MetricCard(title="video panoptic quality, a mean over windows of 1 to 4 frames"),
    "persistence": MetricCard(
        title="how much an object's shares of the clusters overlap from frame to frame"
    ),
    "dominant": MetricCard(
        title="share of an object's pixels, over all frames, that lie in its largest cluster"
    ),
    "drift": MetricCard(
        title="mean IoU of the first quarter of a clip less that of the last",
        lowest=-1.0,
        higher_is_better=False,
    ),
    "frame_gap": MetricCard(
        title="share of the mean IoU of frames that is lost by matching once per clip",
        higher_is_better=False,
    ),
    "seed_ari": MetricCard(
        title="adjusted Rand index of the clusterings of different k-means seeds", lowest=-1.0
    ),
    "flow_consistency": MetricCard(
        title="mean IoU of the clusters of a frame, moved along optical flow, and of the next"
    ),
    **mean_iou_cards("mean"),
    "largest_cluster": MetricCard(
        title="share of all pixels that the largest cluster holds", higher_is_better=False
    ),
}


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
            metrics=METRICS,
        ),
    )
