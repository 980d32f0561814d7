"""What of a whole evaluation is spent on clustering, and what several of them share."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from bench_cluster_rivals import timed

import tvseg_bench
from tvseg_bench.benchmark.features import ExtractOptions, feature_set
from tvseg_bench.benchmark.registry import protocols
from tvseg_bench.benchmark.types import Dataset

PARTS = (
    ("decode and resize frames", "tvseg_bench.benchmark.extraction", ("_prepare", "_decode")),
    ("read masks", "tvseg_bench.protocols.kmeans", ("read_truth",)),
    ("standardise, PCA", "tvseg_bench.protocols.kmeans_features", ("fit", "fit_projection")),
    ("k-means", "tvseg_bench.protocols.kmeans", ("cluster_frames",)),
    ("labels at full size", "tvseg_bench.protocols.kmeans_clusters", ("assign_upsampled",)),
    ("contingency", "tvseg_bench.protocols.kmeans", ("contingency",)),
    ("patch-grid oracle", "tvseg_bench.protocols.truth", ("oracle_table",)),
)


class Clock:
    """Adds up the processor time of the threads inside the functions that it wraps."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = {}

    def wrap(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function that does the same and is timed."""

        def call(*args: Any, **settings: Any) -> Any:
            begin = time.thread_time()
            try:
                return function(*args, **settings)
            finally:
                spent = time.thread_time() - begin
                self.spent[name] = self.spent.get(name, 0.0) + spent

        return call

    def watch(self) -> None:
        """Wrap the parts of an evaluation, where they are looked up."""
        for name, module, functions in PARTS:
            home = __import__(module, fromlist=["_"])
            for function in functions:
                if hasattr(home, function):
                    setattr(home, function, self.wrap(name, getattr(home, function)))


def one_clip(real: bool) -> Dataset:
    """Return a data set of one clip: a DAVIS sequence where there is one."""
    tvseg_bench.register_builtins()
    dataset = tvseg_bench.load_dataset("davis-2016:train" if real else "moving-shapes")
    return replace(dataset, clips=dataset.clips[:1])


def share_of_evaluation(real: bool) -> None:
    """Print which share of `kmeans-clip`, ViT-S/16, is not the forward pass, and the profile.

    On one thread, in processor time, so that other work on the machine counts on neither side.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    dataset, clock = one_clip(real), Clock()
    model = tvseg_bench.load_model("baseline/random").model
    evaluation: Any = protocols["kmeans-clip"].build(protocols["kmeans-clip"].presets["standard"])
    model.extract = clock.wrap("forward", model.extract)
    clock.watch()

    def evaluate() -> None:
        options = ExtractOptions(device="cpu", batch_size=8)
        evaluation(feature_set(model, dataset, evaluation.view(dataset), options), seed=0)

    evaluate()  # compiles and imports
    clock.spent.clear()
    wall, cpu, _ = timed(evaluate)
    torch.set_num_threads(threads)
    forward = clock.spent.pop("forward")
    frames = sum(clip.n_frames for clip in dataset.clips)
    height, width = dataset.clips[0].image(0).shape[:2]
    print(
        f"\n## A whole kmeans-clip evaluation of a ViT-S/16 (random weights), fp32, this CPU\n\n"
        f"{dataset.card.name} {dataset.clips[0].name}, {frames} frames {height}x{width}, short "
        f"side 224, masks at full size, one thread, {cpu:.1f} s of processor time ({wall:.1f} s "
        f"of the wall clock): **{1 - forward / cpu:.1%} outside the forward pass** (aim: < 5 %)\n"
    )
    print("| part | ms per frame | share |\n|---|---|---|")
    clock.spent["everything else"] = cpu - forward - sum(clock.spent.values())
    for name, spent in [("forward pass", forward), *clock.spent.items()]:
        print(f"| {name} | {1000 * spent / frames:.2f} | {spent / cpu:.2%} |")
    sys.stdout.flush()
