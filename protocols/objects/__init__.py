"""`objects`: do clusters, or a model's own segments, cover the objects? FG-ARI and mBO.

Every convention is a value with a name. Nothing here computes: importing this package loads
neither numpy nor torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from tvseg_bench.benchmark.registry import ProtocolEntry
from tvseg_bench.benchmark.types import Dataset, MetricCard, View
from tvseg_bench.protocols.common.config import InputConfig
from tvseg_bench.protocols.kmeans import KMeansConfig

if TYPE_CHECKING:
    from tvseg_bench.benchmark.evaluation import Evaluation
    from tvseg_bench.benchmark.registry import Registry


class ObjectsConfig(InputConfig):
    """Everything that moves a number of `objects`."""

    frames: int | None = Field(default=None, ge=1)
    """Frames per clip, equidistant; null = every frame."""

    segments: Literal["kmeans-clip", "kmeans-frame", "model"] = "kmeans-clip"
    """What is scored. kmeans-clip: clusters of the features of all frames of a clip. kmeans-frame:
    clusters of each frame, which keep no ids over time. model: the ids that a model gives itself
    (a slot model, STEGO), which are taken to keep theirs through a clip."""
    k: int | Literal["gt"] = Field(default="gt")
    """Clusters of a unit. gt: its distinct labels without void, the background among them."""
    pca_dims: int = Field(default=50, ge=0)
    """Dimensions after standardisation and PCA over the unit, at most the features' own; 0 = raw
    features."""
    fit_size: int | Literal["grid-x4", "grid"] = "grid-x4"
    """Side of the square to which features are upsampled for fitting, 4x the patch grid, or the
    patch grid itself."""
    n_init: int = Field(default=10, ge=1, le=1000)
    """Restarts, of which the one of least inertia counts."""
    max_iter: int = Field(default=100, ge=1)
    """Iterations of a restart, at most."""
    tol: float = Field(default=1e-5, ge=0)
    """Relative change of inertia at which the iteration stops."""

    score_size: int | Literal["gt"] = "gt"
    """gt: segments at the ground truth's own size. int: both at a square of that side."""

    @property
    def scope(self) -> Literal["frame", "clip"]:
        """What shares the ids of segments."""
        return "frame" if self.segments == "kmeans-frame" else "clip"

    @property
    def clustering(self) -> KMeansConfig:
        """The same clustering as `kmeans-clip` and `kmeans-frame` configure it."""
        return KMeansConfig(
            size=self.size,
            resize=self.resize,
            frames=self.frames,
            k=self.k,
            pca_dims=self.pca_dims,
            fit_size=self.fit_size,
            n_init=self.n_init,
            max_iter=self.max_iter,
            tol=self.tol,
            score_size=self.score_size,
        )

    def view(self, dataset: Dataset) -> View:
        """Return the view of these data, of features or of a model's own ids."""
        if self.segments == "model":
            return self.shown(dataset, self.frames, output="segments")
        return self.clustering.view(dataset)


STANDARD = ObjectsConfig()
"""The clusters of `kmeans-clip`, against the objects; void never counted, clips weigh alike."""

MODEL = ObjectsConfig(segments="model")
"""The same of the segments that a model brings itself."""

PAPER = (
    "FG-ARI: IODINE, arXiv 1903.00450; mBO: MCG, arXiv 1503.00848; both of videos: SAVi, "
    "arXiv 2111.12594"
)

METRICS = {
    "fg_ari": MetricCard(
        title="FG-ARI of videos: adjusted Rand index of the pixels of objects, over all frames of "
        "a clip at once",
        lowest=-1.0,
    ),
    "fg_ari_frame": MetricCard(
        title="FG-ARI of frames: adjusted Rand index of the pixels of objects, a mean over frames",
        lowest=-1.0,
        clip_score="mean-of-frames",
    ),
    "mbo": MetricCard(
        title="mBO of videos: best IoU of a segment with each object's tube, its masks over all "
        "frames"
    ),
    "mbo_frame": MetricCard(
        title="mBO of frames: best IoU of a segment with each object's mask, a mean over frames",
        clip_score="mean-of-frames",
    ),
}


def register(protocols: Registry[ProtocolEntry]) -> None:
    """Add the protocol to the registry."""

    def build(config: ObjectsConfig) -> Evaluation:
        from tvseg_bench.protocols.objects.evaluation import ObjectDiscovery

        return ObjectDiscovery(config)

    protocols.register(
        "objects",
        ProtocolEntry(
            version=1,
            title="do clusters, or a model's own segments, cover the objects? FG-ARI and mBO",
            paper=PAPER,
            presets={"standard": STANDARD, "model": MODEL},
            build=build,
            metrics=METRICS,
            seconds_per_frame=0.027,
        ),
    )
