"""Ground truth as a protocol wants it: which labels, at which size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np

from tvseg_bench.benchmark.errors import NotApplicableError
from tvseg_bench.benchmark.metrics.references import oracle_table
from tvseg_bench.protocols.common.resize import resize_nearest

if TYPE_CHECKING:
    from tvseg_bench.benchmark.evaluation import SharedCache
    from tvseg_bench.benchmark.metrics.contingency import Contingency
    from tvseg_bench.benchmark.metrics.references import Counted
    from tvseg_bench.benchmark.types import ClipFeatures, Dataset, LabelKind, Labels

LabelSource = Literal["card", "timet"]
MaskResize = Literal["nearest", "nearest-via-224"]


def label_kind(dataset: Dataset, scope: str, source: LabelSource) -> LabelKind:
    """Return the labels that score this scope.

    `card` follows the data set's card. `timet` takes instance ids as the classes of a data set
    where there are no categories, as its release does (data_loader.py of SMSD75/Timetuning).

    Raises:
        NotApplicableError: the data set has no such labels.
    """
    card = dataset.card
    kind: LabelKind | None = dataset.dataset_labels if scope == "dataset" else card.clip_labels
    if kind is None and source == "timet":
        kind = card.clip_labels
    if kind is None:
        hint = dataset.dataset_labels_hint or "choose a protocol of scope frame or clip"
        raise NotApplicableError(
            f"the labels of {card.name} are ids of each clip's own objects and no classes of the "
            f"data set; {hint}"
        )
    if any(clip.labels(kind) is None for clip in dataset.clips[:1]):
        raise NotApplicableError(
            f"{card.name}:{dataset.split} has no {kind} masks, which this protocol needs; "
            f"type: tvseg-bench data status"
        )
    return kind


def read_truth(
    features: ClipFeatures,
    kind: LabelKind,
    source: LabelSource,
    size: int | Literal["gt"],
    resize: MaskResize = "nearest",
) -> list[Labels]:
    """Return the label maps of the frames that were looked at.

    Args:
        source: `timet` maps the instances of a category data set in place, one after the other,
            as the release does.
        size: `gt` = as stored, else the side of a square.
        resize: how masks reach an integer size: as Pillow resizes, or through 224 pixels, then
            as torch's `nearest` does, which is the release's second step.
    """
    clip = features.clip
    if source == "timet" and kind == "semantic" and clip.instance and clip.categories:
        from tvseg_bench.benchmark.data.readers.youtube_vos import map_instances

        stored = np.stack([clip.instance(t) for t in features.frames])
        masks: Sequence[Labels] = list(
            map_instances(stored, dict(clip.categories), order="sequential")
        )
    else:
        read = clip.labels(kind)
        if read is None:
            raise NotApplicableError(f"clip {clip.name!r} has no {kind} masks")
        masks = [read(t) for t in features.frames]
    if size == "gt":
        return list(masks)
    if resize == "nearest-via-224" and clip.n_frames > 1:
        between = (resize_nearest(mask, (224, 224), "pillow") for mask in masks)
        return [resize_nearest(mask, (size, size), "upper-left") for mask in between]
    return [resize_nearest(mask, (size, size), "pillow") for mask in masks]


def distinct(masks: Sequence[Labels]) -> set[int]:
    """Return the ids that occur in any of the maps.

    Example:
        >>> sorted(distinct([np.array([[0, 3]]), np.array([[255, 0]])]))
        [0, 3, 255]
    """
    from tvseg_bench.benchmark.metrics.counting import present

    found: set[int] = set()
    for mask in masks:
        if mask.dtype == np.uint8:
            found.update(np.flatnonzero(present(mask)).tolist())
        else:
            found.update(np.unique(mask).tolist())
    return found


@dataclass(frozen=True, eq=False)
class FrameTruth:
    """The labels of one frame, and what follows from them alone, worked out once."""

    mask: Labels
    """[H, W], which nobody may change."""
    _oracles: dict[object, Contingency] = field(default_factory=dict)

    @cached_property
    def present(self) -> frozenset[int]:
        """Return the ids that occur."""
        return frozenset(distinct([self.mask]))

    def oracle(self, grid: tuple[int, int], counted: Counted) -> Contingency:
        """Return the table of the patch-grid oracle; see `references.oracle_table`."""
        key = grid, counted
        if key not in self._oracles:
            self._oracles[key] = oracle_table(self.mask, grid, counted=counted)
        return self._oracles[key]


def shared_truth(
    features: ClipFeatures,
    kind: LabelKind,
    source: LabelSource,
    size: int | Literal["gt"],
    resize: MaskResize,
    shared: SharedCache,
) -> Sequence[FrameTruth]:
    """Return what `read_truth` gives, read where the cache does not hold it."""
    how = (kind, source, size, resize)
    return shared.get(
        ("truth", features.clip.name, features.frames, *how),
        lambda: [FrameTruth(mask) for mask in read_truth(features, *how)],
        lambda frames: sum(frame.mask.nbytes for frame in frames),
    )


def present_in(frames: Sequence[FrameTruth]) -> frozenset[int]:
    """Return the ids that occur in any of the frames."""
    return frozenset().union(*(frame.present for frame in frames))
