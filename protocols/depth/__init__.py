"""`depth`: a linear probe of the distance to what is seen, trained on other clips.

Every convention is a value with a name. Nothing here computes: importing this package loads
neither numpy nor torch.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from tvseg_bench.benchmark.registry import ProtocolEntry
from tvseg_bench.benchmark.types import Dataset, MetricCard, View
from tvseg_bench.protocols.common.config import InputConfig

if TYPE_CHECKING:
    from tvseg_bench.benchmark.evaluation import Evaluation
    from tvseg_bench.benchmark.registry import Registry


class DepthConfig(InputConfig):
    """Everything that moves a number of `depth`."""

    frames: int | None = Field(default=None, ge=1)
    """Frames per clip, equidistant; null = every frame."""
    min_depth: float = Field(default=1e-3, gt=0)
    """Least depth, in metres or in what the data set's card says. Pixels whose true depth is not
    above it are neither learnt from nor scored; predictions are not below it."""
    max_depth: float = Field(default=10, gt=0)
    """Largest depth. Pixels whose true depth is not below it are neither learnt from nor scored;
    predictions are not above it."""
    crop: Literal["none", "eigen"] = "none"
    """Which pixels are scored. none: all of the frame. eigen: rows 45 to 470 and columns 41 to 600
    of the 480 x 640 of NYU Depth v2, and the same shares of frames of another size."""
    targets: Literal["regression", "bins"] = "regression"
    """What the probe says of a patch. regression: its depth, by ridge regression of the mean
    depth of each patch, solved exactly. bins: a probability of each of `bins` depths, by
    multinomial logistic regression; the depth is their mean."""
    l2: float = Field(default=1e-2, gt=0)
    """Penalty l2 / 2 of the squared weights on features that are standardised per dimension; the
    bias goes free. Half the mean squared error, or the cross-entropy, stands beside it. Of 1e-4,
    1e-3, 1e-2 and 1e-1 the least RMSE of `regression` on moving-shapes@2 with an untrained
    ViT-S/16."""
    bins: int = Field(default=256, ge=2, le=1024)
    """Depths of `bins`, from `min_depth` to `max_depth`."""
    bin_spacing: Literal["linear", "log"] = "linear"
    """Whether neighbouring depths of `bins` have one difference or one ratio."""
    upsample: int = Field(default=1, ge=1, le=8)
    """Factor by which the scores of `bins` are upsampled bilinearly before they become depths,
    which are then upsampled to the frame."""
    max_patches: int = Field(default=50_000, ge=100)
    """Patches that `bins` learns from, at most (but one per frame): as many of each frame, by
    chance. `regression` learns from all."""
    max_iter: int = Field(default=200, ge=1)
    """Iterations of L-BFGS, at most, for `bins`."""
    tol: float = Field(default=1e-5, gt=0)
    """Largest partial derivative at which L-BFGS ends."""

    @model_validator(mode="after")
    def _is_a_range(self) -> DepthConfig:
        if self.min_depth >= self.max_depth:
            raise ValueError(
                f"min_depth={self.min_depth:g} is not below max_depth={self.max_depth:g}"
            )
        return self

    def view(self, dataset: Dataset) -> View:
        """Return the view of these data."""
        return self.shown(dataset, self.frames)


STANDARD = DepthConfig()
"""Ours: ridge regression of the mean depth of each patch, solved exactly from all patches, and
bilinear upsampling; every pixel of known depth below 10 is scored."""

DINOV2 = DepthConfig(size=480, crop="eigen", targets="bins", upsample=4, l2=1e-3)
"""As DINOv2 describes it for NYU Depth v2 (arXiv 2304.07193; dinov2/eval/depth): 256 depths
spread evenly over 0.001 to 10 metres, scores upsampled by 4, Eigen's crop. The class token beside
each patch is left out, as features here are of patches alone. Probabilities are a softmax fitted
by cross-entropy to its optimum, where the original takes relu + 0.1 over its sum, fitted by AdamW
to the scale-invariant error with crops, flips, rotations and colour changes. The mean with the
flipped image is not made."""

PAPER = "Eigen et al., NIPS 2014, arXiv 1406.2283 (errors, crop); DINOv2, arXiv 2304.07193 (probe)"

METRICS = {
    "rmse": MetricCard(
        title="root mean squared error of the depth, a mean over frames",
        highest=inf,
        unit="metres",
        higher_is_better=False,
        clip_score="mean-of-frames",
    ),
    "abs_rel": MetricCard(
        title="mean error of the depth as a share of the true depth",
        highest=inf,
        higher_is_better=False,
        clip_score="mean-of-frames",
    ),
    "delta_1": MetricCard(
        title="share of the pixels whose depth is right up to a factor of 1.25",
        clip_score="mean-of-frames",
    ),
}


def register(protocols: Registry[ProtocolEntry]) -> None:
    """Add the protocol to the registry."""

    def build(config: DepthConfig) -> Evaluation:
        from tvseg_bench.protocols.depth.evaluation import DepthProbe

        return DepthProbe(config)

    protocols.register(
        "depth",
        ProtocolEntry(
            version=1,
            title="linear probe of depth on frozen features, trained on other clips",
            paper=PAPER,
            presets={"standard": STANDARD, "dinov2": DINOV2},
            build=build,
            metrics=METRICS,
            seconds_per_frame=0.05,
        ),
    )
