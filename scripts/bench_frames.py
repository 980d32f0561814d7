"""What frames cost before a model sees them, and what keeping them for the next models saves.

    python scripts/bench_frames.py              about two minutes on one core
    python scripts/bench_frames.py --frames 8   fewer

First the processor time of a frame on one thread: decoding, resizing to 224, and the forward pass
of an untrained ViT-Ti and ViT-S with patches of 16. Then three passes over the same frames, as
three models make them, with and without a `FrameCache`, in alternation; ratios are medians over
the repeats. One is of a ViT-Ti, one of a model that computes nothing: it stands for one on a fast
GPU, where reading the frames is what is left. moving-shapes is generated; davis-2016 is read where
TVSEG_DATA names a folder that has it.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

os.environ.setdefault("OMP_NUM_THREADS", "1")

import timm
import torch

import tvseg_bench
from tvseg_bench.benchmark.errors import DataError, UsageError
from tvseg_bench.benchmark.features import frames
from tvseg_bench.benchmark.features.extract import ExtractOptions, feature_set
from tvseg_bench.benchmark.features.frame_cache import FrameCache
from tvseg_bench.benchmark.types import (
    Dataset,
    FeatureModel,
    ModelCard,
    PatchFeatures,
    View,
)

VIEW = View(size=224, interpolation="bilinear")
NOTHING = "no model"
ARCHITECTURES = ("vit_tiny_patch16_224", "vit_small_patch16_224")
REPEATS = 3


class Untrained:
    """A ViT of timm with drawn weights; or nothing at all, with tokens of zeros."""

    def __init__(self, architecture: str) -> None:
        self.card = ModelCard(name=architecture, patch_size=16, embed_dim=8)
        self._vit = None
        if architecture != NOTHING:
            self._vit = timm.create_model(architecture, dynamic_img_size=True).eval()
            self.card = replace(self.card, embed_dim=self._vit.embed_dim)

    def extract(self, images: torch.Tensor) -> PatchFeatures:
        """Return the patch tokens of images [B, 3, H, W]."""
        grid = (images.shape[2] // 16, images.shape[3] // 16)
        if self._vit is None:
            return PatchFeatures(torch.zeros(len(images), grid[0] * grid[1], 8), grid)
        return PatchFeatures(self._vit.forward_features(images)[:, 1:], grid)


def processor_ms(work: Callable[[int], object], n_frames: int) -> float:
    """Return the processor time of a frame in milliseconds, the first not counted."""
    work(0)
    begin = time.process_time()
    for t in range(n_frames):
        work(t)
    return (time.process_time() - begin) / n_frames * 1000


def stages(dataset: Dataset, models: Sequence[Untrained], n_frames: int) -> None:
    """Print what a frame costs, stage by stage."""
    clip, card = dataset.clips[0], models[0].card
    n_frames = min(n_frames, clip.n_frames)
    images = [clip.image(t) for t in range(n_frames)]
    size = frames.target_size(*images[0].shape[:2], VIEW, card.patch_size)
    small = [frames.resized(image, size, card, VIEW) for image in images]
    tensors = torch.stack([torch.tensor(image) for image in small])
    normal = frames.normalised(tensors, frames.statistics(card, VIEW))
    found = {
        "read": processor_ms(lambda t: clip.image(t), n_frames),
        "resize": processor_ms(lambda t: frames.resized(images[t], size, card, VIEW), n_frames),
    }
    with torch.inference_mode():
        for model in models[1:]:
            found[model.card.name] = processor_ms(
                lambda t, model=model: model.extract(normal[t : t + 1]), n_frames
            )
    shown = ", ".join(f"{name} {ms:.2f} ms" for name, ms in found.items())
    print(f"{dataset.card.name}, a frame: {shown}", flush=True)


def passes(dataset: Dataset, model: FeatureModel, cached: bool) -> float:
    """Return the processor seconds of three passes, as three models of equal view make them."""
    kept = FrameCache() if cached else None
    begin = time.process_time()
    for _ in range(3):
        options = ExtractOptions(device="cpu", workers=1)
        for _features in feature_set(model, dataset, VIEW, options, frames=kept):
            pass
    return time.process_time() - begin


def ratios(dataset: Dataset, model: FeatureModel) -> None:
    """Print how much faster three passes are where frames are kept."""
    runs = [(passes(dataset, model, False), passes(dataset, model, True)) for _ in range(REPEATS)]
    ratio = statistics.median(without / kept for without, kept in runs)
    without, kept = (statistics.median(run[i] for run in runs) for i in (0, 1))
    print(
        f"{dataset.card.name}, three passes of {model.card.name}: {without:.2f} s, "
        f"with kept frames {kept:.2f} s, {ratio:.2f} times as fast",
        flush=True,
    )


def opened(name: str, n_frames: int) -> Dataset | None:
    """Return the first frames of a data set; None where its files are not there."""
    try:
        dataset = tvseg_bench.load_dataset(name)
    except (DataError, UsageError) as error:
        print(f"{name} is left out: {error}")
        return None
    clips, wanted = [], n_frames
    for clip in dataset.clips:
        clips.append(replace(clip, n_frames=min(clip.n_frames, wanted)))
        wanted -= clips[-1].n_frames
        if not wanted:
            break
    return replace(dataset, clips=tuple(clips))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=24)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    models = [Untrained(name) for name in (NOTHING, *ARCHITECTURES)]
    for name in ("moving-shapes", "davis-2016"):
        dataset = opened(name, arguments.frames)
        if dataset is not None:
            stages(dataset, models, arguments.frames)
            for model in models[:2]:
                ratios(dataset, model)


if __name__ == "__main__":
    main()
