"""What `temporal` holds predictions against: labels, objects over time, and motion."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from tvseg_bench.benchmark.data.files.flow_files import FlowFolder
from tvseg_bench.benchmark.errors import DataError
from tvseg_bench.benchmark.evaluation import SharedCache
from tvseg_bench.benchmark.types import VOID
from tvseg_bench.protocols.common.ground_truth import present_in, shared_truth

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tvseg_bench.benchmark.types import ClipFeatures, Flow, LabelKind, Labels
    from tvseg_bench.protocols.temporal import TemporalConfig

    Map = NDArray[np.integer[Any]]

TubeSource = Literal["instance", "semantic"]
"""What counts as an object. instance: the clip's objects. semantic: where a clip has no instance
ids, all pixels of a class together."""


@dataclass(frozen=True)
class ClipTruth:
    """The truth of the frames of one clip that were looked at, all of one size."""

    labels: Sequence[Labels]
    """[H, W] ids that clusters are matched to."""
    present: frozenset[int]
    """Those that occur."""
    void: int | None
    """The label that no score counts; None where void is a class of its own."""
    tubes: Sequence[Labels]
    """[H, W] ids of objects; VOID never counts. The very `labels` where they are equal to them."""
    source: TubeSource
    things: frozenset[int]
    """The ids of objects: all but background and void."""
    class_of: Mapping[int, int]
    """Class of each id of `tubes`, 0 for the background; 1 for all objects where the data set
    names none."""

    @property
    def size(self) -> tuple[int, int]:
        """(H, W)."""
        height, width = self.labels[0].shape
        return int(height), int(width)


def clip_truth(
    clip: ClipFeatures,
    kind: LabelKind,
    config: TemporalConfig,
    background: int | None,
    shared: SharedCache | None = None,
) -> ClipTruth:
    """Read the truth of a clip.

    Args:
        background: The semantic id that is no object, None where all are.
        shared: Where masks are that were read before.

    Raises:
        DataError: The masks of the clip differ in size.
    """
    shared = shared or SharedCache(limit=0)
    size, resize = config.score_size, config.mask_resize
    read = shared_truth(clip, kind, config.labels, size, resize, shared)
    labels = [frame.mask for frame in read]
    source: TubeSource = "semantic" if clip.clip.instance is None else "instance"
    objects, tubes = read, labels
    if source == "instance" and kind != "instance":
        objects = shared_truth(clip, "instance", "card", size, resize, shared)
        tubes = [frame.mask for frame in objects]
    for t, mask in zip((*clip.frames, *clip.frames), (*labels, *tubes), strict=True):
        if mask.shape != labels[0].shape:
            raise DataError(
                f"the mask of frame {t} of clip {clip.clip.name!r} is {mask.shape[0]}x"
                f"{mask.shape[1]}, that of its first frame {labels[0].shape[0]}x"
                f"{labels[0].shape[1]}; type protocol.temporal.score_size=224 to bring them to one"
            )
    nothing = 0 if source == "instance" else background
    if all(map(np.array_equal, tubes, labels)):
        tubes = labels
    ids = present_in(objects) - {VOID}
    things = ids - {nothing}
    return ClipTruth(
        labels=labels,
        present=present_in(read),
        void=None if config.void == "class" else VOID,
        tubes=tubes,
        source=source,
        things=things,
        class_of=dict.fromkeys(ids - things, 0) | _classes(things, clip.clip.categories),
    )


def _classes(things: frozenset[int], categories: Mapping[int, int]) -> dict[int, int]:
    """Return the class of each object; those without a category are of one class more."""
    without = 1 + max(categories.values(), default=0)
    return {i: categories.get(i, without) for i in things}


@dataclass(frozen=True)
class ClipFlow:
    """The flow between the frames of a clip that were looked at."""

    read: Callable[[int], Flow]
    """Reader of the flow from a frame to the next."""
    pairs: Sequence[tuple[int, int]]
    """(position among the frames looked at, frame) where the next frame was looked at, too."""


def motion(clip: ClipFeatures, truth: ClipTruth, folder: FlowFolder | None) -> ClipFlow | str:
    """Return the flow of a clip, or why there is none (nothing where none was to be expected)."""
    frames = clip.frames
    pairs = [(i, t) for i, t in enumerate(frames[:-1]) if frames[i + 1] == t + 1]
    if folder is None:
        if clip.clip.flow is None:
            return ""
        read = clip.clip.flow
    else:
        files = folder.clip(clip.clip, truth.size)
        if files is None:
            return "no folder of flow"
        read = files
    return ClipFlow(read, pairs) if pairs else "no flow between frames that are apart"
