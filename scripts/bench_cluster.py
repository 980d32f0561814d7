"""Clustering, side by side: this suite against the published pipeline and all-pixel k-means.

    python scripts/bench_cluster.py                 all tables, about half an hour on two cores
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

from tvseg_bench.benchmark.cluster import (
    Chunk,
    assign_upsampled,
    fit_projection,
    kmeans_streamed,
    kmeans_upsampled,
)

sys.path.insert(0, str(Path(__file__).parent))
from bench_cluster_features import Source

N_INIT, MAX_ITER = 5, 50
Timed = tuple[float, float, object]


def timed(function: Callable[[], object]) -> Timed:
    """Return wall-clock seconds, processor seconds and the result."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = function()
    return time.perf_counter() - wall, time.process_time() - cpu, result


def upsampled(f: np.ndarray, size: tuple[int, int], dtype: torch.dtype) -> np.ndarray:
    """Return all pixels [F * H * W, D] in float32, interpolated in dtype."""
    maps = torch.from_numpy(f).to(dtype).permute(0, 3, 1, 2)
    up = torch.nn.functional.interpolate(maps, size=size, mode="bilinear")
    return up.permute(0, 2, 3, 1).reshape(-1, f.shape[-1]).float().contiguous().numpy()


def published(f: np.ndarray, size: tuple[int, int], k: int, seed: int) -> float:
    """Run TimeT's pipeline as released: float64 upsampling, sampled faiss, all pixels assigned."""
    import faiss

    pixels = upsampled(f, size, torch.float64)
    kmeans = faiss.Kmeans(f.shape[-1], k, niter=50, nredo=5, seed=seed)
    kmeans.train(pixels)
    return float(kmeans.index.search(pixels, 1)[0].sum(dtype=np.float64))


def faiss_all(pixels: np.ndarray, k: int, seed: int, niter: int, nredo: int) -> float:
    """Run faiss on all pixels; return the inertia."""
    import faiss

    kmeans = faiss.Kmeans(pixels.shape[1], k, niter=niter, nredo=nredo, seed=seed)
    kmeans.cp.max_points_per_centroid = len(pixels)
    kmeans.train(pixels)
    return float(kmeans.index.search(pixels, 1)[0].sum(dtype=np.float64))


def sklearn_all(pixels: np.ndarray, k: int, seed: int, n_init: int = N_INIT) -> float:
    """Run scikit-learn's Lloyd on all pixels; return the inertia."""
    from sklearn.cluster import KMeans

    model = KMeans(k, n_init=n_init, max_iter=MAX_ITER, random_state=seed, algorithm="lloyd")
    return float(model.fit(pixels).inertia_)


def ours(f: np.ndarray, size: tuple[int, int], k: int, seed: int, labels: str = "pixels") -> float:
    """Run the suite's k-means."""
    settings = {"n_init": N_INIT, "max_iter": MAX_ITER, "seed": seed, "labels": labels}
    return kmeans_upsampled(f, size, k, **settings).inertia


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
        *("inertia ours / published (median)", "explicit MiB (float64)", "patches MiB"),
    )
    cases = [(1, 14, k) for k in (3, 5, 10, 21)] + [(4, 14, k) for k in (3, 5, 10, 21)]
    cases += [(16, 14, 10), (64, 14, 3), (64, 14, 10), (64, 14, 21), (1, 28, 10), (4, 28, 10)]
    for frames, grid, k in cases:
        size = (grid * 16, grid * 16)
        slow, fast, inertia = [], [], []
        for clip in clips:
            f = source(clip, frames, grid)
            ours(f, size, k, 0)
            for seed in range(1, repeats + 1):
                slow.append(timed(lambda: published(f, size, k, seed)))  # noqa: B023
                fast.append(timed(lambda: ours(f, size, k, seed)))  # noqa: B023
                inertia.append(fast[-1][2] / slow[-1][2])
        pairs = list(zip(slow, fast, strict=True))
        explicit = frames * size[0] * size[1] * f.shape[-1] * 8 / 2**20
        row(
            *(frames, f"{grid}->{size[0]}", k),
            *(f"{median([t[0] for t in side]):.4f}" for side in (slow, fast)),
            *(f"{median([s[i] / q[i] for s, q in pairs]):.1f}" for i in (0, 1)),
            *(f"{median(inertia):.4f}", f"{explicit:.0f}", f"{f.nbytes / 2**20:.2f}"),
        )


def against_all_pixels(source: Source, clips: list[str], quick: bool) -> None:
    """Compare with the faster of two exact rivals on explicit pixels."""
    heading(
        "Against k-means on all explicit pixels, 5 restarts of up to 50 iterations",
        *("frames", "upsampling", "K", "faiss s", "scikit-learn s", "ours s"),
        *("ratio wall", "ratio cpu", "inertia ours / better rival", "explicit MiB (float32)"),
    )
    cases = [(4, 14, 10), (1, 28, 10), (16, 14, 10)]
    cases += [] if quick else [(64, 14, 10), (4, 14, 500)]
    for frames, grid, k in cases:
        f, size = source(clips[0], frames, grid), (grid * 16, grid * 16)
        ours(f, size, k, 0)
        pixels = upsampled(f, size, torch.float32)
        rivals = [
            timed(lambda: faiss_all(pixels, k, 1, MAX_ITER, N_INIT)),  # noqa: B023
            timed(lambda: sklearn_all(pixels, k, 1)),  # noqa: B023
        ]
        fast = [timed(lambda: ours(f, size, k, seed)) for seed in range(5)]  # noqa: B023
        best, own = min(rivals, key=lambda r: r[0]), median([t[0] for t in fast])
        inertia = median([t[2] for t in fast]) / min(r[2] for r in rivals)
        row(
            *(frames, f"{grid}->{size[0]}", k, f"{rivals[0][0]:.2f}", f"{rivals[1][0]:.2f}"),
            *(f"{own:.3f}", f"{best[0] / own:.0f}"),
            f"{min(r[1] for r in rivals) / median([t[1] for t in fast]):.0f}",
            *(f"{inertia:.4f}", f"{pixels.nbytes / 2**20:.0f}"),
        )


def inertia_distribution(source: Source, seeds: int, quick: bool) -> None:
    """Compare the inertia with that of full explicit Lloyd, on all clips x seeds."""
    heading(
        f"Inertia against full explicit Lloyd (scikit-learn, greedy k-means++, {N_INIT} restarts)",
        *("frames", "upsampling", "K", "clips x seeds", "median", "mean", "95th pct", "max"),
    )
    for frames, k in [(1, 5), (1, 10), (1, 21)] + ([] if quick else [(4, 10)]):
        ratios = []
        for clip in source.clips:
            f, size = source(clip, frames, 14), (112, 112)
            pixels = upsampled(f, size, torch.float64)
            for seed in range(seeds):
                ratios.append(ours(f, size, k, seed, "none") / sklearn_all(pixels, k, seed))
        shown = (np.median(ratios), np.mean(ratios), np.quantile(ratios, 0.95), max(ratios))
        where = f"{len(source.clips)} x {seeds}"
        row(frames, "14->112", k, where, *(f"{value:.5f}" for value in shown))


def data_set(source: Source, quick: bool) -> None:
    """Compare at the size of a data set; the rival's pixels would not fit in memory."""
    heading(
        "A data set of 2780 frames, 14->112: one iteration (rival on 100 frames, scaled)",
        *("K", "faiss s / iteration", "ours s / iteration", "ratio wall", "ratio cpu"),
        *("ours whole run s", "iterations", "explicit GiB (float32)"),
    )
    raw = np.concatenate([source(clip, 64, 14) for clip in source.clips])
    rng = np.random.default_rng(0)
    f = np.concatenate([raw] * 4)[:2780]
    f = f + 0.05 * rng.normal(size=f.shape).astype(np.float32)
    size, part = (112, 112), 100
    pixels = upsampled(f[:part], size, torch.float32)
    for k in (52,) if quick else (52, 500):
        init = f[rng.integers(len(f), size=k), rng.integers(14, size=k), rng.integers(14, size=k)]
        few = [timed(lambda n=n: faiss_all(pixels, k, 1, n, 1)) for n in (1, 4)]  # noqa: B023
        runs = [
            timed(lambda n=n: kmeans_upsampled(f, size, k, init=init, max_iter=n, labels="none"))  # noqa: B023
            for n in (1, 4)
        ]
        slow = [(few[1][i] - few[0][i]) / 3 * len(f) / part for i in (0, 1)]
        fast = [(runs[1][i] - runs[0][i]) / 3 for i in (0, 1)]
        whole = timed(lambda: kmeans_upsampled(f, size, k, labels="none"))  # noqa: B023
        row(
            *(k, f"{slow[0]:.1f}", f"{fast[0]:.2f}"),
            *(f"{slow[i] / fast[i]:.0f}" for i in (0, 1)),
            *(f"{whole[0]:.0f}", whole[2].n_iter, f"{len(f) * 112 * 112 * 200 / 2**30:.1f}"),
        )


def share_of_evaluation(frames: int = 16) -> None:
    """Time what follows the forward pass of a ViT-S/16, as `standard` does it."""
    import timm

    model = timm.create_model("vit_small_patch16_224", num_classes=0, dynamic_img_size=True).eval()
    images = torch.rand(frames, 3, 224, 400)
    with torch.no_grad():
        model.forward_features(images[:1])
        forward = timed(lambda: torch.cat([model.forward_features(i[None]) for i in images]))
    tokens = forward[2][:, 1:].reshape(frames, 14, 25, -1).numpy()

    def rest() -> None:
        f = fit_projection(tokens.reshape(-1, tokens.shape[-1]), 50)(tokens)
        centers = kmeans_upsampled(f, (56, 100), 5, n_init=10, max_iter=100, labels="none").centers
        assign_upsampled(f, centers, (480, 854))

    rest()
    after = [timed(rest) for _ in range(3)]
    walls, cpus = (min(t[i] for t in after) for i in (0, 1))
    print(
        f"\nShare outside the forward pass, ViT-S/16 fp32 on this CPU, {frames} frames 224x400, "
        f"K=5, n_init=10, labels at 480x854: {walls / (walls + forward[0]):.1%} of the wall "
        f"clock, {cpus / (cpus + forward[1]):.1%} of processor time "
        f"({walls:.2f} s after {forward[0]:.2f} s; untrained weights)"
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
            f"a survey and {result.n_iter} iterations, {labelled:.0f} s for all labels frame by "
            f"frame, {(used > 0).sum()} clusters in use, peak memory {peak:.2f} GiB"
        )


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer clips, seeds and cases")
    parser.add_argument("--scale", action="store_true", help="only the data set out of core")
    parser.add_argument("--frames", type=int, default=94_000, help="frames of --scale")
    parser.add_argument("--folder", help="where --scale writes its features (a temporary folder)")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
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
    clips = source.clips[:2] if wanted.quick else source.clips[:5]
    against_published(source, clips, 2 if wanted.quick else 4)
    against_all_pixels(source, clips, wanted.quick)
    inertia_distribution(source, 3 if wanted.quick else 20, wanted.quick)
    data_set(source, wanted.quick)
    share_of_evaluation()


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
