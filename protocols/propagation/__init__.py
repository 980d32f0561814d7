"""`propagation`: the objects of the first frame followed through each clip, J and F.

Every convention is a value with a name. Nothing here computes: importing this package loads
neither numpy nor torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field

from tvseg_bench.benchmark.registry import ProtocolEntry
from tvseg_bench.benchmark.types import Dataset, MetricCard, View

if TYPE_CHECKING:
    from tvseg_bench.benchmark.evaluation import Evaluation
    from tvseg_bench.benchmark.registry import Registry


class PropagationConfig(BaseModel):
    """Everything that moves a number of `propagation`."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    size: int = Field(default=480, ge=14, le=4096)
    """Pixels of the short side (`short-side`) or of both sides (`square`) of the input."""
    resize: Literal["short-side", "square", "short-side-up", "short-side-64"] = "short-side"
    """short-side: aspect kept, both sides to the nearest multiples of the patch. square: squashed.
    short-side-up: both up (DINOv3). short-side-64: the long side down to one of 64 (DINO)."""
    interpolation: Literal["bilinear", "bicubic", "opencv"] = "bilinear"
    """Filter of the resizing: antialiased, or from the four nearest pixels as OpenCV does."""
    statistics: Literal["card", "timet"] = "card"
    """Input normalisation; `timet` is std .228 for video, which DINO's script has too."""

    temperature: float = Field(default=0.1, gt=0)
    """τ of the weights exp(cosine / τ)."""
    topk: int = Field(default=5, ge=1)
    """Source patches per patch, over all context frames together."""
    window: Literal["square", "circle", "none"] = "square"
    """Where sources may lie: rows and columns within the radius, a disk, or anywhere."""
    radius: int = Field(default=12, ge=0)
    """Of the window, in patches."""
    n_context: int = Field(default=7, ge=0)
    """Frames before the current one, beside the first, which always counts."""

    labels: Literal["finest", "instance", "semantic"] = "finest"
    """Which labels are followed. finest: instances where the data set has them, else each class
    as one object."""
    objects: Literal["present", "up-to-max"] = "present"
    """The objects to be followed. present: the ids of the first frame. up-to-max: instances 1 to
    its largest id, whether there or not (davis2017-evaluation). Later ones are background."""
    first_frame: Literal["area", "nearest", "nearest-exact", "nearest-pil"] = "area"
    """How its labels reach the patch grid. area: the shares of a patch's labelled pixels; nearest:
    one pixel's label (torch's two ways, and Pillow's)."""
    upsampling: Literal["bilinear", "nearest"] = "bilinear"
    """How soft labels leave the patch grid."""
    rescale: Literal["none", "minmax-dino", "minmax-dinov3"] = "none"
    """Whether each object's map is stretched to 0..1 before the greatest wins, as published; then
    an object that has left comes back where its last trace is strongest."""
    decide_at: Literal["gt", "input"] = "gt"
    """Where the greatest wins: at ground-truth size, or at the input's, resized then (Pillow)."""

    void: Literal["exclude", "background"] = "exclude"
    """exclude: void pixels are neither followed nor scored. background: as officially scored."""
    frames_scored: Literal["all-but-first", "inner"] = "all-but-first"
    """inner: without the last one too (davis2017-evaluation, semi-supervised)."""
    task: Literal["semi-supervised", "unsupervised"] = "semi-supervised"
    """unsupervised: objects matched to the truth by J&F of the clip, over all its frames and
    without void, whatever the two settings above say."""
    average: Literal["clips", "objects"] = "clips"
    """What has equal weight: a clip, or an object of any clip (davis2017-evaluation)."""

    @property
    def void_used(self) -> Literal["exclude", "background"]:
        """What becomes of void pixels in the task at hand."""
        return "exclude" if self.task == "unsupervised" else self.void

    def scored(self, n_frames: int) -> range:
        """Return which frames of a clip are scored.

        Example:
            >>> PropagationConfig(frames_scored="inner").scored(5)
            range(1, 4)
        """
        if self.task == "unsupervised":
            return range(n_frames if n_frames > 1 else 0)
        return range(1, n_frames - (self.frames_scored == "inner"))

    def view(self, dataset: Dataset) -> View:
        """Return the view of these data: every frame."""
        del dataset
        return View(
            size=self.size,
            resize=self.resize,
            interpolation=self.interpolation,
            statistics=self.statistics,
        )


STANDARD = PropagationConfig()
"""Ours: aspect kept, shares of a patch as its first labels, void neither followed nor scored,
labels at ground-truth size, every frame but the first, clips with equal weight."""

OFFICIAL = PropagationConfig(
    objects="up-to-max", void="background", frames_scored="inner", average="objects"
)
"""Scored as davis2017-evaluation does, semi-supervised (davis2017/evaluation.py at ac7c43f)."""

DINO = OFFICIAL.model_copy(
    update={
        "resize": "short-side-64",
        "interpolation": "opencv",
        "statistics": "timet",
        "first_frame": "nearest-pil",
        "rescale": "minmax-dino",
        "decide_at": "input",
    }
)
"""DINO (arXiv 2104.14294), eval_video_segmentation.py at 7c446df, scored officially. Unlike the
release, which ends with an error on square frames."""

DINOV3 = OFFICIAL.model_copy(
    update={
        "size": 960,
        "resize": "short-side-up",
        "interpolation": "bicubic",
        "temperature": 0.2,
        "window": "circle",
        "first_frame": "nearest-exact",
        "upsampling": "nearest",
        "rescale": "minmax-dinov3",
    }
)
"""DINOv3 (arXiv 2508.10104), notebooks/segmentation_tracking.ipynb at 6876159, scored
officially."""

PAPER = "DINO, ICCV 2021, arXiv 2104.14294; scored as DAVIS 2017, arXiv 1704.00675"

METRICS = {
    "jf": MetricCard(title="mean of region similarity and boundary accuracy, J&F of DAVIS"),
    "j": MetricCard(title="region similarity: intersection over union of each object's mask"),
    "f": MetricCard(title="boundary accuracy: F-measure of the contours of each object's mask"),
}


def register(protocols: Registry[ProtocolEntry]) -> None:
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
            seconds_per_frame=0.26,
        ),
    )


def _build(config: PropagationConfig) -> Evaluation:
    from tvseg_bench.protocols.propagation.evaluation import LabelPropagation

    return LabelPropagation(config)
