"""The objects of a clip: their ids, and label maps in terms of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tvseg_bench.benchmark.errors import NotApplicableError
from tvseg_bench.benchmark.types import VOID

if TYPE_CHECKING:
    from collections.abc import Callable

    from tvseg_bench.benchmark.types import Clip, ClipFeatures, Dataset, LabelKind, Labels
    from tvseg_bench.protocols.propagation import PropagationConfig

Numbers: TypeAlias = NDArray[np.int32]
"""[H, W] 0 for the background, 1.. for the objects in the order of their ids, UNKNOWN."""

MOST_OBJECTS = 254
"""The largest id that the masks of DAVIS can hold beside void."""

UNKNOWN = -1
"""A pixel that is neither followed nor scored."""


@dataclass(frozen=True)
class Objects:
    """What is followed through one clip."""

    ids: tuple[int, ...]
    """Ascending, in the data set's own numbering."""
    background: int
    """The id of what is no object; VOID where every other id is one."""
    void: Literal["exclude", "background"]

    def numbers(self, labels: Labels) -> Numbers:
        """Return a label map [H, W] in terms of the objects; other ids are background.

        Example:
            >>> shown = Objects(ids=(3, 7), background=0, void="exclude")
            >>> shown.numbers(np.array([[0, 3, 7, 9, 255]])).tolist()
            [[0, 1, 2, 0, -1]]
        """
        known = np.array(self.ids, np.int64)
        place = np.searchsorted(known, labels).clip(max=len(known) - 1)
        numbers = np.where(known[place] == labels, place + 1, 0).astype(np.int32)
        if self.void == "exclude":
            numbers[labels == VOID] = UNKNOWN
        return numbers

    def named(self, numbers: Numbers) -> NDArray[np.int64]:
        """Return a map in the data set's own ids; what is unknown is background."""
        return np.array([self.background, *self.ids])[np.maximum(numbers, 0)]


@dataclass(frozen=True)
class Track:
    """A clip whose objects can be followed."""

    clip: ClipFeatures
    objects: Objects
    read: Callable[[int], Labels]

    def truth(self, t: int) -> Numbers:
        """Return the truth [H, W] of one of the frames that were looked at."""
        return self.objects.numbers(self.read(self.clip.frames[t]))


def track(clip: ClipFeatures, kind: LabelKind, background: int, rule: PropagationConfig) -> Track:
    """Find the objects of the first frame.

    Args:
        background: the id that is no object; VOID where every other id is one.

    Raises:
        NotApplicableError: nothing can be followed; the text says why, without the clip's name.
    """
    read = clip.clip.labels(kind)
    if read is None:
        raise NotApplicableError(f"it has no {kind} masks")
    n_frames = len(clip.frames)
    if not rule.scored(n_frames):
        length = "a single frame" if n_frames == 1 else f"{n_frames} frames"
        raise NotApplicableError(f"it has {length}, none of which is to be scored")
    first = read(clip.frames[0])
    ids = tuple(sorted({int(i) for i in np.unique(first)} - {VOID, background}))
    if not ids:
        nothing = "nothing but void" if (first == VOID).all() else "no object"
        raise NotApplicableError(f"its first frame holds {nothing}")
    if rule.objects == "up-to-max" and kind == "instance":
        if ids[-1] > MOST_OBJECTS:
            raise NotApplicableError(f"its largest id is {ids[-1]}, too many to follow each to it")
        ids = tuple(range(1, ids[-1] + 1))
    return Track(clip, Objects(ids, background, rule.void_used), read)


def label_kind(dataset: Dataset, config: PropagationConfig) -> LabelKind:
    """Return which labels are followed, judging by the first clip.

    Raises:
        NotApplicableError: the data set has no such labels.
    """
    clips: tuple[Clip, ...] = tuple(dataset.clips[:1])
    if config.labels == "finest":
        return "instance" if all(clip.instance is not None for clip in clips) else "semantic"
    if any(clip.labels(config.labels) is None for clip in clips):
        raise NotApplicableError(
            f"{dataset.card.name}:{dataset.split} has no {config.labels} masks, which "
            f"labels={config.labels} asks for; leave it out"
        )
    return config.labels
