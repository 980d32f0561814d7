"""`kmeans-*` and `overcluster-*`: k-means per frame, clip and data set, matched to the truth.

Every convention is a value with a name. Nothing here computes: importing this package loads
neither numpy nor torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from tvseg_bench.benchmark.registry import ProtocolEntry
from tvseg_bench.benchmark.types import Dataset, MetricCard, View
from tvseg_bench.protocols.common.config import InputConfig, mean_iou_cards

if TYPE_CHECKING:
    from tvseg_bench.benchmark.evaluation import Evaluation
    from tvseg_bench.benchmark.registry import Registry

Scope = Literal["frame", "clip", "dataset"]
"""Which pixels share one clustering and one matching."""


class KMeansConfig(InputConfig):
    """Everything that moves a number of `kmeans-*` and `overcluster-*`."""

    statistics: Literal["card", "timet"] = "card"
    """Input normalisation; `timet` is the release's std .228 for video."""
    frames: int | None = Field(default=None, ge=1)
    """Frames per clip; null = every frame."""
    sampling: Literal["equidistant", "random"] = "equidistant"
    """How `frames` are chosen; random = a sorted random subset of the clip."""
    sampling_seed: int = Field(default=0, ge=0)
    """Seed of the random choice, drawn per clip."""

    labels: Literal["card", "timet"] = "card"
    """card: the labels that the data set's card names for the scope. timet: the ids as the
    release reads them (in-place category mapping; instance ids as classes of a data set)."""
    k: int | Literal["gt", "overcluster"] = "gt"
    """gt: distinct labels of the unit. overcluster: 10 per frame or clip, 200 per data set,
    500 for pascal-voc-2012."""
    k_labels: Literal["non-void", "all"] = "non-void"
    """Which labels `k: gt` counts; `all` counts void as one more."""

    pca_dims: int = Field(default=50, ge=0)
    """Dimensions after standardisation and PCA, at most the features' own; 0 = raw features."""
    pca_scope: Literal["unit", "batch", "dataset"] = "unit"
    """Over what standardisation and PCA are fitted: the unit that is clustered, `batch_clips`
    clips together, or the data set."""
    batch_clips: int = Field(default=16, ge=1)
    """Clips of a batch, where something is done per batch."""
    last_batch: Literal["keep", "drop"] = "keep"
    """drop: clips beyond the last whole batch are not scored, as some loaders have it."""

    kmeans: Literal["exact", "faiss-sampled"] = "exact"
    """exact: every pixel of the upsampled features. faiss-sampled: faiss on a random
    256 · K of them, as published."""
    fit_size: int | Literal["grid-x4", "grid"] = "grid-x4"
    """Side of the square to which features are upsampled for fitting, 4x the patch grid, or the
    patch grid itself."""
    upsample: Literal["features-bilinear", "labels-nearest"] = "features-bilinear"
    """How clusters reach the size that is scored: features are upsampled and labelled, or
    patches are labelled and their labels repeated."""
    n_init: int = Field(default=10, ge=1, le=1000)
    """Restarts, of which the one of least inertia counts."""
    max_iter: int = Field(default=100, ge=1)
    """Iterations of a restart, at most."""
    tol: float = Field(default=1e-5, ge=0)
    """Relative change of inertia at which the exact iteration stops."""
    first_seed: int = 0
    """Added to the run's seed; the release counts from 1."""

    score_size: int | Literal["gt"] = "gt"
    """gt: labels at the ground truth's own size. int: both at a square of that side."""
    mask_resize: Literal["nearest", "nearest-via-224"] = "nearest"
    """How masks reach an integer score_size; via 224 as the release does for data-set scores of
    video (still images go straight)."""
    void: Literal["exclude", "class"] = "exclude"
    """class: void pixels form one more class, as the release scores frames and clips."""
    matching: Literal["hungarian-iou", "hungarian-count", "majority-precision", "majority-iou"] = (
        "hungarian-iou"
    )
    """hungarian: one to one, maximising IoU or pixels. majority: each cluster on its own takes
    the label of greatest precision or IoU."""
    unmatched: Literal["background", "void"] = "void"
    """What an unmatched cluster becomes; void = wrong everywhere, no class's false positive."""
    absent_class: Literal["skip", "zero"] = "skip"
    """What a class without true pixels and without predictions does to the mean."""
    single_class: Literal["skip", "score"] = "skip"
    """What a unit does whose ground truth holds one class only."""
    average: Literal["clips", "batches"] = "clips"
    """clips: equal weight. batches: the mean of the means of `batch_clips` clips each."""

    def kept(self, n_clips: int) -> int:
        """Return how many clips are scored.

        Example:
            >>> KMeansConfig(last_batch="drop", batch_clips=60).kept(1449)
            1440
        """
        return n_clips - n_clips % self.batch_clips if self.last_batch == "drop" else n_clips

    def view(self, dataset: Dataset) -> View:
        """Return the view of these data."""
        sampling = {"sampling": self.sampling, "sampling_seed": self.sampling_seed}
        return self.shown(dataset, self.frames, self.statistics, **sampling)

    @property
    def averaged(self) -> int:
        """Clips whose mean weighs as one in a score."""
        return self.batch_clips if self.average == "batches" else 1

    def clusters(self, n_labels: int, scope: Scope, dataset: str) -> int:
        """Return K for a unit with that many labels.

        Example:
            >>> KMeansConfig(k="overcluster").clusters(21, "dataset", "pascal-voc-2012")
            500
            >>> KMeansConfig().clusters(3, "clip", "davis-2017")
            3
        """
        if self.k == "gt":
            return n_labels
        if self.k == "overcluster":
            if scope != "dataset":
                return 10
            return 500 if dataset == "pascal-voc-2012" else 200
        return self.k


class KMeansDatasetConfig(KMeansConfig):
    """Everything that moves a number of `kmeans-dataset` and `overcluster-dataset`."""

    fit_split: Literal["training"] | None = None
    """What is clustered and matched. null: the clips that are scored. training: other clips, those
    of the data set's training split, or where there is none each half of the clips for the other;
    K, standardisation, PCA, centres and the label of each cluster come from them, and a patch of a
    scored clip takes the nearest centre."""

    @model_validator(mode="after")
    def _one_projection(self) -> KMeansDatasetConfig:
        if self.fit_split and self.pca_scope == "batch" and self.pca_dims:
            raise ValueError(
                "fit_split=training wants one projection for the clips that are fitted and those "
                "that are scored, not one per batch; choose pca_scope=dataset or pca_dims=0"
            )
        return self


STANDARD = KMeansConfig()
"""DESIGN: aspect kept, exact, void never counted, an unmatched cluster wrong everywhere."""

TIMET = KMeansConfig(
    resize="square",
    statistics="timet",
    frames=4,
    sampling="random",
    labels="timet",
    k_labels="all",
    pca_scope="batch",
    kmeans="faiss-sampled",
    fit_size=224,
    n_init=5,
    max_iter=50,
    first_seed=1,
    score_size=224,
    void="class",
    unmatched="background",
    single_class="score",
    average="batches",
)
"""The release of TimeT (arXiv 2308.11796), frame-wise and sample-wise: evaluation.py,
clustering.py and metrics.py of SMSD75/Timetuning at 94550b5. `k=10` is the release's default,
`gt` the paper's."""

TIMET_DATASET = KMeansDatasetConfig.model_validate(
    {
        **TIMET.model_dump(),
        "pca_scope": "dataset",
        "fit_size": 112,
        "score_size": 112,
        "mask_resize": "nearest-via-224",
        "void": "exclude",
        "average": "clips",
    }
)
"""The same release, dataset-wise: 112 pixels, void dropped."""

LEOPART = KMeansDatasetConfig(
    size=448,
    resize="square",
    k=500,
    pca_scope="dataset",
    batch_clips=60,
    last_batch="drop",
    kmeans="faiss-sampled",
    fit_size="grid",
    upsample="labels-nearest",
    n_init=5,
    max_iter=100,
    score_size=100,
    matching="majority-precision",
    unmatched="background",
    absent_class="zero",
    single_class="score",
)
"""Over-clustering of Leopart (experiments/overcluster/sup_overcluster.py at 7835701): patch
tokens, labels repeated to 100 x 100, every class in the mean, absent ones as 0. Published numbers
are means of `--seeds 0-4`; with k = number of classes the release matches by `hungarian-iou`."""

NECO = LEOPART.model_copy(update={"batch_clips": 32})
"""The same in NeCo (experiments/overcluster/eval_overcluster.py at 3932160), batches of 32."""

OVERCLUSTER = {"k": "overcluster", "matching": "majority-precision"}
"""More clusters than classes, each taking the label it is purest in (Leopart, TimeT)."""

GENERALISE = KMeansDatasetConfig(fit_split="training")
"""`standard`, clusters and their matching fitted on other clips than are scored."""

PAPER = "TimeT, ICCV 2023, arXiv 2308.11796"
SCOPES: tuple[Scope, ...] = ("frame", "clip", "dataset")
TITLES = {
    "frame": "k-means within each frame",
    "clip": "k-means within each clip",
    "dataset": "k-means over the whole data set",
}

POSITION_METRICS = ("position_r2", "position_r2_clusters")
"""How much of the features, and of the clusters, a quadratic of the patch's place explains."""


def position_cards(clip_score: Literal["own", "mean-of-frames"]) -> dict[str, MetricCard]:
    """Return the cards of `POSITION_METRICS`."""
    titles = (
        "share of the variance of the clustered features that a quadratic of the place explains",
        "share of the variance of cluster membership that a quadratic of the place explains",
    )
    return {
        name: MetricCard(title=title, higher_is_better=False, clip_score=clip_score)
        for name, title in zip(POSITION_METRICS, titles, strict=True)
    }


SECONDS = {
    "kmeans-frame": 0.047,
    "kmeans-clip": 0.027,
    "kmeans-dataset": 0.02,
    "overcluster-frame": 0.061,
    "overcluster-clip": 0.037,
    "overcluster-dataset": 0.15,
}
"""Protocol -> `ProtocolEntry.seconds_per_frame`."""


def register(protocols: Registry[ProtocolEntry]) -> None:
    """Add the six protocols to the registry."""
    for scope in SCOPES:
        presets = {"standard": STANDARD, "timet": TIMET}
        if scope == "dataset":
            presets = {
                "standard": KMeansDatasetConfig(),
                "timet": TIMET_DATASET,
                "generalise": GENERALISE,
            }
        title = f"{TITLES[scope]}, matched one to one"
        name = f"kmeans-{scope}"
        protocols.register(name, _entry(scope, title, presets, SECONDS[name]))
        many = {name: preset.model_copy(update=OVERCLUSTER) for name, preset in presets.items()}
        if scope == "dataset":
            many |= {"leopart": LEOPART, "neco": NECO}
        title = f"{TITLES[scope]} with more clusters than classes, each taking its majority label"
        name = f"overcluster-{scope}"
        protocols.register(name, _entry(scope, title, many, SECONDS[name]))


def _entry(
    scope: Scope, title: str, presets: Mapping[str, KMeansConfig], seconds_per_frame: float
) -> ProtocolEntry:
    def build(config: KMeansConfig) -> Evaluation:
        from tvseg_bench.protocols.kmeans.evaluation import KMeansDataset, KMeansUnits

        if isinstance(config, KMeansDatasetConfig):
            return KMeansDataset(config)
        return KMeansUnits(config, scope)

    clip_score: Literal["own", "mean-of-frames"] = "mean-of-frames" if scope == "frame" else "own"
    return ProtocolEntry(
        version=2,
        title=title,
        paper=PAPER,
        presets=presets,
        build=build,
        metrics={
            **mean_iou_cards("counts" if scope == "dataset" else "mean", clip_score),
            **position_cards(clip_score),
        },
        seconds_per_frame=seconds_per_frame,
    )
