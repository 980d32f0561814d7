"""Checks that measure: how fast a model is, and whether it beats a random network on toys."""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from typing import Any

import torch

from tvseg_bench.benchmark.contract.model_probe import (
    CLIP_FRAMES,
    Finding,
    Subject,
    not_applicable,
    ok,
    warning,
)
from tvseg_bench.benchmark.data.moving_shapes.generator import open_dataset
from tvseg_bench.benchmark.errors import NotApplicableError
from tvseg_bench.benchmark.evaluation import RunContext
from tvseg_bench.benchmark.features.extract import ExtractOptions, feature_set
from tvseg_bench.benchmark.plugins.load import load_model
from tvseg_bench.benchmark.registry import models, protocols
from tvseg_bench.benchmark.statistics.comparison import paired_difference
from tvseg_bench.benchmark.types import Dataset, FeatureModel, Score

TOY_PROTOCOL = "kmeans-clip"
BASELINE = "baseline/random"
CLIPS, CLIPS_FULL = 4, 12
FRAMES = 3
"""Frames of each clip, equidistant."""
_MIN_SECONDS = 1.0


def speed(subject: Subject) -> Finding:
    """Measure frames per second in batches of eight, and the peak of memory."""
    images = subject.images(subject.together)
    seen = len(images) * (CLIP_FRAMES if subject.kind == "clip" else 1)
    if subject.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(subject.device)
    done, begin = 0, time.perf_counter()
    while not done or time.perf_counter() - begin < _MIN_SECONDS:
        _ = float(subject.maps(images).sum())  # waits for the device
        done += seen
    per_second = done / (time.perf_counter() - begin)
    memory = _peak_mb(subject.device)
    shown = "not known here" if memory is None else f"{memory:.0f} MiB"
    where = "GPU" if subject.device.type == "cuda" else "process"
    return ok(
        f"{per_second:.1f} images of {subject.side}x{subject.side} a second on "
        f"{subject.device.type} in float32; peak memory of the {where} {shown}",
        fps=round(per_second, 2),
        peak_mb=None if memory is None else round(memory, 1),
        threads=torch.get_num_threads(),
    )


def _peak_mb(device: torch.device) -> float | None:
    """Return MiB: allocated on the GPU, else the largest the process ever was."""
    if device.type == "cuda":
        return float(torch.cuda.max_memory_allocated(device)) / 2**20
    if sys.platform == "win32":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


def toy(subject: Subject) -> Finding:
    """Compare with an untrained network under a reduced `kmeans-clip` on `moving-shapes`.

    Losing is a warning, no failure: an honest bad model is a result like any other.
    """
    if subject.kind == "segmenter":
        return not_applicable("the model gives segments, no features to cluster")
    if protocols.loaded(TOY_PROTOCOL) is None or models.loaded(BASELINE) is None:
        return not_applicable(f"{TOY_PROTOCOL} or {BASELINE} is not registered here")
    if subject.card.name == BASELINE:
        return not_applicable("this is the random baseline itself")
    dataset = open_dataset()
    dataset = replace(dataset, clips=dataset.clips[: CLIPS_FULL if subject.full else CLIPS])
    try:
        own = _score(subject.loaded.model, dataset, subject)
        random = _score(load_model(BASELINE).model, dataset, subject)
    except NotApplicableError as reason:
        return not_applicable(str(reason))
    found = paired_difference(own.clips, random.clips, "miou")
    numbers = {
        "miou": own.metrics["miou"],
        f"miou of {BASELINE}": random.metrics["miou"],
        "difference, low": found.lo,
        "difference, high": found.hi,
        "clips": found.n,
    }
    if found.value is None or found.value <= 0:
        return warning(
            f"no better than {BASELINE} under {TOY_PROTOCOL} on {found.n} clips of moving-shapes "
            "(no failure: it may be submitted); if that is unexpected, look at normalisation and "
            "layer",
            **numbers,
        )
    sure = "" if found.different else ", within chance of so few clips"
    return ok(
        f"{100 * found.value:.1f} points above {BASELINE} under {TOY_PROTOCOL} on {found.n} clips "
        f"of moving-shapes{sure}",
        **numbers,
    )


def _score(model: Any, dataset: Dataset, subject: Subject) -> Score:
    entry = protocols[TOY_PROTOCOL]
    standard = entry.presets["standard"]
    evaluation = entry.build(standard.model_copy(update={"frames": FRAMES}))
    asked: FeatureModel = model
    features = feature_set(
        asked, dataset, evaluation.view(dataset), ExtractOptions(device=str(subject.device))
    )
    return evaluation.evaluate(features, RunContext())
