"""`retrieval`: dense nearest-neighbour retrieval from a memory of other clips' patches.

Every convention is a value with a name. Nothing here computes: importing this package loads
neither numpy nor torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from tvseg_bench.benchmark.registry import ProtocolEntry
from tvseg_bench.protocols.common.config import LearnedConfig, mean_iou_cards

if TYPE_CHECKING:
    from tvseg_bench.benchmark.evaluation import Evaluation
    from tvseg_bench.benchmark.registry import Registry


class RetrievalConfig(LearnedConfig):
    """Everything that moves a number of `retrieval`."""

    memory_size: int | Literal["all"] = 102_400
    """Patches in the memory: max(1, memory_size // frames) of every frame, or all of them."""
    pick: Literal["rare-first", "uniform"] = "rare-first"
    """Which patches of a frame where there are too many. rare-first, as published: the smallest
    products of a draw within 0..1 and the number of the frame's patches that hold the patch's
    labels, summed over these labels. uniform: by chance alone."""
    fraction: float = Field(default=1, gt=0, le=1)
    """Share of the training clips that the memory is made of, drawn by the run's seed; published
    for 1/8, 1/64 and 1/128 with five seeds."""
    void: Literal["exclude", "to-zero"] = "exclude"
    """What void pixels of the memory are: no label at all (patches of void alone are left out),
    or label 0."""
    memory_masks: Literal["gt", "input"] = "gt"
    """Whether a patch's labels are counted in the mask as stored or resized to the input."""
    duplicates: Literal["merge", "keep"] = "merge"
    """merge: patches with the same features to the last bit (still images, black borders) are
    one entry with the mean of their labels, so that it does not matter which of them a search
    meets first. keep: each is an entry."""
    k: int = Field(default=30, ge=1)
    """Neighbours of each patch, at most the memory's size."""
    temperature: float = Field(default=0.02, gt=0)
    """Of the softmax over the neighbours' cosine similarity."""
    backend: Literal["exact", "faiss-ivf"] = "exact"
    """exact: every patch of the memory is compared. faiss-ivf: only those in the `probes` nearest
    of `cells` cells; `details` hold the share of true neighbours found."""
    cells: int = Field(default=1024, ge=1)
    """Cells of `faiss-ivf`, fewer where the memory is small."""
    probes: int = Field(default=32, ge=1)
    """Cells that are searched for each patch."""
    recall_queries: int = Field(default=1000, ge=1)
    """Patches of the first scored clips on which `faiss-ivf` is compared with `exact`."""


STANDARD = RetrievalConfig()
"""A memory of at most 102 400 patches with soft labels, searched exactly; void nowhere counted,
labels at ground-truth size from upsampled votes."""

HUMMINGBIRD = RetrievalConfig(
    size=512,
    resize="square",
    score_size=512,
    matching="hungarian-iou",
    absent_class="zero",
    memory_size=10_240_000,
    void="to-zero",
    memory_masks="input",
    duplicates="keep",
)
"""open-hummingbird-eval (vpariza, v2; after arXiv 2306.01667) at 512 pixels; type size=504
score_size=504 for patches of 14. Predicted labels are matched by Hungarian although they are
supervised, void is label 0 in the memory, absent classes count 0. Its two epochs of random crops
and colour changes are not made (one memory entry per patch of the frame itself), its standard
deviation of .255 for blue and its approximate search (ScaNN) are not used."""


def register(protocols: Registry[ProtocolEntry]) -> None:
    """Add the protocol to the registry."""
    protocols.register(
        "retrieval",
        ProtocolEntry(
            version=1,
            title="dense nearest-neighbour retrieval from a memory of other clips' patches",
            paper="Towards In-context Scene Understanding, NeurIPS 2023, arXiv 2306.01667",
            presets={"standard": STANDARD, "hummingbird": HUMMINGBIRD},
            build=_build,
            metrics=mean_iou_cards("counts"),
            seconds_per_frame=0.23,
        ),
    )


def _build(config: RetrievalConfig) -> Evaluation:
    from tvseg_bench.protocols.retrieval.evaluation import Retrieval

    return Retrieval(config)
