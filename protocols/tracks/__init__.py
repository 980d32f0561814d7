"""`tracks`: points of the first frame followed through each clip by their features.

Every convention is a value with a name. Nothing here computes: importing this package loads
neither numpy nor torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from tvseg_bench.benchmark.registry import ProtocolEntry
from tvseg_bench.benchmark.types import Dataset, MetricCard, View
from tvseg_bench.protocols.common.config import InputConfig

if TYPE_CHECKING:
    from tvseg_bench.benchmark.evaluation import Evaluation
    from tvseg_bench.benchmark.registry import Registry


class TracksConfig(InputConfig):
    """Everything that moves a number of `tracks`."""

    size: int = Field(default=480, ge=14, le=4096)
    """Pixels of the short side (`short-side`) or of both sides (`square`) of the input."""
    follow: Literal["first-frame", "propagation"] = "first-frame"
    """How a point is found again. first-frame: its feature in the first frame is compared with
    every patch of each frame. propagation: its place is carried as a soft label along similar
    patches of the first and the last few frames, as `propagation` does with masks."""
    window: int = Field(default=2, ge=0)
    """Rows and columns of patches around the best one whose mean is the place; 0 = the best."""
    temperature: float = Field(default=0.1, gt=0)
    """Patches weigh exp(cosine / temperature) in that mean, or, with `follow=propagation`, as much
    as their soft label; labels are then carried with this temperature."""

    topk: int = Field(default=5, ge=1)
    """With `follow=propagation`: source patches per patch, over all context frames together."""
    radius: int = Field(default=12, ge=0)
    """With `follow=propagation`: how far sources may lie, in rows and columns of patches."""
    n_context: int = Field(default=7, ge=0)
    """With `follow=propagation`: frames before the current one, beside the first."""

    reference: Literal["0.6-diagonal", "long-side"] = "0.6-diagonal"
    """The length that PCK is relative to, of the box around the true points that a frame shows.
    0.6-diagonal: 0.6 of its diagonal, as published for JHMDB. long-side: its longer side."""
    failure: float = Field(default=50.0, gt=0)
    """Distance, where the frame is brought to 256 x 256 pixels, beyond which a point is lost."""
    average: Literal["clips", "points"] = "clips"
    """What has equal weight in PCK. clips: a clip. points: each kind of point (joint) over all
    clips, as published for JHMDB."""

    def view(self, dataset: Dataset) -> View:
        """Return the view of these data: every frame."""
        return self.shown(dataset, None)


STANDARD = TracksConfig()
"""Ours: the feature of the first frame against every patch, refined by the 5 x 5 patches around
the best one; clips with equal weight."""

PROPAGATION = TracksConfig(follow="propagation")
"""The same places carried along as `propagation` carries masks (`standard` of it)."""

JHMDB = TracksConfig(size=320, resize="square", follow="propagation", average="points")
"""PCK as eval_pck.py of ajabri/videowalk computes it (2e41098): relative to 0.6 of the diagonal of
the box around the true joints, a mean over the kinds of joints, at 320 x 320 pixels. What differs:
points are carried as bilinear soft labels and not as maps of the published script's own."""

PAPER = (
    "PCK of JHMDB joints: arXiv 1909.11895, arXiv 2006.14613; points: TAP-Vid, arXiv 2211.03726; "
    "survival: PointOdyssey, arXiv 2307.15055"
)

METRICS = {
    "delta_avg": MetricCard(
        title="share of the points within 1, 2, 4, 8 and 16 pixels of a frame of 256 x 256, a "
        "mean of the five"
    ),
    "survival": MetricCard(
        title="share of a clip that passes before a point is lost, a mean over points"
    ),
    "pck_10": MetricCard(title="share of joints within 0.1 of the reference length"),
    "pck_20": MetricCard(title="share of joints within 0.2 of the reference length"),
}


def register(protocols: Registry[ProtocolEntry]) -> None:
    """Add the protocol to the registry."""

    def build(config: TracksConfig) -> Evaluation:
        from tvseg_bench.protocols.tracks.evaluation import PointTracks

        return PointTracks(config)

    protocols.register(
        "tracks",
        ProtocolEntry(
            version=1,
            title="points of the first frame followed through each clip by their features",
            paper=PAPER,
            presets={"standard": STANDARD, "propagation": PROPAGATION, "jhmdb": JHMDB},
            build=build,
            metrics=METRICS,
            seconds_per_frame=0.01,
        ),
    )
