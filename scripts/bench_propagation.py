"""Time label propagation against a direct implementation of the published one.

Both run in turns on the same random features, with the same threads, and must agree. Published:
facebookresearch/dino eval_video_segmentation.py compares every patch of a frame with every patch
of its context, and then masks what lies outside the window. The direct implementation does the
same in the same tensor operations; its mask is built without Python loops, unlike the original.

    python scripts/bench_propagation.py                  # 480 × 854 at patch 16
    python scripts/bench_propagation.py --grid 60 107    # the same at patch 8: needs 6 GB
    python scripts/bench_propagation.py --device cuda
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor
from torch.nn.functional import normalize

from tvseg_bench.benchmark.propagation.propagate import PropagationRule, Propagator

Timed = tuple[float, float]
TOLERANCE = 1e-5


def direct(target: Tensor, context: Sequence[tuple[Tensor, Tensor]], near: Tensor) -> Tensor:
    """Return the labels [C, N] of a frame, comparing all patches with all.

    Args:
        target: [N, D] features.
        context: features [N, D] and labels [C, N] of each context frame.
        near: [N, N] 1 within the window, else 0.
    """
    sources = torch.stack([normalize(features, dim=1).T for features, _ in context])
    targets = normalize(target, dim=1).expand(len(context), -1, -1)
    affinity = torch.exp(torch.bmm(targets, sources) / 0.1)
    affinity *= near
    affinity = affinity.transpose(2, 1).reshape(-1, len(target))
    least = affinity.topk(5, dim=0).values.min(dim=0).values
    affinity[affinity < least] = 0
    affinity = affinity / affinity.sum(dim=0, keepdim=True)
    return torch.cat([labels for _, labels in context], dim=1) @ affinity


def window(h: int, w: int, radius: int, device: torch.device) -> Tensor:
    """Return [N, N] 1 where two patches are at most a radius apart in rows and columns."""
    rows, columns = torch.arange(h, device=device), torch.arange(w, device=device)
    near_row = (rows[:, None] - rows).abs() <= radius
    near_column = (columns[:, None] - columns).abs() <= radius
    near = near_row[:, None, :, None] & near_column[None, :, None, :]
    return near.reshape(h * w, h * w).float()


def main() -> None:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--grid", type=int, nargs=2, default=(30, 53), metavar=("ROWS", "COLUMNS"))
    parser.add_argument("--dim", type=int, default=384)
    parser.add_argument("--labels", type=int, default=4)
    parser.add_argument("--frames", type=int, default=5, help="frames timed")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    measure(given.grid, given.dim, given.labels, given.frames, torch.device(given.device))


def measure(grid: Sequence[int], dim: int, labels: int, frames: int, device: torch.device) -> None:
    """Time the frames that have a full context, one after the other in both ways."""
    (h, w), rule = grid, PropagationRule()
    generator = torch.Generator().manual_seed(0)
    clip = [
        torch.randn(h * w, dim, generator=generator).to(device)
        for _ in range(1 + rule.n_context + frames)
    ]
    first = torch.rand(labels, h * w, generator=generator).softmax(0).to(device)
    near = window(h, w, rule.radius, device)
    ours = Propagator(clip[0].view(1, h, w, dim), first.view(1, labels, h, w), rule)
    context = [(clip[0], first)]
    times: dict[str, list[Timed]] = {"direct": [], "ours": []}
    for t in range(1, len(clip)):
        frame = clip[t].view(1, h, w, dim)
        ours_s, soft = timed(partial(ours.step, frame), device)
        mine = soft[0].flatten(1)
        direct_s, theirs = timed(partial(direct, clip[t], context, near), device)
        difference = float((mine - theirs).abs().max())
        if difference > TOLERANCE:
            raise SystemExit(f"frame {t}: the two ways differ by {difference:.1e}")
        context = [context[0], *context[1:][-rule.n_context + 1 :], (clip[t], mine)]
        if t > rule.n_context:
            times["ours"].append(ours_s)
            times["direct"].append(direct_s)
    report(
        times, f"{h} x {w} patches, {dim} dimensions, {device}, {torch.get_num_threads()} threads"
    )


def timed(work: Callable[[], Tensor], device: torch.device) -> tuple[Timed, Tensor]:
    """Return wall-clock and processor seconds, and what it gave."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return (time.perf_counter() - wall, time.process_time() - cpu), result


def report(times: dict[str, list[Timed]], what: str) -> None:
    """Print medians and the ratios, as medians of the frames' ratios.

    Those of processor time hold on a machine that is busy with other things too.
    """
    pairs = list(zip(times["direct"], times["ours"], strict=True))
    print(f"{what}; per frame, median of {len(pairs)}:")
    for name, values in times.items():
        wall, cpu = (statistics.median(v[i] for v in values) for i in (0, 1))
        print(f"  {name:6} {wall:8.3f} s wall {cpu:8.3f} s processor")
    for i, kind in enumerate(("wall", "processor")):
        ratios = [direct[i] / ours[i] for direct, ours in pairs]
        print(
            f"  ratio  x{statistics.median(ratios):.1f} {kind} "
            f"(from {min(ratios):.1f} to {max(ratios):.1f})"
        )


if __name__ == "__main__":
    main()
