"""What a calculation of a large grid starts from, and its plan; `grid_cost.py` goes on with it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import tvseg_bench.benchmark.data
import tvseg_bench.protocols  # noqa: F401
from tvseg_bench.benchmark.execution.executors.options import ExecutorOptions
from tvseg_bench.benchmark.execution.plan import Cell, make_plan
from tvseg_bench.benchmark.execution.selection import make_selection
from tvseg_bench.benchmark.execution.tasks import Task, make_tasks
from tvseg_bench.benchmark.registry import DatasetEntry, ModelEntry, datasets, models
from tvseg_bench.benchmark.types import Clip, Dataset, ModelCard


@dataclass(frozen=True)
class Split:
    """Clips and frames of a split."""

    clips: int
    frames: int


@dataclass(frozen=True)
class Official:
    """Sizes of a data set: which splits score and teach, and (height, width) of its frames."""

    scored: Split
    learned: Split
    size: tuple[int, int]


OFFICIAL = {
    # Perazzi et al. 2016: 50 sequences and 3 455 frames, of which 20 and 1 376 score
    "davis-2016": Official(Split(20, 1376), Split(30, 2079), (480, 854)),
    # Pont-Tuset et al. 2017, table 1
    "davis-2017": Official(Split(30, 1999), Split(60, 4209), (480, 854)),
    # the lists that TimeT_clean releases: 695 and 2 776 of the 3 471 videos of the training
    # archive; 27 frames a video is an assumption (3 to 6 s, every fifth frame kept)
    "youtube-vos-2019": Official(Split(695, 18765), Split(2776, 74952), (720, 1280)),
    # ImageSets/Segmentation/val.txt and trainaug.txt; the usual size of an image
    "pascal-voc-2012": Official(Split(1449, 1449), Split(10582, 10582), (375, 500)),
    # test.txt and train.txt of the SegNet tutorial
    "camvid": Official(Split(2, 233), Split(3, 367), (360, 480)),
    # as it is generated
    "moving-shapes": Official(Split(12, 120), Split(24, 240), (256, 256)),
}
PROTOCOLS = (
    *("kmeans-frame", "kmeans-clip", "kmeans-dataset", "overcluster-clip", "overcluster-dataset"),
    *("temporal", "propagation", "linear", "retrieval", "foreground"),
)


@dataclass(frozen=True)
class Architecture:
    """A kind of backbone and how many of ten models are of it; all have patches of 16."""

    name: str
    of_ten: int
    depth: int
    channels: int


ARCHITECTURES = (
    Architecture("ViT-S/16", 6, 12, 384),
    Architecture("ViT-B/16", 3, 12, 768),
    Architecture("ViT-L/16", 1, 24, 1024),
)
"""An assumption: six of ten published backbones that are compared are small."""
FRAMES_PER_SECOND = 3200.0
"""ViT-S/16 at 224 x 224 on one GPU: timm's table of an RTX 3090 with mixed precision
(results/benchmark-infer-amp-nchw-pt113-cu117-rtx3090.csv) has 3 199.98 images a second. Other
sizes and architectures follow by their multiplications."""
READ_S = 0.011
"""To read and resize a frame of 480 x 854 on one core (docs/notes/speed.md)."""
READERS = 8
"""Threads of a worker that read frames."""
TAUGHT = 126 / 171
"""Frames that were learned from for each scored one when `seconds_per_frame` of the protocols was
measured, on one core; it is taken as it is for every worker, although several cores or a GPU make
some protocols faster. Protocols that learn take longer in proportion to all frames they see."""
TASK_S = 0.05
"""What a task costs beside its work: the aim of bench_scale.py."""
START_S = 15.0
"""Start of a process: Python, PyTorch, a model."""
STORAGE = 5e9
"""Bytes a second that all workers together read from the shared folder; an assumption."""
NUMBER_BYTES = 4
"""Of a stored number; 2 with --dtype bf16."""


@dataclass(frozen=True)
class Grid:
    """A grid, and the workers that compute it."""

    models: int = 30
    datasets: int = 6
    protocols: int = 10
    seeds: int = 5
    gpus: int = 32
    frames_per_second: float = FRAMES_PER_SECOND
    range_frames: int = ExecutorOptions.range_frames


# ------------------------------------------------------------------------- the plan of it


def _unread(what: str, t: int) -> object:
    raise AssertionError(f"frame {t} of {what} was read, and there is none")


def _opened(name: str, root: Path | None, split: str | None) -> Dataset:
    """Return a data set of official size whose frames cannot be read."""
    card, sizes = datasets[name].card, OFFICIAL[name]
    chosen = split or card.splits[0]
    part = sizes.learned if chosen in card.training else sizes.scored
    each, more = divmod(part.frames, part.clips)
    labels = partial(_unread, name)
    clips = [
        Clip(
            name=f"{chosen}-{i:05d}",
            n_frames=each + (i < more),
            image=labels,  # type: ignore[arg-type]
            semantic=labels if card.clip_labels == "semantic" else None,  # type: ignore[arg-type]
            instance=labels if card.clip_labels == "instance" else None,  # type: ignore[arg-type]
        )
        for i in range(part.clips)
    ]
    return Dataset(
        card=card,
        split=chosen,
        clips=clips,
        manifest_sha256=("ab" if chosen in card.training else "cd") * 32,
        classes=card.classes,
        dataset_labels=card.dataset_labels,
    )


class Unbuilt:
    """Stands for a backbone of an architecture; only its card is looked at."""

    def __init__(self, name: str, kind: Architecture) -> None:
        self.card = ModelCard(
            name=name, revision="unbuilt", patch_size=16, embed_dim=kind.channels
        )

    def extract(self, images: object) -> object:
        """Refuse."""
        raise AssertionError("a calculation runs no model")


def kind_of(position: int) -> Architecture:
    """Return the architecture of the model at a position, the same in every ten models."""
    left = position % 10
    for kind in ARCHITECTURES:
        if left < kind.of_ten:
            return kind
        left -= kind.of_ten
    raise AssertionError("ARCHITECTURES are fewer than ten of ten")


@contextmanager
def planned(grid: Grid) -> Iterator[tuple[list[Cell], list[Task]]]:
    """Lay out a grid as a run would; the registries hold its data sets and models meanwhile."""
    names = [f"grid/m{i:03d}" for i in range(grid.models)]
    kinds = {name: kind_of(i) for i, name in enumerate(names)}
    entries = {
        name: ModelEntry(card=None, build=partial(Unbuilt, name, kind))  # type: ignore[arg-type]
        for name, kind in kinds.items()
    }
    chosen = list(OFFICIAL)[: grid.datasets]
    opened = {
        name: DatasetEntry(card=datasets[name].card, open=partial(_opened, name))
        for name in chosen
    }
    with ExitStack() as stack:
        stack.enter_context(models.overridden(entries))
        stack.enter_context(datasets.overridden(opened))
        selection = make_selection(
            {
                "model": names,
                "dataset": chosen,
                "protocol": PROTOCOLS[: grid.protocols],
                "seeds": tuple(range(grid.seeds)),
                "device": "cpu",
            }
        )
        plan = make_plan(selection)
        yield list(plan.cells), make_tasks(plan, range_frames=grid.range_frames)
