"""Time a training step of TimeT against what it cannot do without, and against the published one.

All are timed in turns in one run, on the same backbone, images, threads and optimiser:
  bare       one forward of the whole backbone over the step's frames, and the backward of the
             tuned blocks for the frames that carry a gradient (the last of each clip)
  bare-all   the same with the backward for all frames
  ours       a whole step without a teacher: loss, backward, optimiser, prototypes
  published  the same as in published_timet.py, which passes conformance/timet_loss

    python scripts/bench_training.py
    python scripts/bench_training.py --device cuda --batch 128 --repeat 20
"""

from __future__ import annotations

import argparse
import copy
import platform
import statistics
import time
from collections.abc import Callable
from functools import partial

import published_timet
import timm
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from tvseg_bench.models.training.objectives.objective_types import ClipBatch
from tvseg_bench.models.training.objectives.timet import TimeTConfig, TimeTObjective

TUNED = 2
"""Blocks, the last ones."""


class Backbone(nn.Module):
    """A ViT of which the last blocks are tuned."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.net = timm.create_model(name, pretrained=False, num_classes=0)
        self.dim = self.net.embed_dim
        self.net.requires_grad_(False)
        self.net.blocks[-TUNED:].requires_grad_(True)

    @torch.no_grad()
    def frozen(self, images: Tensor) -> Tensor:
        """Map images to tokens before the first tuned block."""
        tokens = self.net._pos_embed(self.net.patch_embed(images))
        return self.net.blocks[:-TUNED](self.net.norm_pre(tokens))

    def tuned(self, state: Tensor, grid: tuple[int, int]) -> Tensor:
        """Map tokens to features [N, h, w, D]."""
        tokens = self.net.norm(self.net.blocks[-TUNED:](state))
        return tokens[:, self.net.num_prefix_tokens :].unflatten(1, grid)

    def grid(self, height: int, width: int) -> tuple[int, int]:
        """Return (h, w)."""
        return self.net.patch_embed.dynamic_feat_size((height, width))

    def forward(self, images: Tensor) -> Tensor:
        """Map images to features."""
        return self.tuned(self.frozen(images), self.grid(*images.shape[-2:]))


class Steps:
    """The four kinds of step, each with its own copy of the weights."""

    def __init__(self, given: argparse.Namespace) -> None:
        torch.manual_seed(0)
        self.device = torch.device(given.device)
        backbone = Backbone(given.model).to(self.device)
        objective = TimeTObjective(TimeTConfig(teacher="none"), backbone.dim).to(self.device)
        shape = (given.batch, given.frames, 3, given.size, given.size)
        self.images = torch.randn(shape, device=self.device)
        self.autocast = partial(
            torch.autocast, self.device.type, torch.bfloat16, enabled=given.precision == "bf16"
        )
        self.bare = self._bare(copy.deepcopy(backbone), 1)
        self.bare_all = self._bare(copy.deepcopy(backbone), given.frames)
        self.published = self._published(copy.deepcopy(backbone), copy.deepcopy(objective))
        self.ours = self._ours(backbone, objective)

    def _bare(self, backbone: Backbone, carrying: int) -> Callable[[], float]:
        clips, t = self.images.shape[:2]
        grid = backbone.grid(*self.images.shape[-2:])

        def step() -> float:
            backbone.zero_grad()
            with self.autocast():
                state = backbone.frozen(self.images.flatten(0, 1)).unflatten(0, (clips, t))
                if carrying < t:
                    with torch.no_grad():
                        backbone.tuned(state[:, :-carrying].flatten(0, 1), grid)
                features = backbone.tuned(state[:, -carrying:].flatten(0, 1), grid)
            features.backward(torch.ones_like(features))
            return 0.0

        return step

    def _ours(self, backbone: Backbone, objective: TimeTObjective) -> Callable[[], float]:
        optimiser = self._optimiser(backbone, objective)
        names = [str(i) for i in range(len(self.images))]
        frames = [tuple(range(self.images.shape[1]))] * len(names)
        batch = ClipBatch(images=self.images, names=names, frames=frames)

        def step() -> float:
            optimiser.zero_grad()
            with self.autocast():
                loss = objective(backbone, batch).value
            loss.backward()
            optimiser.step()
            objective.after_step(backbone, 0, 1000)
            return loss.item()

        return step

    def _published(self, backbone: Backbone, objective: TimeTObjective) -> Callable[[], float]:
        optimiser = self._optimiser(backbone, objective)
        near = published_timet.window(*backbone.grid(*self.images.shape[-2:]), self.device)
        head, prototypes = objective.head, objective.prototypes

        def step() -> float:
            optimiser.zero_grad()
            with self.autocast():
                loss = published_timet.step_loss(
                    self.images, backbone, head, prototypes.weight, near
                )
            loss.backward()
            optimiser.step()
            prototypes.normalise()
            return loss.item()

        return step

    def _optimiser(self, backbone: Backbone, objective: TimeTObjective) -> torch.optim.Optimizer:
        tuned = [p for p in backbone.parameters() if p.requires_grad]
        groups = [{"params": tuned, "lr": 1e-5}, {"params": list(objective.parameters())}]
        return torch.optim.AdamW(groups, lr=1e-4, weight_decay=0.04)


CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
"""cpu: what all threads of this process used; steadier where others use the machine too."""


def timed(
    step: Callable[[], float], device: torch.device, clock: str = "wall"
) -> tuple[float, float]:
    """Return how long a step took, in seconds, and its loss."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    start = CLOCKS[clock]()
    loss = step()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return CLOCKS[clock]() - start, loss


def measure(given: argparse.Namespace) -> None:
    """Time all steps in turns and print their medians and ratios."""
    steps = Steps(given)
    kinds = {
        "bare": steps.bare,
        "bare-all": steps.bare_all,
        "ours": steps.ours,
        "published": steps.published,
    }
    times: dict[str, list[float]] = {name: [] for name in kinds}
    for i in range(1 + given.repeat):  # the first round warms up
        losses = {}
        for name, step in kinds.items():
            seconds, losses[name] = timed(step, steps.device, given.clock)
            if i:
                times[name].append(seconds)
        if i == 0 and abs(losses["ours"] - losses["published"]) > given.tolerance:
            raise SystemExit(
                f"the losses of the first step differ: {losses['ours']:.5f} by ours, "
                f"{losses['published']:.5f} as published"
            )
    report(times)
    if steps.device.type == "cuda":
        report_device(steps.ours, statistics.median(times["ours"]), steps.device)


def report(times: dict[str, list[float]]) -> None:
    """Print medians, and ratios as medians of the rounds' ratios."""
    for name, values in times.items():
        print(f"  {name:10} {statistics.median(values):8.3f} s")
    ratio(times, "ours", "bare", "aim: at most 1.15")
    ratio(times, "ours", "bare-all", "the same, backward of all frames")
    ratio(times, "published", "ours", "aim: at least 2")


def ratio(times: dict[str, list[float]], upper: str, lower: str, note: str) -> None:
    """Print the ratio of two kinds of step."""
    ratios = [a / b for a, b in zip(times[upper], times[lower], strict=True)]
    print(
        f"  {upper} / {lower}: {statistics.median(ratios):.2f} "
        f"(from {min(ratios):.2f} to {max(ratios):.2f}; {note})"
    )


def report_device(step: Callable[[], float], seconds: float, device: torch.device) -> None:
    """Print steps per second, memory, and the share of the rate of a large matrix product."""
    torch.cuda.reset_peak_memory_stats(device)
    with FlopCounterMode(display=False) as counter:
        step()
    rate = counter.get_total_flops() / seconds
    side = 8192
    a = torch.randn(side, side, device=device, dtype=torch.bfloat16)
    peak = 2 * side**3 / min(timed(lambda: float((a @ a)[0, 0]), device)[0] for _ in range(20))
    print(
        f"  {1 / seconds:.2f} steps/s, {torch.cuda.max_memory_allocated(device) / 2**30:.1f} GB, "
        f"{rate / 1e12:.1f} TFLOP/s: {rate / peak:.0%} of a bf16 product's {peak / 1e12:.0f}"
    )


def main() -> None:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", default="vit_small_patch16_224", help="of timm, random weights")
    parser.add_argument("--batch", type=int, default=4, help="clips of a step")
    parser.add_argument("--frames", type=int, default=4, help="of a clip")
    parser.add_argument("--size", type=int, default=224, help="pixels of a side")
    parser.add_argument("--repeat", type=int, default=5, help="rounds that are timed")
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
    parser.add_argument("--tolerance", type=float, default=1e-3, help="of the first loss")
    parser.add_argument("--clock", choices=list(CLOCKS), default="wall")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    print(
        f"{given.model}, {given.batch} clips of {given.frames} frames at {given.size} pixels, "
        f"{given.precision}; {given.device}, {given.threads} threads, {platform.machine()}, "
        f"torch {torch.__version__}, timm {timm.__version__}; {given.clock} time, "
        f"medians of {given.repeat} rounds:"
    )
    measure(given)


if __name__ == "__main__":
    main()
