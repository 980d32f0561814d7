"""What protocols have in common in their declarations: metrics, and a configuration.

Nothing here computes; importing this module loads neither numpy nor torch.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from tvseg_bench.benchmark.types import Dataset, MetricCard, View


def mean_iou_cards(
    interval: Literal["mean", "counts", "as-scored"],
    clip_score: Literal["own", "mean-of-frames"] = "own",
) -> dict[str, MetricCard]:
    """Return the cards of mean intersection over union, with and without the background."""
    iou = "mean intersection over union of the classes"
    return {
        "miou": MetricCard(
            title=f"{iou}, background included", interval=interval, clip_score=clip_score
        ),
        "miou_fg": MetricCard(
            title=f"{iou}, background left out",
            background="left-out",
            interval=interval,
            clip_score=clip_score,
        ),
    }


class InputConfig(BaseModel):
    """How frames reach the model."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    size: int = Field(default=224, ge=14, le=4096)
    """Pixels of the short side (`short-side`) or of both sides (`square`) of the input."""
    resize: Literal["short-side", "square"] = "short-side"
    """short-side: aspect kept, both sides multiples of the patch. square: squashed."""

    def shown(
        self,
        dataset: Dataset,
        frames: int | None,
        statistics: Literal["card", "timet"] = "card",
        **fields: Any,
    ) -> View:
        """Return the view of these data; still images come once, with the card's statistics."""
        still = len(dataset.clips) > 0 and dataset.clips[0].n_frames == 1
        return View(
            size=self.size,
            resize=self.resize,
            statistics="card" if still else statistics,
            frames=None if still else frames,
            **fields,
        )


class LearnedConfig(InputConfig):
    """Everything about input and score that moves a number of `linear` and `retrieval`."""

    statistics: Literal["card", "timet"] = "card"
    """Input normalisation; `timet` is the release's std .228 for video."""
    frames: int | None = Field(default=None, ge=1)
    """Frames per clip, equidistant; null = every frame."""
    augment: Literal["none"] = "none"
    """none: features of the frames as they are, extracted once and shared by all protocols. Crops,
    flips and colour changes need a forward pass per epoch and are not made."""

    score_size: int | Literal["gt"] = "gt"
    """gt: labels at the ground truth's own size. int: both at a square of that side."""
    matching: Literal["identity", "hungarian-iou"] = "identity"
    """identity: a predicted label is that label. hungarian-iou: predicted labels are matched to
    the true ones as if they were clusters."""
    absent_class: Literal["skip", "skip-unpredicted", "zero"] = "skip"
    """What a class of the data set without a true pixel does to the mean: left out; left out
    unless something is predicted as it; counted as 0."""

    def view(self, dataset: Dataset) -> View:
        """Return the view of these data."""
        return self.shown(dataset, self.frames, self.statistics)


def existing_folder(folder: Path | None) -> Path | None:
    """Return a folder that a parameter names, as an error of the parameter where it is not there.

    Raises:
        ValueError: there is no such folder.
    """
    if folder is None:
        return None
    folder = folder.expanduser()
    if not folder.is_dir():
        raise ValueError(f"there is no folder {folder}")
    return folder


def flow_manifest(folder: Path | None) -> str | None:
    """Return which flow a folder holds and not where it lies: its name, and a hash of its list."""
    if folder is None:
        return None
    from tvseg_bench.benchmark.data.files.flow_files import manifest

    return f"{folder.resolve().name}@{manifest(folder)[:16]}"
