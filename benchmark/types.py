"""The words of the suite: clip -> features -> prediction -> score, as frozen values.

Importing this module loads neither torch nor numpy, so cards can be listed in no time.
Coordinates: images are [H, W, 3] RGB uint8, label maps [H, W] integers, grids (rows, cols).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

Image: TypeAlias = "NDArray[np.uint8]"
"""[H, W, 3] RGB, 0..255."""
Labels: TypeAlias = "NDArray[np.integer[Any]]"
"""[H, W] ids; VOID where nothing is known."""
Flow: TypeAlias = "NDArray[np.float32]"
"""[H, W, 2] displacement (x, y) in pixels from frame t to t + 1; NaN where the point is occluded
or has left the image."""
Depth: TypeAlias = "NDArray[np.float32]"
"""[H, W] distance from the camera, in metres or in what the data set's card says; NaN where
nothing is known."""
Points: TypeAlias = "NDArray[np.float32]"
"""[P, 2] places (x, y) in pixels of the image, the centre of the first one at (0, 0); NaN where a
point is hidden or nothing is known of it. Row p is the same point in every frame of a clip."""

VOID = 255
"""The label of a pixel that no score may count. Readers write it, metrics drop it."""

LabelKind = Literal["semantic", "instance"]
"""semantic: the id means the same in every clip. instance: the id is a clip's own."""


# ----------------------------------------------------------------------------- models


@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """What a result says about the backbone that made it; importable without torch.

    The suite resizes images to multiples of `patch_size` and normalises them as
    (image / 255 - mean) / std: another channel order or scale is expressed by `mean` and `std`
    and, inside the model, a permutation.
    """

    name: str
    """`family/arch`, lower case."""
    revision: str = ""
    """`sha256:` of the weights (or another string that changes whenever features may);
    part of every cell id and cache key; empty only before the weights are known."""
    patch_size: int
    """Stride of the feature map in pixels."""
    embed_dim: int
    """Channels of a dense feature."""
    params_m: float | None = None
    """Parameters in millions."""
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    interpolation: Literal["bilinear", "bicubic"] = "bilinear"
    num_prefix_tokens: int = 0
    """Class and register tokens, which the model itself removes from its output."""
    exact_grid: bool = True
    """Whether the grid is (H / patch_size, W / patch_size); ConvNets may round otherwise."""
    pos_interp: str | None = None
    """Family of the positional-embedding interpolation: `dino`, `timm`, `rope` or None."""
    temporal: Literal["image", "clip"] = "image"
    licence: str = "unknown"
    """SPDX id or address of the licence of the weights."""
    paper: str | None = None
    code: str | None = None
    pretraining_data: tuple[str, ...] = ()
    trained_on_labels: bool = False
    trained_on_eval_data: tuple[str, ...] = ()
    """Declared contamination: data sets of this suite seen in training."""
    weights_url: str | None = None
    weights_sha256: str | None = None
    notes: str = ""


@dataclass(frozen=True)
class PatchFeatures:
    """Dense features of a batch: row-major tokens on an explicit grid, prefix tokens removed."""

    tokens: torch.Tensor
    """[B, N, D] with N = grid[0] * grid[1]."""
    grid: tuple[int, int]
    """(rows, cols), non-square allowed."""
    attention: torch.Tensor | None = None
    """[B, heads, N] of the class token, where there is one."""


@runtime_checkable
class FeatureModel(Protocol):
    """What a plugin must be; no base class to inherit."""

    card: ModelCard

    def extract(self, images: torch.Tensor) -> PatchFeatures:
        """Map images [B, 3, H, W], resized and normalised by the suite, to dense features."""
        ...


@runtime_checkable
class ClipFeatureModel(FeatureModel, Protocol):
    """A model that looks at several frames at once."""

    def extract_clip(self, clips: torch.Tensor) -> PatchFeatures:
        """Map clips [B, T, 3, H, W] to features with tokens [B * T, N, D]."""
        ...


@runtime_checkable
class AttentionModel(FeatureModel, Protocol):
    """A model that also gives the attention of its class token."""

    def extract_attention(self, images: torch.Tensor) -> PatchFeatures:
        """Do as `extract`, with `PatchFeatures.attention` filled where there is a class token."""
        ...


@runtime_checkable
class Segmenter(Protocol):
    """A model that brings its own clusters."""

    card: ModelCard

    def segment(self, images: torch.Tensor) -> torch.Tensor:
        """Map images [B, 3, H, W] to cluster ids [B, H, W]."""
        ...


# ------------------------------------------------------------------------------- data


@dataclass(frozen=True, kw_only=True)
class DatasetCard:
    """What a result says about the data that it was measured on; importable without numpy."""

    name: str
    version: int
    """Raised whenever numbers may move."""
    title: str
    splits: tuple[str, ...]
    """In the order in which they are tried when none is asked for (customary evaluation first)."""
    training: tuple[str, ...] = ()
    """Splits that a probe or a memory may learn from, in the order in which they are tried;
    never the split that is scored."""
    clip_labels: LabelKind
    """Which labels score a frame or a clip."""
    dataset_labels: LabelKind | None
    """Which labels score the whole data set in `standard`; None where ids mean nothing across
    clips (an opened Dataset may know better, see `Dataset.dataset_labels`)."""
    classes: tuple[str, ...] = ()
    """Names of the semantic ids 0.., where they are fixed by the data set."""
    background: int | None = 0
    """The semantic id that `miou_fg` leaves out, None where every class counts."""
    archive: str = ""
    """Which official archive is wanted and where it unpacks."""
    licence: str = "unknown"
    paper: str | None = None
    url: str | None = None
    notes: str = ""


@dataclass(frozen=True, kw_only=True)
class Clip:
    """One continuous shot, read lazily: nothing is decoded before it is asked for.

    A still image is a clip of one frame. The callables take a frame index 0..n_frames-1, may be
    called from any thread, and raise DataError naming file and frame.
    """

    name: str
    """Unique in its data set; safe as a part of a file name once '/' is replaced."""
    n_frames: int
    image: Callable[[int], Image]
    semantic: Callable[[int], Labels] | None = None
    instance: Callable[[int], Labels] | None = None
    flow: Callable[[int], Flow] | None = None
    """Exact motion from frame t to t + 1, for t < n_frames - 1."""
    depth: Callable[[int], Depth] | None = None
    points: Callable[[int], Points] | None = None
    """Where the same P points are in each frame: joints of a body, or points that were tracked."""
    point_names: Sequence[str] = ()
    """What the points are, in the order of the rows; empty where they have no names."""
    frame_names: Sequence[str] = ()
    """File stems, for pictures and messages; empty where frames have no names."""
    categories: Mapping[int, int] = field(default_factory=dict)
    """Instance id -> semantic id, where the data set says so."""

    def labels(self, kind: LabelKind) -> Callable[[int], Labels] | None:
        """Return the reader of one kind of label, None where the clip has none."""
        return self.semantic if kind == "semantic" else self.instance


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """One split of a data set, opened."""

    card: DatasetCard
    split: str
    clips: Sequence[Clip]
    """In a fixed order, the split file's; lazy where there are many."""
    manifest_sha256: str
    """sha256 over the relative paths and sizes of every file in use, or over the generator's
    parameters; part of the cell id and of every cache key."""
    classes: tuple[str, ...] = ()
    """Names of the semantic ids, which the card or the files (meta.json, ...) give."""
    dataset_labels: LabelKind | None = None
    """Which labels mean the same across clips, now that the files are known."""
    dataset_labels_hint: str = ""
    """Where dataset_labels is None: the sentence that names the file which would help."""


# --------------------------------------------------------------------------- features


@dataclass(frozen=True, kw_only=True)
class View:
    """What the model is shown: which frames, at which size, normalised how.

    Protocols that ask for an equal view of the same data share one forward pass.
    """

    size: int = 224
    """Pixels of the short side (`short-side`) or of both sides (`square`), made a multiple of
    the patch."""
    resize: Literal["short-side", "square", "short-side-up", "short-side-64"] = "short-side"
    """short-side: aspect kept, long side to the nearest patch multiple; square: squashed;
    short-side-up: both sides up to the next patch multiple (DINOv3's tracking); short-side-64:
    long side down to a multiple of 64 (DINO's video script)."""
    interpolation: Literal["card", "bilinear", "bicubic", "opencv"] = "bilinear"
    """Filter of the resizing. card: the model's own; bilinear, bicubic: Pillow's, antialiased;
    opencv: bilinear from the four nearest pixels, as cv2.resize does (DINO's video script)."""
    statistics: Literal["card", "timet"] = "card"
    """Normalisation: the card's own; `timet`: where the card says ImageNet's, the video
    statistics of the TimeT release (std .228, .224, .225), else the card's own."""
    frames: int | None = None
    """None = every frame."""
    sampling: Literal["equidistant", "random"] = "equidistant"
    """How `frames` are chosen. random = a sorted random subset without replacement (with
    replacement where the clip is shorter), seeded per clip."""
    sampling_seed: int = 0
    attention: bool | Literal["if-any"] = False
    """Also keep the class token's attention; if-any: 0 heads where the model has none."""
    output: Literal["features", "segments"] = "features"
    """features: what `extract` gives. segments: the ids that `segment` gives, as tokens of one
    dimension, one for each pixel that the model sees; always float32, which holds them exactly."""


@dataclass(frozen=True, kw_only=True)
class ClipFeatures:
    """Features of the chosen frames of one clip."""

    clip: Clip
    index: int
    """Position of the clip in the data set."""
    frames: tuple[int, ...]
    """Indices into the clip, in the order of `tokens`."""
    tokens: NDArray[np.floating[Any]]
    """[T, rows, cols, D], float32 or float16; NaN and infinity are refused earlier."""
    attention: NDArray[np.floating[Any]] | None = None
    """[T, heads, rows, cols]."""


class FeatureSet(Protocol):
    """Features of a data set under one view: may be iterated again and again, holds one clip at
    a time in memory, and gives the same numbers whether they are computed or read back."""

    dataset: Dataset
    view: View
    patch_size: int

    def __len__(self) -> int:
        """Return the number of clips."""
        ...

    def __iter__(self) -> Iterator[ClipFeatures]:
        """Yield every clip in the data set's order."""
        ...

    def __getitem__(self, index: int) -> ClipFeatures:
        """Return one clip."""
        ...


# ------------------------------------------------------------------------------ score


Unit = Literal["share", "pixels", "metres"]
"""What a number of a metric is. share: of 1, printed in percent; pixels of the ground truth;
metres, or what the depth of the data set is in."""


@dataclass(frozen=True, kw_only=True)
class MetricCard:
    """What a number of a protocol means, for everything that reads it without computing it."""

    title: str
    """One sentence for someone who meets the metric for the first time."""
    lowest: float = 0.0
    """The least value that it can take: 0 for fractions, -1 for differences of fractions and for
    agreement corrected for chance; -infinity where there is no bound. A result that holds a lower
    number is refused."""
    highest: float = 1.0
    """The largest value that it can take, infinity where there is no bound, as of an error in
    pixels."""
    unit: Unit = "share"
    """What its numbers are, which says how they are printed."""
    higher_is_better: bool = True
    background: Literal["counted", "left-out"] = "counted"
    """left-out: the class that the data set's card declares as background is not averaged."""
    interval: Literal["mean", "counts", "as-scored"] = "mean"
    """How its interval over clips is made. mean: of the clips' values. counts: the metric made
    again from the clips' summed counts. as-scored: one of the two, as `Score.resample` says,
    where that depends on the configuration."""
    clip_score: Literal["own", "mean-of-frames"] = "own"
    """Where the score of a clip comes from. mean-of-frames: it is the mean of the clip's frames
    that have a score, so that the rows of frames can be checked against it."""


@dataclass(frozen=True, kw_only=True)
class UnitScore:
    """The score of one clip or frame: a row of the samples file."""

    clip: str
    frame: int | None = None
    """Index into the clip; None for a row that speaks for the whole clip."""
    n_frames: int = 1
    metrics: Mapping[str, float | None]
    """Within the bounds of their cards, mostly fractions 0..1; None = this unit says nothing (with
    the reason in `note`)."""
    counts: Mapping[str, Sequence[int]] = field(default_factory=dict)
    """Integer rows from which the metric can be recomputed: `labels`, `tp`, `fp`, `fn`."""
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Score:
    """What a protocol returns: numbers, the rows they come from, and how one makes the other."""

    metrics: Mapping[str, float | None]
    """Over the whole data set, within the bounds of their cards, mostly fractions 0..1; the first
    one is the headline."""
    clips: Sequence[UnitScore]
    """One row per clip, in the data set's order."""
    frames: Sequence[UnitScore] = ()
    resample: Literal["mean", "counts"] = "mean"
    """How the interval over clips is made: mean of the clips' values, or the metric recomputed
    from the summed `counts` of other choices of clips; a metric that the rows hold themselves is
    their mean all the same."""
    per_class: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    """`labels`, `names`, `iou`, `support` (pixels)."""
    references: Mapping[str, float | None] = field(default_factory=dict)
    """Scores of the same units without a model: `constant` and `oracle` of each metric, as
    `constant/miou`, `oracle/miou`."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """Anything else that explains the numbers: matching, cluster sizes, counts of units."""
