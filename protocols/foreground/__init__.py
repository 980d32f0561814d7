"""`foreground` and `foreground-classes`: objects against background, and divided into classes.

Every convention is a value with a name. Nothing here computes: importing this package loads
neither numpy nor torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from tvseg_bench.benchmark.registry import ProtocolEntry
from tvseg_bench.benchmark.types import Dataset, MetricCard, View
from tvseg_bench.protocols.common.config import InputConfig, mean_iou_cards

if TYPE_CHECKING:
    from tvseg_bench.benchmark.evaluation import Evaluation
    from tvseg_bench.benchmark.registry import Registry

MaskSource = Literal["auto", "attention", "first-component", "centre-prior"]

_ATTENTION: dict[str, Any] = {"auto": "if-any", "attention": True}


class ForegroundConfig(InputConfig):
    """Everything that moves a number of `foreground`."""

    frames: int | None = Field(default=None, ge=1)
    """Frames per clip; null = every frame."""

    mask_source: MaskSource = "auto"
    """Where the noisy foreground comes from. attention: the class token's in the last block,
    averaged over heads. first-component: the side of the first principal component that is rarer
    at the border. centre-prior: a Gaussian at the centre of the frame, a quarter of each side
    wide. auto: attention where the model has it, else first-component; the result says which."""
    mask_mass: float = Field(default=0.65, gt=0, le=1)
    """Share of the map's mass that the noisy foreground holds."""
    mask_blur: float = Field(default=0.6, ge=0)
    """Standard deviation, in patches, of the Gaussian (7 wide) that smooths the map first."""
    mask_smallest: int = Field(default=3, ge=1)
    """Smaller 8-connected components, in patches, are dropped."""

    pca_dims: int = Field(default=50, ge=1)
    """Dimensions after standardisation and PCA over the data set, at most the features' own."""
    kmeans: Literal["exact", "faiss-sampled"] = "exact"
    """exact: every feature. faiss-sampled: faiss on a random 256 · K of them, as published."""
    distance: Literal["euclidean", "spherical"] = "euclidean"
    """spherical: centres of unit length; `exact` also scales the features to it."""
    k: int = Field(default=200, ge=2)
    """Clusters over the whole data set, of which some are foreground."""
    n_init: int = Field(default=10, ge=1, le=1000)
    """Restarts, of which the one of least inertia counts."""
    max_iter: int = Field(default=100, ge=1)
    """Iterations of a restart, at most."""
    tol: float = Field(default=1e-5, ge=0)
    """Relative change of inertia at which the exact iteration stops."""
    first_seed: int = 0
    """Added to the run's seed; TimeT counts from 1."""
    upsample: Literal["bilinear-features", "nearest-labels"] = "bilinear-features"
    """bilinear-features: k-means on features upsampled to 4x the patch grid, labels at the size
    of the score from the same centres. nearest-labels: a patch has one label, repeated."""

    threshold: Literal["fixed", "tuned-on-truth"] = "fixed"
    """fixed: a cluster is foreground from `fixed_threshold` on. tuned-on-truth: the precision is
    chosen by the ground truth of training clips, as published."""
    fixed_threshold: float = Field(default=0.5, ge=0, le=1)
    """Precision against the noisy masks; 0.5 = foreground where most of the cluster is."""
    training: Literal["apart", "joined"] = "apart"
    """What is done with the training clips that a tuned threshold needs. apart: projected and
    clustered on their own (TimeT). joined: together with the scored ones (Leopart)."""

    score_size: int | Literal["gt"] = "gt"
    """gt: at the ground truth's own size. int: both at a square of that side."""
    void: Literal["exclude", "foreground", "background"] = "exclude"
    """What a void pixel is to the foreground IoU and to the tuning; exclude = not counted."""
    no_object: Literal["skip", "zero"] = "skip"
    """What a frame without a pixel of true foreground does to the mean."""

    @model_validator(mode="after")
    def _one_shape(self) -> ForegroundConfig:
        if self.kmeans == "faiss-sampled" and self.resize != "square":
            raise ValueError("kmeans=faiss-sampled draws from frames of one shape: resize=square")
        return self

    def view(self, dataset: Dataset) -> View:
        """Return the view of these data, with attention where it is wanted."""
        attention = _ATTENTION.get(self.mask_source, False)
        return self.shown(dataset, self.frames, attention=attention)


class ForegroundClassesConfig(ForegroundConfig):
    """Everything that moves a number of `foreground-classes`."""

    grouping: Literal["communities", "kmeans"] = "communities"
    """How the foreground becomes classes. communities: many parts, those that neighbour each
    other joined (Leopart). kmeans: K = labels, on features set to 0 in the background (TimeT)."""
    parts: int = Field(default=100, ge=2)
    """Clusters of the foreground's features, for `communities`."""
    angles: Literal["eight", "published"] = "eight"
    """Directions of neighbours; published: 240 degrees where 225 were meant."""
    weight_threshold: float = Field(default=0.0, ge=0, le=1)
    """Parts are linked where both co-occur with the other at least so often."""
    communities: Literal["greedy-modularity", "infomap"] = "greedy-modularity"
    """greedy-modularity: deterministic, exactly the number asked for. infomap: as published;
    needs the extra `communities`."""
    n_communities: int | Literal["gt"] = "gt"
    """gt: the distinct labels of the ground truth but background. infomap only prefers it."""
    markov_time: float = Field(default=1.0, gt=0)
    """Of infomap: higher gives fewer communities."""
    runs: int = Field(default=1, ge=1, le=100)
    """Seeds of infomap over which the score is averaged."""
    unmatched: Literal["background", "void"] = "void"
    """What a community becomes that no class is left for; void = wrong everywhere."""
    absent_class: Literal["skip", "zero"] = "skip"
    """What a class that the ground truth lacks does to the mean; zero averages the classes that
    the data set names."""


STANDARD: dict[str, Any] = {}
"""Every pixel of the scored clips and no label: all defaults."""

TIMET: dict[str, Any] = {
    "size": 448,
    "resize": "square",
    "mask_source": "attention",
    "kmeans": "faiss-sampled",
    "k": 300,
    "n_init": 5,
    "max_iter": 50,
    "first_seed": 1,
    "upsample": "nearest-labels",
    "threshold": "tuned-on-truth",
    "training": "apart",
    "score_size": 100,
    "void": "foreground",
    "no_object": "zero",
}
"""cluster_based_foreground_extraction.py of SMSD75/Timetuning at 94550b5."""

LEOPART: dict[str, Any] = {
    **TIMET,
    "distance": "spherical",
    "k": 200,
    "max_iter": 100,
    "first_seed": 0,
    "training": "joined",
}
"""experiments/fully_unsup_seg.py of MkuuWaUjinga/leopart at 7835701, ViT-S/16."""

TIMET_CLASSES = {**TIMET, "grouping": "kmeans", "unmatched": "background"}
"""The same script, last step: 21 clusters of masked features on VOC."""

LEOPART_CLASSES = {
    **LEOPART,
    "parts": 149,
    "angles": "published",
    "weight_threshold": 0.09,
    "communities": "infomap",
    "n_communities": 20,
    "markov_time": 2.0,
    "runs": 10,
    "unmatched": "background",
    "absent_class": "zero",
}
"""The same script, ViT-S/16; for ViT-B/8 parts=109, markov_time=0.4, weight_threshold=0.07."""

PAPER = "Leopart, CVPR 2022, arXiv 2204.13101; TimeT, ICCV 2023, arXiv 2308.11796"
METRICS = {
    "fg_iou": MetricCard(title="intersection over union of foreground and objects"),
    "noisy_iou": MetricCard(
        title="intersection over union of objects and the noisy masks that clusters are chosen by"
    ),
}


def _build(config: ForegroundConfig) -> Evaluation:
    from tvseg_bench.protocols.foreground.evaluation import Foreground, TunedForeground

    return TunedForeground(config) if config.threshold == "tuned-on-truth" else Foreground(config)


ENTRIES = {
    "foreground": ProtocolEntry(
        version=2,
        title="objects against background: clusters that lie within noisy masks",
        paper=PAPER,
        presets={
            "standard": ForegroundConfig(**STANDARD),
            "timet": ForegroundConfig(**TIMET),
            "leopart": ForegroundConfig(**LEOPART),
        },
        build=_build,
        metrics=METRICS,
        seconds_per_frame=0.14,
    ),
    "foreground-classes": ProtocolEntry(
        version=2,
        title="the extracted foreground divided into classes, without a label",
        paper=PAPER,
        presets={
            "standard": ForegroundClassesConfig(**STANDARD),
            "timet": ForegroundClassesConfig(**TIMET_CLASSES),
            "leopart": ForegroundClassesConfig(**LEOPART_CLASSES),
        },
        build=_build,
        metrics=mean_iou_cards("counts"),
        seconds_per_frame=0.13,
    ),
}


def register(protocols: Registry[ProtocolEntry]) -> None:
    """Add the two protocols to the registry."""
    for name, entry in ENTRIES.items():
        protocols.register(name, entry)
