"""Retrieval and linear probes, side by side with what people use now.

    python scripts/bench_probes.py            some minutes on two cores
    python scripts/bench_probes.py --quick    smaller, about one minute

Rivals run in the same process, in alternation, on equal threads; the printed ratios are medians
over the repeats, in wall-clock and in processor time, so that other work on the machine falls on
both. Retrieval: the exact blocked search against faiss's IndexFlatIP on the CPU. Linear probe: an
epoch with logits on the patch grid against one on features upsampled to mask resolution, with the
same loss and gradient, in frames of Leopart's recipe (448 pixels, patches of 16, masks of 100).
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import nn

from tvseg_bench.protocols.common.linear_probe import fit_logistic
from tvseg_bench.protocols.linear import LEOPART
from tvseg_bench.protocols.linear.train_probe import ProbeHead, descend
from tvseg_bench.protocols.retrieval.neighbours import nearest, normalised

Timed = tuple[float, float]
Frames = Sequence[tuple[np.ndarray, np.ndarray]]
K, CLASSES, GRID, MASK = 30, 21, 28, 100


def timed(function: Callable[[], object]) -> Timed:
    """Return wall-clock and processor seconds."""
    wall, cpu = time.perf_counter(), time.process_time()
    function()
    return time.perf_counter() - wall, time.process_time() - cpu


def alternate(
    ours: Callable[[], object], theirs: Callable[[], object], repeats: int
) -> list[tuple[Timed, Timed]]:
    """Time two rivals in turn, after one run of each that does not count."""
    ours(), theirs()
    return [(timed(ours), timed(theirs)) for _ in range(repeats)]


def print_times(name: str, runs: list[tuple[Timed, Timed]], amount: float, unit: str) -> None:
    """Print medians of speed and ratios."""
    fast, slow = (statistics.median(run[i][0] for run in runs) for i in (0, 1))
    wall, cpu = (statistics.median(b[i] / a[i] for a, b in runs) for i in (0, 1))
    print(
        f"{name:34} ours {amount / fast:10.4g} {unit}, theirs {amount / slow:10.4g}, "
        f"ratio x{wall:.2f} wall, x{cpu:.2f} processor",
        flush=True,
    )


def features(n: int, depth: int, seed: int) -> torch.Tensor:
    """Return unit vectors around a few hundred directions, as patches of things are."""
    draw = torch.Generator().manual_seed(seed)
    centres = torch.randn(300, depth, generator=torch.Generator().manual_seed(0))
    chosen = torch.randint(0, 300, (n,), generator=draw)
    return normalised(centres[chosen] + 0.7 * torch.randn(n, depth, generator=draw))


def retrieval(queries: int, size: int, depth: int, repeats: int) -> None:
    """Compare the searches; their neighbours are the same but for rounding."""
    import faiss

    faiss.omp_set_num_threads(torch.get_num_threads())
    memory, asked = features(size, depth, 1), features(queries, depth, 2)
    index = faiss.IndexFlatIP(depth)
    index.add(memory.numpy())
    found = nearest(asked, memory, K)
    expected = index.search(asked.numpy(), K)
    same = np.mean(
        [len({*a} & {*b}) for a, b in zip(found.index.tolist(), expected[1].tolist(), strict=True)]
    )
    runs = alternate(
        lambda: nearest(asked, memory, K), lambda: index.search(asked.numpy(), K), repeats
    )
    print_times(f"retrieval {queries} x {size} x {depth}", runs, queries * size / 1e6, "M pairs/s")
    print(f"    the same neighbours: {same / K:.6f}")


def frames(n: int, depth: int) -> Frames:
    """Return tokens and masks of n frames."""
    rng = np.random.default_rng(0)
    return [
        (
            rng.normal(size=(GRID, GRID, depth)).astype("f4"),
            rng.integers(0, CLASSES, (MASK, MASK)).astype("u1"),
        )
        for _ in range(n)
    ]


def on_grid(data: Frames, batch: int) -> None:
    """Train one epoch as this suite does."""
    draw = torch.Generator().manual_seed(0)
    head = ProbeHead(data[0][0].shape[-1], CLASSES, LEOPART, draw)
    optimizer = torch.optim.SGD(head.parameters(), 0.01, 0.9, weight_decay=1e-4)
    for start in range(0, len(data), batch):
        optimizer.zero_grad()
        descend(head, data[start : start + batch], np.arange(CLASSES), draw, torch.device("cpu"))
        optimizer.step()


def at_mask_size(data: Frames, batch: int) -> None:
    """Train one epoch as published: features upsampled, then a convolution."""
    head = nn.Conv2d(data[0][0].shape[-1], CLASSES, 1)
    optimizer = torch.optim.SGD(head.parameters(), 0.01, 0.9, weight_decay=1e-4)
    for start in range(0, len(data), batch):
        part = data[start : start + batch]
        tokens = torch.from_numpy(np.stack([t for t, _ in part])).permute(0, 3, 1, 2)
        masks = torch.from_numpy(np.stack([m for _, m in part])).long()
        optimizer.zero_grad()
        with torch.no_grad():
            large = nn.functional.interpolate(tokens, size=(MASK, MASK), mode="bilinear")
        nn.functional.cross_entropy(head(large), masks, ignore_index=255).backward()
        optimizer.step()


def probes(n: int, depth: int, batch: int, repeats: int) -> None:
    """Compare an epoch of each."""
    data = frames(n, depth)
    runs = alternate(lambda: on_grid(data, batch), lambda: at_mask_size(data, batch), repeats)
    print_times(f"probe {n} frames, D = {depth}", runs, 1, "epochs/s")


def convex(n: int, depth: int) -> None:
    """Print the cost of the standard fit."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, depth)).astype("f4")
    targets = np.eye(CLASSES, dtype="f4")[(x @ rng.normal(size=(depth, CLASSES))).argmax(1)]
    begin = time.perf_counter()
    fit = fit_logistic(x, targets, np.ones(n, "f4"), np.full(depth, 1e-2), tol=1e-6)
    seconds = time.perf_counter() - begin
    print(
        f"standard fit of {n} patches, D = {depth}: {fit.iterations} iterations, {seconds:.1f} s"
    )


def main() -> None:
    """Print all tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="smaller, fewer repeats")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(f"torch {torch.__version__}, {options.threads} threads, {os.cpu_count()} processors")
    repeats = 3 if options.quick else 7
    sizes = (
        [(2048, 20_480, 384)] if options.quick else [(4096, 102_400, 384), (4096, 102_400, 768)]
    )
    for queries, size, depth in sizes:
        retrieval(queries, size, depth, repeats)
    n = 16 if options.quick else 60
    for depth in (384, 768):
        probes(n, depth, batch=n, repeats=repeats)
    convex(20_000 if options.quick else 200_000, 384)


if __name__ == "__main__":
    main()
