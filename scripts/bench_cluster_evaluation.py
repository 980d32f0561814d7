"""The share of clustering in a complete evaluation, and what several evaluations share."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from bench_cluster_rivals import timed

import tvseg_bench
from tvseg_bench.benchmark.evaluation import RunContext
from tvseg_bench.benchmark.features.extract import ExtractOptions, feature_set
from tvseg_bench.benchmark.registry import protocols
from tvseg_bench.benchmark.types import Dataset

PARTS = (
    ("read masks", "tvseg_bench.protocols.kmeans.evaluation", ("read_truth",)),
    ("standardise, PCA", "tvseg_bench.protocols.kmeans.projection", ("fit", "fit_projection")),
    ("k-means", "tvseg_bench.protocols.kmeans.evaluation", ("cluster_frames",)),
    ("labels at full size", "tvseg_bench.protocols.kmeans.clusters", ("assign_upsampled",)),
    ("contingency", "tvseg_bench.protocols.kmeans.evaluation", ("contingency",)),
    ("patch-grid oracle", "tvseg_bench.protocols.common.ground_truth", ("oracle_table",)),
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
        from tvseg_bench.benchmark.features.extraction_pass import ExtractionPass

        ExtractionPass._decode = self.wrap("decode and resize frames", ExtractionPass._decode)  # type: ignore[method-assign]
        for name, module, functions in PARTS:
            home = __import__(module, fromlist=["_"])
            for function in functions:
                if hasattr(home, function):
                    setattr(home, function, self.wrap(name, getattr(home, function)))


def one_clip(real: bool) -> Dataset:
    """Return a data set of one clip: a DAVIS sequence where there is one."""
    tvseg_bench.register_builtins()
    dataset = tvseg_bench.load_dataset("davis-2016:train" if real else "moving-shapes")
    clip = dataset.clips[0]
    return replace(dataset, clips=[replace(clip, n_frames=min(clip.n_frames, 32))])


def share_of_evaluation(real: bool) -> None:
    """Print which share of `kmeans-clip`, ViT-S/16, is not the forward pass, and the profile.

    On one thread, in processor time, so that other work on the machine counts on neither side.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    dataset, clock = one_clip(real), Clock()
    model = tvseg_bench.load_model("baseline/random").model
    evaluation = protocols["kmeans-clip"].build(protocols["kmeans-clip"].presets["standard"])
    model.extract = clock.wrap("forward", model.extract)
    clock.watch()

    def evaluate() -> None:
        options = ExtractOptions(device="cpu", batch_size=8)
        features = feature_set(model, dataset, evaluation.view(dataset), options)
        evaluation.evaluate(features, RunContext())

    evaluate()  # compiles and imports
    clock.spent.clear()
    wall, cpu, _ = timed(evaluate)
    torch.set_num_threads(threads)
    forward = clock.spent.pop("forward")
    frames = sum(clip.n_frames for clip in dataset.clips)
    height, width = dataset.clips[0].image(0).shape[:2]
    print(
        f"\n## A complete evaluation, kmeans-clip of a random ViT-S/16, fp32, this CPU\n\n"
        f"{dataset.card.name} {dataset.clips[0].name}, {frames} frames {height}x{width}, short "
        f"side 224, masks at full size, one thread, {cpu:.1f} s of processor time ({wall:.1f} s "
        f"of the wall clock): **{1 - forward / cpu:.1%} outside the forward pass** (aim: < 5 %)\n"
    )
    print("| part | ms per frame | share |\n|---|---|---|")
    clock.spent["everything else"] = cpu - forward - sum(clock.spent.values())
    for name, spent in [("forward pass", forward), *clock.spent.items()]:
        print(f"| {name} | {1000 * spent / frames:.2f} | {spent / cpu:.2%} |")
    sys.stdout.flush()


def sharing(real: bool, seeds: int = 5) -> None:
    """Print how long several cells take in one run and in runs of their own."""
    from tvseg_bench.benchmark.execution.run import run_selection
    from tvseg_bench.benchmark.execution.selection import Selection

    tvseg_bench.register_builtins()
    dataset = "davis-2016:train" if real else "moving-shapes"
    print(
        f"\n## {dataset}, first clip, in one run and in runs of their own (features on disk)\n\n"
        "| cells | apart: s of processor time | together | ratio |\n|---|---|---|---|",
        flush=True,
    )

    def run(folder: str, protocol: tuple[str, ...], which: tuple[int, ...]) -> None:
        run_selection(
            Selection(
                model=("baseline/pixels",),
                protocol=protocol,
                dataset=(dataset,),
                seeds=which,
                limit=1,
                output=Path(folder),
                force=True,
            )
        )

    every = tuple(range(seeds))
    scopes = ("kmeans-frame", "kmeans-clip", "kmeans-dataset", "overcluster-clip")
    cases: list[tuple[str, tuple[str, ...], tuple[int, ...]]] = [
        (f"kmeans-clip, seeds 0-{seeds - 1}", ("kmeans-clip",), every),
        ("kmeans-frame, kmeans-clip, kmeans-dataset, overcluster-clip", scopes, (0,)),
        (f"the four, seeds 0-{seeds - 1}", scopes, every),
    ]
    with tempfile.TemporaryDirectory() as folder:
        run(folder, scopes, (0, 1))  # features are cached, imports done
        for name, names, which in cases:
            apart = timed(lambda: [run(folder, (p,), (s,)) for p in names for s in which])  # noqa: B023
            together = timed(lambda: run(folder, names, which))  # noqa: B023
            ratio = apart[1] / together[1]
            print(f"| {name} | {apart[1]:.2f} | {together[1]:.2f} | {ratio:.2f} |", flush=True)
