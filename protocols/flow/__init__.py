"""`flow`: do features of a patch find it again in the next frame? Against exact optical flow.

Every convention is a value with a name. Nothing here computes: importing this package loads
neither numpy nor torch.
"""

from __future__ import annotations

from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field, field_serializer, field_validator

from tvseg_bench.benchmark.registry import ProtocolEntry
from tvseg_bench.benchmark.types import Dataset, MetricCard, View
from tvseg_bench.protocols.common.config import InputConfig, existing_folder, flow_manifest

if TYPE_CHECKING:
    from tvseg_bench.benchmark.evaluation import Evaluation
    from tvseg_bench.benchmark.registry import Registry


class FlowConfig(InputConfig):
    """Everything that moves a number of `flow`."""

    size: int = Field(default=480, ge=14, le=4096)
    """Pixels of the short side (`short-side`) or of both sides (`square`) of the input."""
    distance: int = Field(default=1, ge=1)
    """Frames from the one whose patches are looked for to the one in which they are. Beyond 1, the
    true flow is followed from frame to frame, bilinearly, and a point that is hidden on the way
    counts for nothing."""
    match: Literal["argmax", "soft-argmax"] = "soft-argmax"
    """Where a patch has gone. argmax: to the patch whose feature is nearest by cosine.
    soft-argmax: to the mean place of the patches around that one, weighted by exp(cosine /
    temperature)."""
    temperature: float = Field(default=0.1, gt=0)
    """Of `soft-argmax`."""
    window: int = Field(default=2, ge=0)
    """Of `soft-argmax`: rows and columns of patches around the nearest one that are averaged."""
    search_radius: int | None = Field(default=None, ge=0)
    """How far a patch may go, in rows and columns of patches; null = anywhere in the frame."""
    flow_dir: Path | None = None
    """Folder with a folder per clip of .flo or .npz files; null = the data set's own flow. A
    result states the folder's name and the hash of its file list."""

    @field_validator("flow_dir")
    @classmethod
    def _is_there(cls, folder: Path | None) -> Path | None:
        return existing_folder(folder)

    @field_serializer("flow_dir")
    def _without_path(self, folder: Path | None) -> str | None:
        """State which flow it is and not where it lies: results hold no paths."""
        return flow_manifest(folder)

    def view(self, dataset: Dataset) -> View:
        """Return the view of these data: every frame."""
        return self.shown(dataset, None)


STANDARD = FlowConfig()
"""Ours: the nearest patch by cosine anywhere in the next frame, its place refined by the 5 x 5
patches around it."""

ARGMAX = FlowConfig(match="argmax")
"""The nearest patch itself, so that motion comes in steps of a patch."""

NEAR = FlowConfig(search_radius=5)
"""As `standard`, but a patch may go 5 patches at most: knowing that motion is small helps."""

PAPER = (
    "end-point error: Middlebury flow, IJCV 2011; by displacement: Sintel, ECCV 2012; "
    "features matched without training, as DIFT, arXiv 2306.03881"
)


def _error(of: str) -> MetricCard:
    return MetricCard(
        title=f"mean end-point error in pixels of {of}",
        highest=inf,
        unit="pixels",
        higher_is_better=False,
    )


METRICS = {
    "epe": _error("all pixels that are not hidden"),
    **{
        f"within_{n}": MetricCard(
            title=f"share of the pixels whose end-point error is {n} px or less"
        )
        for n in (1, 3, 5)
    },
    "epe_moving": _error("pixels that move by 1 pixel or more"),
    "epe_s0_10": _error("pixels that move by less than 10 pixels"),
    "epe_s10_40": _error("pixels that move by 10 to 40 pixels"),
    "epe_s40": _error("pixels that move by 40 pixels or more"),
}


def register(protocols: Registry[ProtocolEntry]) -> None:
    """Add the protocol to the registry."""

    def build(config: FlowConfig) -> Evaluation:
        from tvseg_bench.protocols.flow.evaluation import FeatureFlow

        return FeatureFlow(config)

    protocols.register(
        "flow",
        ProtocolEntry(
            version=1,
            title="patches found again in the next frame by their features, against optical flow",
            paper=PAPER,
            presets={"standard": STANDARD, "argmax": ARGMAX, "near": NEAR},
            build=build,
            metrics=METRICS,
            seconds_per_frame=0.09,
        ),
    )
