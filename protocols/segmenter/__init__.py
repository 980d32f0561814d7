"""`segmenter`: a model that brings its own clusters, scored by the same matching.

Every convention is a value with a name. Nothing here computes: importing this package loads
neither numpy nor torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from tvseg_bench.benchmark.registry import ProtocolEntry
from tvseg_bench.benchmark.types import Dataset, View
from tvseg_bench.protocols.common.config import InputConfig, mean_iou_cards

if TYPE_CHECKING:
    from tvseg_bench.benchmark.evaluation import Evaluation
    from tvseg_bench.benchmark.registry import Registry


class SegmenterConfig(InputConfig):
    """Everything that moves a number of `segmenter`."""

    frames: int | None = Field(default=None, ge=1)
    """Frames per clip, equidistant; null = every frame."""

    scope: Literal["frame", "clip", "dataset"] = "dataset"
    """Which pixels share one matching of ids to labels."""
    score_size: int | Literal["gt"] = "gt"
    """gt: ids brought to the ground truth's own size, nearest. int: both to a square."""
    matching: Literal[
        "hungarian-iou", "hungarian-count", "majority-precision", "majority-iou", "identity"
    ] = "hungarian-iou"
    """hungarian: one to one, maximising IoU or pixels. majority: each id on its own takes the
    label of greatest precision or IoU. identity: an id is the label of that number."""
    unmatched: Literal["background", "void"] = "void"
    """What an unmatched id becomes; void = wrong everywhere, no class's false positive."""
    surplus: Literal["count", "drop"] = "count"
    """What becomes of pixels whose id is not below the number of classes. drop: they count for
    nothing, not even as misses, as published by STEGO."""
    absent_class: Literal["skip", "skip-unpredicted", "zero"] = "skip"
    """What a class without true pixels does to the mean; skip-unpredicted: it counts 0 where
    something is predicted as it, and is left out otherwise."""
    single_class: Literal["skip", "score"] = "skip"
    """What a frame or clip does whose ground truth holds one class only."""

    def view(self, dataset: Dataset) -> View:
        """Return the view of these data, whose ids are wanted."""
        return self.shown(dataset, self.frames, output="segments")


STANDARD = SegmenterConfig()
"""The matching of `kmeans-dataset`: one to one on IoU over the whole data set, void never
counted, an id without a label wrong everywhere."""

STEGO = SegmenterConfig(
    size=320,
    matching="hungarian-count",
    surplus="drop",
    absent_class="skip-unpredicted",
)
"""UnsupervisedMetrics of mhamilton723/STEGO src/utils.py (eb4d6b5): one to one on pixel counts,
ids that are not below the number of classes dropped, 0/0 left out of the mean.

What a view cannot express of eval_segmentation.py: it resizes image and labels to a short side of
320 by nearest neighbours and crops the centre to a square; here the image is resized bilinearly,
antialiased, to multiples of the patch, and all of the frame is scored at the size of its ground
truth. Averaging with the mirrored image and the CRF are the model's own affair.
"""


def register(protocols: Registry[ProtocolEntry]) -> None:
    """Add the protocol to the registry."""

    def build(config: SegmenterConfig) -> Evaluation:
        from tvseg_bench.protocols.segmenter.evaluation import SegmentsApart, SegmentsTogether

        return SegmentsTogether(config) if config.scope == "dataset" else SegmentsApart(config)

    protocols.register(
        "segmenter",
        ProtocolEntry(
            version=1,
            title="the clusters that a model brings itself, matched to the ground truth",
            paper="STEGO, ICLR 2022, arXiv 2203.08414",
            presets={"standard": STANDARD, "stego": STEGO},
            build=build,
            metrics=mean_iou_cards("as-scored"),  # by the scope
            seconds_per_frame=0.022,
        ),
    )
