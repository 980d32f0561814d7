"""The rivals of the clustering benchmark, and how they and the suite's k-means are measured.

python scripts/bench_cluster_rivals.py METHOD FEATURES.npy SIDE K    one run; prints MiB
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch

from tvseg_bench.benchmark.clustering import kmeans_upsampled

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


def peak_mib(method: str, f: np.ndarray, side: int, k: int) -> float:
    """Return the most memory, MiB, that one run of a method takes in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "features.npy"
        np.save(path, f)
        command = [sys.executable, __file__, method, str(path), str(side), str(k)]
        return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _forget_peak() -> None:
    """Reset the peak to what is held now; only Linux can."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _peak() -> float:
    """Return the most memory that this process has held, MiB."""
    status = Path("/proc/self/status")
    if status.exists():
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return float(lines["VmHWM"].split()[0]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Run one method once; print by how much it raised the peak above imports and features."""
    method, path, side, k = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    torch.set_num_threads(1)
    f, size = np.load(path), (side, side)
    small = f[:1, :4, :4]
    runs: dict[str, Callable[[np.ndarray, tuple[int, int], int], float]] = {
        "published": lambda x, s, c: published(x, s, c, 1),
        "faiss": lambda x, s, c: faiss_all(upsampled(x, s, torch.float32), c, 1, MAX_ITER, 1),
        "ours": lambda x, s, c: ours(x, s, c, 1),
    }
    runs[method](small, (16, 16), 2)  # imports, compiled code and thread pools do not count
    _forget_peak()
    before = _peak()
    runs[method](f, size, k)
    print(_peak() - before)


if __name__ == "__main__":
    main()
