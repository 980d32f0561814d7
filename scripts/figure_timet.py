"""A figure of what time-tuning changes: frames, truth, clusters before and after.

    python scripts/figure_timet.py docs/images/timet.png        about half a minute on two cores

Clips of moving-shapes:val, clustered clip by clip as `kmeans-clip` does: the one that time-tuning
helped least, the middle one, and the one that it helped most. A cluster has the colour of the
class that it is matched with. Needs matplotlib: pip install 'tvseg-bench[report]'.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray

mpl.use("Agg")
from matplotlib import pyplot as plt

import tvseg_bench
from tvseg_bench.benchmark.evaluation import SharedCache
from tvseg_bench.benchmark.features.extract import ExtractOptions, feature_set
from tvseg_bench.benchmark.metrics.contingency import contingency
from tvseg_bench.benchmark.types import Clip, Dataset, FeatureModel
from tvseg_bench.protocols.common.scoring import score_table
from tvseg_bench.protocols.kmeans import KMeansConfig
from tvseg_bench.protocols.kmeans.clusters import cluster_frames
from tvseg_bench.protocols.kmeans.projection import projected

BEFORE, AFTER = "selfdistil/tiny", "timet/tiny"
SHOWN = (0, 4, 9)
"""Frames of a clip in the figure."""
PALETTE = np.array(
    [
        (225, 225, 225),
        *((230, 75, 53), (77, 187, 213), (0, 160, 135), (60, 84, 136), (243, 155, 127)),
        *((132, 145, 180), (240, 200, 60), (126, 97, 72)),
    ],
    np.uint8,
)
"""Colours of the background and the eight categories."""
UNMATCHED = (0, 0, 0)


@dataclass(frozen=True)
class PaintedClip:
    """The clusters of a clip, coloured, and their score."""

    maps: NDArray[np.uint8]
    """[T, H, W, 3]."""
    miou: float


def clusters(model: str, data: Dataset) -> list[PaintedClip]:
    """Cluster every clip of a data set by a model's features, as kmeans-clip does."""
    config = KMeansConfig()
    loaded = tvseg_bench.load_model(model)
    assert isinstance(loaded.model, FeatureModel)
    features = feature_set(loaded.model, data, config.view(data), ExtractOptions(device="cpu"))
    shown = []
    for clip, tokens in projected(features, config, "clip", SharedCache()):
        truth = labels(clip.clip)
        found = cluster_frames(tokens, len(np.unique(truth)), 0, config, clip.clip.name)
        maps = np.stack(list(found.maps(tokens, [frame.shape for frame in truth])))
        table = contingency(truth, maps)
        metrics, _, matched = score_table(table, config, 0)
        named = matched.apply(maps)
        painted = np.where(
            (named >= 0)[..., None], PALETTE[named.clip(0)], np.array(UNMATCHED, np.uint8)
        )
        assert metrics["miou"] is not None
        shown.append(PaintedClip(painted, metrics["miou"]))
    return shown


def labels(clip: Clip) -> NDArray[np.integer]:
    """Return the classes [T, H, W] of all frames."""
    read = clip.labels("semantic")
    assert read is not None
    return np.stack([read(t) for t in range(clip.n_frames)])


def draw(data: Dataset, before: list[PaintedClip], after: list[PaintedClip], path: Path) -> None:
    """Draw three clips side by side."""
    gains = [new.miou - old.miou for new, old in zip(after, before, strict=True)]
    order = np.argsort(gains)
    chosen = [int(order[i]) for i in (0, len(order) // 2, -1)]
    columns = len(chosen) * len(SHOWN)
    figure, axes = plt.subplots(4, columns, figsize=(12, 4.5), dpi=100)
    for place, index in enumerate(chosen):
        clip = data.clips[index]
        truth = PALETTE[labels(clip)]
        for i, t in enumerate(SHOWN):
            column = axes[:, place * len(SHOWN) + i]
            images = (clip.image(t), truth[t], before[index].maps[t], after[index].maps[t])
            for axis, image in zip(column, images, strict=True):
                axis.imshow(image)
                axis.set(xticks=[], yticks=[])
        middle = axes[:, place * len(SHOWN) + 1]
        middle[0].set_title(f"{clip.name}: {100 * gains[index]:+.1f}", fontsize=10)
        middle[2].set_xlabel(f"{100 * before[index].miou:.1f}", fontsize=8, labelpad=2)
        middle[3].set_xlabel(f"{100 * after[index].miou:.1f}", fontsize=8, labelpad=2)
    for axis, name in zip(axes[:, 0], ("frames", "truth", BEFORE, AFTER), strict=True):
        axis.set_ylabel(name, fontsize=8)
    figure.tight_layout(pad=0.4, h_pad=0.3, w_pad=0.3)
    figure.savefig(path)


def main() -> None:
    """Parse, cluster, draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("path", type=Path, metavar="PNG")
    path = parser.parse_args().path
    data = tvseg_bench.load_dataset("moving-shapes:val")
    before, after = clusters(BEFORE, data), clusters(AFTER, data)
    draw(data, before, after, path)
    mean = [100 * float(np.mean([s.miou for s in part])) for part in (before, after)]
    print(f"kmeans-clip, mIoU in percent: {BEFORE} {mean[0]:.1f}, {AFTER} {mean[1]:.1f}: {path}")


if __name__ == "__main__":
    main()
