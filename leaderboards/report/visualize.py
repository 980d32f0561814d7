"""What a model sees in a video without any labels: clusters, features as colours, how steady.

The same features and the same exact k-means as `kmeans-clip` has; only the number of clusters has
to be given, since there is no truth to count classes in.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tvseg_bench.benchmark.data.folder.video_clips import VIDEO_SUFFIXES, VideoPool, video_clip
from tvseg_bench.benchmark.errors import DataError, UsageError
from tvseg_bench.benchmark.recording.colours import pca_colours
from tvseg_bench.benchmark.recording.images import reduced_size
from tvseg_bench.benchmark.recording.writer import spread
from tvseg_bench.benchmark.registry import datasets
from tvseg_bench.benchmark.types import Clip, ClipFeatures, Dataset, DatasetCard, View
from tvseg_bench.leaderboards.render.formatting import breakable
from tvseg_bench.leaderboards.render.page.page import render_page
from tvseg_bench.leaderboards.report import drawing, video
from tvseg_bench.leaderboards.report.charts import shares
from tvseg_bench.leaderboards.report.clip_view import COLUMNS, strips
from tvseg_bench.leaderboards.report.view import BOARD_STYLE, HERE

MARK = "<!-- tvseg-bench video page -->"
PCA_DIMS = 50
"""As `kmeans-clip` has it."""
MOST_CLUSTERS, MOST_FRAMES = 64, 600
_FPS = 8


@dataclass(frozen=True)
class VideoAnalysis:
    """What a model sees in a video."""

    model: str
    clip: str
    n_frames: int
    """Of the whole video."""
    frames: tuple[int, ...]
    """Indices of those that were looked at."""
    images: NDArray[np.uint8]
    """[T, H, W, 3]."""
    ids: NDArray[np.int64]
    """[T, H, W] clusters, the largest first."""
    colours: NDArray[np.uint8]
    """[T, rows, cols, 3]."""


def page_of_video(
    model: str,
    path: Path,
    *,
    weights: Path | None = None,
    k: int = 6,
    size: int = 224,
    frames: int = 64,
    seed: int = 0,
    device: str = "auto",
    progress: Callable[[int, int], None] | None = None,
) -> str:
    """Return the page of one video.

    Args:
        path: a video file, or a folder with the frames of one clip.
        size: short side that the model sees, in pixels.
        frames: how many are looked at, equidistant.
        progress: called with frames that the model has seen, and how many it sees.

    Raises:
        UsageError: a number that cannot be, an unknown model, or a folder of several clips.
        DataError: nothing is there, or it cannot be decoded.
    """
    bounds = {"k": (k, 2, MOST_CLUSTERS), "frames": (frames, 1, MOST_FRAMES)}
    bounds["size"] = (size, 32, 2048)
    for name, (value, least, most) in bounds.items():
        if not least <= value <= most:
            raise UsageError(f"--{name} {value} must be from {least} to {most}")
    seen = see(open_clip(path), model, weights, k, size, frames, seed, device, progress)
    return render_page(
        "visualize.html.jinja",
        folders=[HERE],
        styles=[BOARD_STYLE, HERE / "report.css"],
        title=seen.clip,
        mark=MARK,
        **view(seen, k, size, seed),
    )


def open_clip(path: Path) -> Clip:
    """Return the one clip at a path.

    Raises:
        UsageError: the folder holds several.
        DataError: nothing is there that could be shown.
    """
    path = path.expanduser()
    if path.is_file() and path.suffix.lower() in VIDEO_SUFFIXES:
        return video_clip(path.stem, path, VideoPool(None), path.name)
    if path.is_file():
        known = ", ".join(sorted(VIDEO_SUFFIXES))
        raise DataError(f"{path} is no video by its name; known: {known}; or give a frame folder")
    if not path.is_dir():
        raise DataError(f"{path} is not there; give a video file or a folder with frames")
    clips = datasets[f"folder:{path}"].open(None, None).clips
    if len(clips) != 1:
        raise UsageError(
            f"{path} holds {len(clips)} clips; give one of them, such as {path / clips[0].name}"
        )
    return clips[0]


def see(
    clip: Clip,
    reference: str,
    weights: Path | None,
    k: int,
    size: int,
    frames: int,
    seed: int,
    device: str,
    progress: Callable[[int, int], None] | None = None,
) -> VideoAnalysis:
    """Run the model on a clip and cluster what it says."""
    from tvseg_bench.benchmark.clustering import Moments, assign_upsampled, kmeans_upsampled
    from tvseg_bench.benchmark.plugins.load import load_model

    loaded = load_model(reference, weights=weights)
    found = _features(loaded.model, clip, size, frames, device, progress)
    moments = Moments()
    moments.update(found.tokens.reshape(-1, found.tokens.shape[-1]))
    tokens = moments.projection(PCA_DIMS)(found.tokens)
    shown = reduced_size(clip.image(found.frames[0]).shape[:2])
    rows, cols = tokens.shape[1:3]
    if k > tokens.shape[0] * rows * cols:
        raise UsageError(f"--k {k} is more than there are patches; give fewer")
    fitted = kmeans_upsampled(
        tokens, (4 * rows, 4 * cols), k, n_init=10, max_iter=100, seed=seed, labels="none"
    )
    ids = np.concatenate([assign_upsampled(t[None], fitted.centers, shown) for t in tokens])
    order = np.argsort(-np.bincount(ids.ravel(), minlength=k), kind="stable")
    return VideoAnalysis(
        model=loaded.card.name,
        clip=clip.name,
        n_frames=clip.n_frames,
        frames=found.frames,
        images=drawing.resized((clip.image(t) for t in found.frames), shown, "BOX"),
        ids=np.argsort(order)[ids],
        colours=pca_colours(tokens),
    )


def _features(
    model: Any,
    clip: Clip,
    size: int,
    frames: int,
    device: str,
    progress: Callable[[int, int], None] | None,
) -> ClipFeatures:
    from tvseg_bench.benchmark.features.extract import ExtractOptions, feature_set

    card = DatasetCard(
        name="video", version=1, title="a video", splits=("all",), clip_labels="instance",
        dataset_labels=None,
    )  # fmt: skip
    data = Dataset(card=card, split="all", clips=[clip], manifest_sha256="0" * 64)
    view = View(size=size, frames=min(frames, clip.n_frames))
    (features,) = feature_set(model, data, view, ExtractOptions(device=device), progress=progress)
    return features


def view(seen: VideoAnalysis, k: int, size: int, seed: int) -> dict[str, Any]:
    """Return what the page shows."""
    ids, at = seen.ids, spread(len(seen.frames), COLUMNS)
    drawn = drawing.clusters(seen.images, ids)
    colours = drawing.resized(seen.colours, ids.shape[1:])
    counts = np.stack([np.bincount(frame.ravel(), minlength=k) for frame in ids])
    rows, cols = seen.colours.shape[1:3]
    parts = [
        ("frame", "what the model is shown", seen.images),
        ("clusters", f"{k} clusters over the whole clip", drawn),
        ("features", f"as colours, {rows} x {cols} patches", colours),
    ]
    whole = None
    if len(seen.frames) > 2:
        made = drawing.panels([(name, frames) for name, _, frames in parts], len(parts))
        whole = video.film(made, _FPS)
    middles = drawing.columns(len(at), ids.shape[2])
    same = [float((a == b).mean()) for a, b in zip(ids[1:], ids[:-1], strict=True)]
    return {
        "model": breakable(seen.model),
        "facts": {
            "frames shown": len(seen.frames),
            "frames in the video": seen.n_frames,
            "clusters": k,
            "short side": size,
            "seed": seed,
        },
        "rows": strips([(name, note, frames[at]) for name, note, frames in parts]),
        "frames": [seen.frames[i] for i in at],
        "chart": shares(counts, at, middles),
        "marks": middles,
        "clusters": [
            {
                "colour": drawing.css(drawing.cluster_colour(i)),
                "share": f"{100 * counts[:, i].sum() / counts.sum():.1f}",
                "in": int((counts[:, i] > 0).sum()),
            }
            for i in range(k)
        ],
        "steady": f"{100 * float(np.mean(same)):.1f}" if same else None,
        "largest": f"{100 * counts.sum(0).max() / counts.sum():.1f}",
        "video": whole,
    }
