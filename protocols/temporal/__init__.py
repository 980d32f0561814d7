"""`temporal`: do the clusters of a clip stay on their objects over time?

The clustering is that of `kmeans-clip`.

Every convention is a value with a name. Nothing here computes: importing this package loads
neither numpy nor torch.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field, field_serializer, field_validator

from tvseg_bench.benchmark.registry import ProtocolEntry
from tvseg_bench.benchmark.types import MetricCard
from tvseg_bench.protocols.common.config import existing_folder, flow_manifest, mean_iou_cards
from tvseg_bench.protocols.kmeans import KMeansConfig

if TYPE_CHECKING:
    from tvseg_bench.benchmark.evaluation import Evaluation
    from tvseg_bench.benchmark.registry import Registry

LENGTHS = (2, 4, 8, 16)
"""Frames of the windows of VC."""
DISTANCES = (1, 2, 4, 8, 16, 32)
"""Frames between the two of a pair, of which `details.decay` holds scores."""
VPQ_LENGTHS = (1, 2, 3, 4)
"""Frames of the windows of VPQ, those of Cityscapes-VPS."""


class TemporalConfig(KMeansConfig):
    """Everything that moves a number of `temporal`; the clustering's fields first."""

    windows: Literal["all", "vspw"] = "all"
    """Which windows of a clip count for VC. vspw: all but the last, as published."""
    vc_void: Literal["exclude", "count"] = "exclude"
    """Whether pixels whose true label is void count for VC; count, as published."""
    pool: Literal["clips", "windows"] = "clips"
    """How `vc*` and `vc*_correct` are averaged. clips: equal weight. windows: every window of
    every clip, as published, so long clips weigh more."""
    reseeds: int = Field(default=2, ge=0, le=20)
    """Further k-means seeds whose clusters are compared with the first for `seed_ari`."""
    flow_dir: Path | None = None
    """Folder with a folder per clip of .flo or .npz files; null = the data set's own flow, where
    it has some. A result states the folder's name and the hash of its file list."""

    @field_validator("flow_dir")
    @classmethod
    def _is_there(cls, folder: Path | None) -> Path | None:
        return existing_folder(folder)

    @field_serializer("flow_dir")
    def _without_path(self, folder: Path | None) -> str | None:
        """State which flow it is and not where it lies: results hold no paths."""
        return flow_manifest(folder)


STANDARD = TemporalConfig()
"""kmeans-clip's `standard` clustering; every window, void never counted, clips weigh alike."""

VSPW = TemporalConfig(windows="vspw", vc_void="count", pool="windows")
"""`vc*` as VC_perclip.py of sssdddwww2/CVPR2021_VSPW_Implement (3ead088) computes them; the
clustering and all other metrics are `standard`'s."""

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


def register(protocols: Registry[ProtocolEntry]) -> None:
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
            seconds_per_frame=0.2,
        ),
    )
