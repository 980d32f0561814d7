"""J and F against PyPI's vos-benchmark: the same numbers, and how much faster.

    python scripts/bench_boundary.py             some objects at 480 × 854, half a minute
    python scripts/bench_boundary.py --frames 70 --objects 8

Masks of objects that move and change their outline, and predictions that are off by some pixels,
are generated from a seed. Both score every frame in turn, from arrays, on one thread; the numbers
of every object must agree to 1e-12. The rival is not needed for anything else, and nothing is
installed by this script:

    pip install vos-benchmark==0.1.0
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from numpy.typing import NDArray

from tvseg_bench.benchmark.metrics.boundary import TOLERANCE, FrameObjects, tolerance_radius
from tvseg_bench.benchmark.metrics.davis_jf import object_scores

Frames = list[tuple[NDArray[np.uint8], NDArray[np.uint8]]]
"""Truth and prediction [H, W] of each frame, ids 0..N."""
Pair = NDArray[np.float64]
"""(row, column)."""
Scores = NDArray[np.float64]
"""[N, 2] mean J and F of each object."""
AGREE = 1e-12


@dataclass(frozen=True)
class Thing:
    """An ellipse with a wavy outline that moves in a straight line; pixels and radians."""

    centre: Pair
    speed: Pair
    radii: Pair
    waves: int
    phase: float

    def mask(self, size: tuple[int, int], t: int, shift: Pair, turn: float) -> NDArray[np.bool_]:
        """Return the mask [H, W] at a time, moved and turned a little."""
        y, x = np.ogrid[: size[0], : size[1]]
        cy, cx = self.centre + t * self.speed + shift
        dy, dx = (y - cy) / self.radii[0], (x - cx) / self.radii[1]
        angle = np.arctan2(dy, dx) * self.waves + self.phase + 0.2 * t + turn
        return np.hypot(dy, dx) < 1 + 0.15 * np.sin(angle)


def workload(n_frames: int, n_objects: int, size: tuple[int, int], seed: int) -> Frames:
    """Return the frames: things over each other, and predictions that are off by some pixels."""
    rng = np.random.default_rng(seed)
    things = [
        Thing(
            centre=rng.uniform(0.15, 0.85, 2) * size,
            speed=rng.normal(0, 4, 2),
            radii=rng.uniform(0.08, 0.25, 2) * min(size),
            waves=int(rng.integers(3, 12)),
            phase=float(rng.uniform(0, 2 * np.pi)),
        )
        for _ in range(n_objects)
    ]
    frames = []
    for t in range(n_frames):
        truth, predicted = np.zeros((2, *size), np.uint8)
        for k, thing in enumerate(things, start=1):
            truth[thing.mask(size, t, np.zeros(2), 0.0)] = k
            predicted[thing.mask(size, t, rng.normal(0, 4, 2), 0.4)] = k
        frames.append((truth, predicted))
    return frames


def ours(frames: Frames, n_objects: int) -> Iterator[tuple[Scores, Scores]]:
    """Yield J and F [N] of every frame."""
    radius = tolerance_radius(TOLERANCE, frames[0][0].shape)
    for truth, predicted in frames:
        found = object_scores(
            FrameObjects(truth, n_objects), FrameObjects(predicted, n_objects), radius, "same"
        )
        yield np.diag(found.j), np.diag(found.f)


def mean_scores(frames: Frames, n_objects: int) -> Scores:
    """Return what this suite gives."""
    return np.mean([np.stack(pair, axis=1) for pair in ours(frames, n_objects)], axis=0)


def rival_scores(frames: Frames, n_objects: int) -> Scores:
    """Return what vos-benchmark gives, from the evaluator that its command line feeds."""
    from vos_benchmark.evaluator import Evaluator

    evaluator = Evaluator()
    for truth, predicted in frames:
        evaluator.feed_frame(predicted, truth)
    j, f = evaluator.conclude()
    return np.array([[j[k], f[k]] for k in range(1, n_objects + 1)]) / 100


def timed(work: Callable[[], Scores]) -> tuple[float, Scores]:
    """Return processor seconds and the numbers."""
    begin = time.process_time()
    scores = work()
    return time.process_time() - begin, scores


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=30)
    parser.add_argument("--objects", type=int, default=4)
    parser.add_argument("--size", type=int, nargs=2, default=(480, 854), metavar=("H", "W"))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    frames = workload(given.frames, given.objects, tuple(given.size), given.seed)
    pairs = given.frames * given.objects
    print(
        f"{given.frames} frames of {given.size[0]} x {given.size[1]}, {given.objects} objects, "
        f"processor time, medians of {given.repeats}:"
    )
    mean_scores(frames[:1], given.objects)  # compiles
    if importlib.util.find_spec("vos_benchmark") is None:
        runs = [timed(lambda: mean_scores(frames, given.objects)) for _ in range(given.repeats)]
        print_times("ours", [seconds for seconds, _ in runs], pairs)
        print("  vos-benchmark is not installed; type: pip install vos-benchmark==0.1.0")
        return
    import cv2

    cv2.setNumThreads(1)
    both = [
        (
            timed(lambda: mean_scores(frames, given.objects)),
            timed(lambda: rival_scores(frames, given.objects)),
        )
        for _ in range(given.repeats)
    ]
    print_times("ours", [mine for (mine, _), _ in both], pairs)
    print_times("vos-benchmark", [theirs for _, (theirs, _) in both], pairs)
    (_, found), (_, expected) = both[0]
    apart = float(np.abs(found - expected).max())
    ratio = statistics.median(theirs / mine for (mine, _), (theirs, _) in both)
    print(f"  mean J {found[:, 0].mean():.6f}, mean F {found[:, 1].mean():.6f}")
    print(f"  ratio x{ratio:.1f}; the numbers of an object differ by at most {apart:.1e}")
    if apart > AGREE:
        raise SystemExit(f"the numbers differ by more than {AGREE:.0e}")


def print_times(name: str, seconds: list[float], pairs: int) -> None:
    """Print the median."""
    median = statistics.median(seconds)
    print(f"  {name:13} {median:7.3f} s  {1000 * median / pairs:6.3f} ms per object and frame")


if __name__ == "__main__":
    main()
