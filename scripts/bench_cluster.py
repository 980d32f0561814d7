"""Clustering, side by side: this suite against the published pipeline and all-pixel k-means.

    python scripts/bench_cluster.py                 all tables, about 25 minutes on two cores
    python scripts/bench_cluster.py --quick         fewer clips and repeats, some minutes
    python scripts/bench_cluster.py --scale         94 000 frames out of core (14 GB of disk)

Real frames are used where TVSEG_DATA names a folder that has them, else generated smooth maps.
Rivals run in the same process, in alternation; the printed ratios are medians over the repeats,
in wall-clock and in processor time, so that other work on the machine falls on both.
"""

from __future__ import annotations

import argparse
import platform
import resource
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from tvseg_bench.benchmark.clustering import (
    Chunk,
    assign_upsampled,
    kmeans_streamed,
    kmeans_upsampled,
)

sys.path.insert(0, str(Path(__file__).parent))
from bench_cluster_evaluation import share_of_evaluation, sharing
from bench_cluster_features import Source
from bench_cluster_rivals import (
    MAX_ITER,
    N_INIT,
    faiss_all,
    ours,
    peak_mib,
    published,
    sklearn_all,
    timed,
    upsampled,
)


def row(*cells: object) -> None:
    """Print one row of a Markdown table."""
    print("| " + " | ".join(str(cell) for cell in cells) + " |", flush=True)


def heading(title: str, *columns: str) -> None:
    """Print a title and the head of a table."""
    print(f"\n## {title}\n")
    row(*columns)
    row(*("---" for _ in columns))


def median(values: list[float]) -> float:
    """Return the median."""
    return statistics.median(values)


def against_published(source: Source, clips: list[str], repeats: int) -> None:
    """Compare with the published pipeline, on clips x repeats in alternation."""
    heading(
        "End to end against the published pipeline (5 restarts each)",
        *("frames", "upsampling", "K", "published s", "ours s", "ratio wall", "ratio cpu"),
        *("target", "inertia ours / published (median, target <= 1)"),
    )
    cases = [(1, 14, k) for k in (3, 5, 10, 21)] + [(4, 14, k) for k in (3, 5, 10, 21)]
    cases += [(16, 14, 10), (64, 14, 3), (64, 14, 10), (64, 14, 21), (1, 28, 10), (4, 28, 10)]
    for frames, grid, k in cases:
        size = (grid * 16, grid * 16)
        slow, fast, inertia = [], [], []
        few = frames * grid > 100
        for clip in clips[:2] if few else clips:
            f = source(clip, frames, grid)
            ours(f, size, k, 0)
            for seed in range(1, 2 if few else 1 + repeats):
                slow.append(timed(lambda: published(f, size, k, seed)))  # noqa: B023
                fast.append(timed(lambda: ours(f, size, k, seed)))  # noqa: B023
                inertia.append(fast[-1][2] / slow[-1][2])
        pairs = list(zip(slow, fast, strict=True))
        row(
            *(frames, f"{grid}->{size[0]}", k),
            *(f"{median([t[0] for t in side]):.4f}" for side in (slow, fast)),
            *(f"{median([s[i] / q[i] for s, q in pairs]):.1f}" for i in (0, 1)),
            *("2" if frames == 1 or k == 21 else "5", f"{median(inertia):.4f}"),
        )


def against_all_pixels(source: Source, clip: str, quick: bool) -> None:
    """Compare with the faster of two exact rivals on explicit pixels, same restarts."""
    heading(
        f"Against k-means on all explicit pixels ({N_INIT} restarts, {MAX_ITER} iterations)",
        *("frames", "upsampling", "K", "faiss s", "scikit-learn s", "ours s"),
        *("ratio wall", "ratio cpu", "target", "inertia ours / faiss", "ours / scikit-learn"),
    )
    cases = [(1, 14, 224, 10), (1, 28, 448, 10), (4, 14, 224, 10), (16, 14, 224, 10)]
    cases += (
        []
        if quick
        else [(64, 14, 112, 10), (100, 14, 112, 10), (4, 14, 112, 500), (16, 14, 112, 500)]
    )
    for frames, grid, side, k in cases:
        f, size = source(clip, frames, grid), (side, side)
        ours(f, size, k, 0)
        pixels = upsampled(f, size, torch.float32)
        rivals = [
            timed(lambda: faiss_all(pixels, k, 1, MAX_ITER, N_INIT)),  # noqa: B023
            timed(lambda: sklearn_all(pixels, k, 1)),  # noqa: B023
        ]
        fast = [timed(lambda: ours(f, size, k, seed)) for seed in range(5)]  # noqa: B023
        wall, cpu, inertia = (median([t[i] for t in fast]) for i in range(3))
        row(
            *(frames, f"{grid}->{side}", k, f"{rivals[0][0]:.2f}", f"{rivals[1][0]:.2f}"),
            *(f"{wall:.3f}", f"{min(r[0] for r in rivals) / wall:.0f}"),
            *(f"{min(r[1] for r in rivals) / cpu:.0f}", "50" if k == 500 else "20"),
            *(f"{inertia / r[2]:.4f}" for r in rivals),
        )


def memory(source: Source, clip: str) -> None:
    """Print the peak memory of one run each, in processes of their own."""
    heading(
        "Most memory during one run, beyond imports and features (MiB), 14->224",
        *("frames", "K", "published", "faiss, all pixels", "ours", "the features"),
    )
    for frames, k in [(4, 10), (4, 500), (64, 10)]:
        f = source(clip, frames, 14)
        methods = ("published", "ours") if k == 500 else ("published", "faiss", "ours")
        peaks = {method: f"{peak_mib(method, f, 224, k):.0f}" for method in methods}
        shown = (peaks.get(m, "not run") for m in ("published", "faiss", "ours"))
        row(frames, k, *shown, f"{f.nbytes / 2**20:.1f}")


def inertia_distribution(source: Source, seeds: int, quick: bool) -> None:
    """Compare the inertia with that of full explicit Lloyd, on all clips x seeds."""
    heading(
        f"Inertia against full explicit Lloyd (scikit-learn, greedy k-means++, {N_INIT} "
        "restarts); targets: median <= 1.000, 95th percentile <= 1.01",
        *("frames", "upsampling", "K", "clips x seeds", "median", "mean", "95th pct", "max"),
    )
    cases = [(1, 5, seeds), (1, 10, seeds), (1, 21, -(-seeds // 4)), (4, 10, -(-seeds // 10))]
    for frames, k, count in cases[: 2 if quick else None]:
        ratios = []
        for clip in source.clips:
            f, size = source(clip, frames, 14), (112, 112)
            pixels = upsampled(f, size, torch.float32)
            for seed in range(count):
                ratios.append(ours(f, size, k, seed, "none") / sklearn_all(pixels, k, seed))
        shown = (np.median(ratios), np.mean(ratios), np.quantile(ratios, 0.95), max(ratios))
        where = f"{len(source.clips)} x {count}"
        row(frames, "14->112", k, where, *(f"{value:.5f}" for value in shown))


def data_set(source: Source, full: bool) -> None:
    """Compare at the size of a data set; the rival's pixels would not fit in memory."""
    part = 50
    heading(
        f"A data set of 2780 frames, 14->112: one iteration (faiss on {part} frames, its time "
        f"multiplied by 2780 / {part})",
        *("K", "faiss s / iteration", "ours s / iteration", "ratio wall", "ratio cpu"),
        *("ours complete run s", "iterations", "explicit GiB (float32)", "the features GiB"),
    )
    raw = np.concatenate([source(clip, 64, 14) for clip in source.clips[:5]])
    rng = np.random.default_rng(0)
    f = np.concatenate([raw] * 9)[:2780]
    f = f + 0.05 * rng.normal(size=f.shape).astype(np.float32)
    size = (112, 112)
    pixels = upsampled(f[:part], size, torch.float32)
    for k in (52, 500):
        init = f[rng.integers(len(f), size=k), rng.integers(14, size=k), rng.integers(14, size=k)]
        few = [timed(lambda n=n: faiss_all(pixels, k, 1, n, 1)) for n in (1, 3)]  # noqa: B023
        runs = [
            timed(lambda n=n: kmeans_upsampled(f, size, k, init=init, max_iter=n, labels="none"))  # noqa: B023
            for n in (1, 3)
        ]
        slow = [(few[1][i] - few[0][i]) / 2 * len(f) / part for i in (0, 1)]
        fast = [(runs[1][i] - runs[0][i]) / 2 for i in (0, 1)]
        complete = ("not run (--full)", "")
        if full or k == 52:
            seconds, _, result = timed(lambda: kmeans_upsampled(f, size, k, labels="none"))  # noqa: B023
            complete = (f"{seconds:.0f}", str(result.n_iter))
        row(
            *(k, f"{slow[0]:.1f}", f"{fast[0]:.2f}"),
            *(f"{slow[i] / fast[i]:.0f}" for i in (0, 1)),
            *(*complete, f"{len(f) * 112 * 112 * 200 / 2**30:.1f}", f"{f.nbytes / 2**30:.2f}"),
        )


def write_features(path: Path, frames: int, per: int) -> None:
    """Write generated features [frames, 14, 14, 384] in float16, some frames at a time."""
    rng = np.random.default_rng(0)
    kinds = rng.normal(size=(40, 384)).astype(np.float32)
    with path.open("wb") as file:
        for start in range(0, frames, per):
            count = min(per, frames - start)
            pick = rng.integers(40, size=(count, 7, 7)).repeat(2, 1).repeat(2, 2)
            noise = rng.random((*pick.shape, 384), np.float32) - np.float32(0.5)
            (kinds[pick] + 3 * noise).astype(np.float16).tofile(file)


def out_of_core(frames: int, folder: str | None) -> None:
    """Cluster generated features on disk, [frames, 14, 14, 384] float16, and stream the labels."""
    per = 100
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        path = Path(scratch) / "features.bin"
        write_features(path, frames, per)

        def chunks():
            for start in range(0, frames, per):
                count = min(per, frames - start)
                offset = start * 14 * 14 * 384 * 2
                part = np.fromfile(path, np.float16, count * 14 * 14 * 384, offset=offset)
                yield Chunk(part.reshape(count, 14, 14, 384), (112, 112))

        seconds, _, result = timed(lambda: kmeans_streamed(chunks, 21, max_iter=10))
        used = np.zeros(21, np.int64)

        def stream_labels() -> None:
            for chunk in chunks():
                for f in chunk.features:
                    labels = assign_upsampled(f[None], result.centers, (112, 112))
                    used[:] += np.bincount(labels.ravel(), minlength=21)

        labelled = timed(stream_labels)[0]
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(
            f"\nOut of core: {frames} frames x 196 patches x 384 dimensions, float16 "
            f"({path.stat().st_size / 2**30:.1f} GiB on disk), 14->112, K=21: {seconds:.0f} s for "
            f"the sampling and {result.n_iter} iterations, {labelled:.0f} s for all labels "
            f"frame by frame, {(used > 0).sum()} clusters in use, peak memory {peak:.2f} GiB"
        )


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer clips, seeds and cases")
    parser.add_argument("--full", action="store_true", help="the data set at K = 500 to the end")
    parser.add_argument("--only", nargs="+", help="some tables, by name")
    parser.add_argument("--scale", action="store_true", help="only the data set out of core")
    parser.add_argument("--frames", type=int, default=94_000, help="frames of --scale")
    parser.add_argument("--folder", help="where --scale writes its features (a temporary folder)")
    parser.add_argument(
        "--threads",
        type=int,
        default=1,
        help="of everyone; the rivals' spin where cores are taken",
    )
    wanted = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(wanted.threads)
    describe(wanted.threads)
    if wanted.scale:
        out_of_core(wanted.frames, wanted.folder)
        return
    source = Source()
    kind = (
        "real frames, SqueezeNet 1.0" if source.real else "generated smooth maps (no TVSEG_DATA)"
    )
    print(f"Features: {kind}, standardised, PCA to 50; {len(source.clips)} clips")
    clips = source.clips[:2] if wanted.quick else source.clips[:3]
    begin = time.perf_counter()
    real = source.real
    tables: dict[str, Callable[[], None]] = {
        "share": lambda: share_of_evaluation(real),
        "sharing": lambda: sharing(real),
        "pixels": lambda: against_all_pixels(source, clips[0], wanted.quick),
        "published": lambda: against_published(source, clips, 2),
        "inertia": lambda: inertia_distribution(source, 3 if wanted.quick else 20, wanted.quick),
        "memory": lambda: memory(source, clips[0]),
        "data-set": lambda: data_set(source, wanted.full),
    }
    for name, table in tables.items():
        if name in (wanted.only or tables):
            table()
    print(f"\n{(time.perf_counter() - begin) / 60:.1f} minutes in all")


def describe(threads: int) -> None:
    """Print machine and versions; give every library the same number of threads."""
    import faiss
    import numba
    import sklearn

    faiss.omp_set_num_threads(threads)
    versions = {m.__name__: m.__version__ for m in (np, torch, numba, faiss, sklearn)}
    cpu = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        cpu = next((s.split(":")[1].strip() for s in lines if s.startswith("model name")), cpu)
    named = ", ".join(f"{name} {version}" for name, version in versions.items())
    print("# Clustering benchmark\n")
    print(f"{cpu}, {threads} threads; Python {platform.python_version()}, {named}")


if __name__ == "__main__":
    main()
