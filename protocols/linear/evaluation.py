"""`linear`: a linear probe on frozen features, trained on some clips and scored on others.

It measures what can be read off single patches by one matrix (Leopart, NeCo, TimeT, DINOv3). The
labels are supervised, so nothing is matched: a predicted label is that label.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from tvseg_bench.benchmark.clustering import Moments, Projection
from tvseg_bench.benchmark.devices import resolve_device
from tvseg_bench.benchmark.evaluation import Needs, Recorder, RunContext
from tvseg_bench.benchmark.statistics.intervals import mean_and_sd
from tvseg_bench.benchmark.types import VOID, ClipFeatures, Dataset, FeatureSet, Score, View
from tvseg_bench.protocols.common.ground_truth import distinct
from tvseg_bench.protocols.common.labelled_patches import Patches, collect, training_truth
from tvseg_bench.protocols.common.linear_probe import (
    Probe,
    ProbeFit,
    conditioned,
    fit_logistic,
    folded,
)
from tvseg_bench.protocols.common.resize import resize_nearest
from tvseg_bench.protocols.common.supervised import (
    TrainingClips,
    check_labelled,
    evaluate,
    two_or_more,
    upsampled_argmax,
)
from tvseg_bench.protocols.linear import LinearConfig
from tvseg_bench.protocols.linear.frame_store import FrameStore
from tvseg_bench.protocols.linear.sliding_window import slide
from tvseg_bench.protocols.linear.train_probe import train_probe


@dataclass(frozen=True)
class LinearProbe:
    """The protocol: train a probe, predict every pixel, score by identity."""

    config: LinearConfig

    @property
    def needs(self) -> Needs:
        """A training split, and two passes for every probe: to learn and to score."""
        return Needs(training=True, passes=2 * self.config.probe_seeds)

    def view(self, dataset: Dataset) -> View:
        """Return what the model is shown."""
        return self.config.view(dataset)

    def check_dataset(self, dataset: Dataset) -> None:
        """Raise NotApplicableError where there is nothing to learn from or to score."""
        check_labelled(dataset)

    def evaluate(self, features: FeatureSet, run: RunContext) -> Score:
        """Train on the training clips, or on each half of the clips for the other, and score.

        What is recorded is the first probe's.
        """
        scores = [
            evaluate(
                features,
                self.config,
                partial(self._learn, seed=_probe_seed(run.seed, i), device=run.device),
                replace(run, recorder=Recorder()) if i else run,
            )
            for i in range(self.config.probe_seeds)
        ]
        found = [s.metrics["miou"] for s in scores]
        mean, deviation = mean_and_sd([v for v in found if v is not None])
        spread = {"miou": found, "mean": mean, "sd": deviation}
        return replace(scores[0], details={**scores[0].details, "probe_seeds": spread})

    def _learn(self, training: TrainingClips, seed: int, device: str) -> TrainedProbe:
        fit = _convex if self.config.optimizer == "lbfgs" else _batched
        probe, details = fit(training, self.config, seed, resolve_device(device))
        details = {"labels": probe.labels.tolist(), **details}
        return TrainedProbe(probe, self.config, training.features.patch_size, details)


@dataclass(frozen=True)
class TrainedProbe:
    """A probe that labels frames."""

    probe: Probe
    config: LinearConfig
    patch: int
    details: Mapping[str, Any] = field(default_factory=dict)

    def maps(
        self, clip: ClipFeatures, sizes: Sequence[tuple[int, int]]
    ) -> Iterator[NDArray[np.int64]]:
        """Yield the labels of one frame after the other, at the sizes given."""
        config = self.config
        for tokens, size in zip(clip.tokens, sizes, strict=True):
            logits = self.probe(tokens)
            if config.inference == "sliding":
                logits = slide(logits, self.patch, config.window, config.window_stride)
            yield self.probe.labels[upsampled_argmax(logits, size)]


def _probe_seed(seed: int, index: int) -> int:
    """Return the seed of a probe; the first one's is the run's."""
    if index == 0:
        return seed
    return int(np.random.SeedSequence([seed, index]).generate_state(1)[0])


def _convex(
    training: TrainingClips, config: LinearConfig, seed: int, device: torch.device
) -> tuple[Probe, dict[str, Any]]:
    """Solve the logistic regression of the patches' shares of labels."""
    patches = collect(training.features, training.kind, seed, limit=config.max_patches)
    labels = two_or_more(patches.labels, training.features)
    projection = _projection(patches, config)
    scale, penalty = conditioned(projection, config.l2)
    x = projection(patches.tokens)
    x *= scale.astype(np.float32)
    fit = fit_logistic(
        x,
        patches.shares,
        patches.mass,
        penalty,
        max_iter=config.max_iter,
        tol=config.tol,
        device=device,
    )
    return folded(labels, fit, projection, scale), _fit_details(patches, fit)


def _projection(patches: Patches, config: LinearConfig) -> Projection:
    """Return the rotation onto principal axes, of standardised features where they are asked for.

    The rotation is for conditioning alone: all dimensions stay, and a penalty of squares does not
    see it.
    """
    moments = Moments()
    moments.update(patches.tokens)
    depth = patches.tokens.shape[1]
    if config.scaling == "standardise":
        return moments.projection(depth)
    variances, vectors = np.linalg.eigh(moments.comoment / moments.count)
    return Projection(
        moments.mean, np.ones(depth), vectors[:, ::-1].T, np.maximum(variances[::-1], 0)
    )


def _fit_details(patches: Patches, fit: ProbeFit) -> dict[str, Any]:
    return {
        "frames": patches.frames,
        "patches": len(patches.tokens),
        "patches_seen": patches.seen,
        "loss": round(fit.loss, 6),
        "iterations": fit.iterations,
        "converged": fit.converged,
    }


def _batched(
    training: TrainingClips, config: LinearConfig, seed: int, device: torch.device
) -> tuple[Probe, dict[str, Any]]:
    """Train by a published recipe on frames and their masks."""
    declared = training.features.dataset.classes
    with FrameStore() as frames:
        seen = _fill(frames, training, config)
        two_or_more(np.array(sorted(seen)), training.features)
        labels = np.array(sorted(seen | set(range(len(declared)))), np.int64)
        probe, losses = train_probe(frames, labels, config, seed, device)
        return probe, {"frames": len(frames), "loss": losses[-1], "losses": losses}


def _fill(frames: FrameStore, training: TrainingClips, config: LinearConfig) -> set[int]:
    """Keep the frames to learn from with their masks; return the labels that occur, not void."""
    seen: set[int] = set()
    for clip in training.features:
        masks = training_truth(clip, training.kind, "input", training.features.patch_size)
        for tokens, mask in zip(clip.tokens, masks, strict=True):
            if config.train_size != "input":
                side = config.train_size
                mask = resize_nearest(mask, (side, side), "upper-left")
            seen |= distinct([mask])
            frames.add(tokens, mask)
    return seen - {VOID}
