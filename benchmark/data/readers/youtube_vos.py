"""YouTube-VOS 2019 in its official layout, and the category maps of its instances.

The customary evaluation takes a fifth of the training videos, since the masks of `valid` are not
public. TimeT divided them at random (Timetuning, data_loader.py) and released the lists with
TimeT_clean as train.txt and val.txt.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tvseg_bench.benchmark.data.cards import YOUTUBE_VOS_2019 as CARD
from tvseg_bench.benchmark.data.files import layout
from tvseg_bench.benchmark.data.files.inventory import Categories, Collector, Inventory
from tvseg_bench.benchmark.data.files.listing import list_folders
from tvseg_bench.benchmark.errors import DataError
from tvseg_bench.benchmark.types import VOID

ROOTS = (
    *("YouTubeVOS2019", "YouTube-VOS-2019", "youtube-vos-2019", "YTVOS2019", "ytvos2019"),
    *("YouTubeVOS", "YouTube-VOS", "youtube-vos", "YTVOS", "ytvos"),
)
META = "train/meta.json"
IMAGES = ("train/JPEGImages", "valid/JPEGImages")
LIST_FOLDERS = (".", "ImageSets", "train")

PUBLISHED_LISTS = {"train": "2d77321b", "val": "5b1ebb10"}
"""How the sha256 of the lists released with TimeT_clean begin."""

HASH_PARTS = 5


def inventory(root: Path | None, split: str | None) -> Inventory:
    """List one split of YouTube-VOS 2019.

    Raises:
        DataError: the data set, the list or meta.json is not there.
        UsageError: there is no such split.
    """
    folder = layout.find_root(CARD, root, ROOTS, lambda path: layout.missing_part(path, IMAGES))
    lists = _available(folder)
    split = layout.choose_split(CARD, split, lists, f"{folder} (or its folder ImageSets)")
    part = "valid" if split == "valid" else "train"
    if split != "valid" and (lack := layout.missing_part(folder, ["train/Annotations"], [META])):
        raise DataError(f"youtube-vos-2019 in {folder} {lack}; wanted: {CARD.archive}")
    found = Collector(folder)
    for name in _videos(folder, split, lists[split]):
        masks = None if part == "valid" else f"train/Annotations/{name}"
        found.add_folder(name, f"{part}/JPEGImages/{name}", masks)
    categories = _read_categories(folder / part / "meta.json")
    if part == "train":
        _find_unnamed(found, categories)
    return found.finish(
        replace(CARD, notes=f"{CARD.notes} Read here: {_origin(split, lists[split])}."),
        split,
        categories.labelling,
        splits=lists,
        no_mask="the masks of the official validation videos are not public (evaluate on val or "
        "hash-val, parts of the training archive)"
        if part == "valid"
        else "train/Annotations has no mask",
        unknown="meta.json names no category for instance {value} of this video",
        settings={
            "ids": categories.ids,
            "names": {clip.name: categories.names.get(clip.name, {}) for clip in found.clips},
        },
        classes=categories.classes,
    )


# ----------------------------------------------------------------------------- splits


def _available(folder: Path) -> dict[str, Path]:
    """Return the splits there are, by the list or the folder that holds their videos."""
    splits: dict[str, Path] = {}
    if (folder / "train/JPEGImages").is_dir():
        places = [
            folder / place / f"{name}.txt" for name in ("val", "train") for place in LIST_FOLDERS
        ]
        for path in places:
            if path.is_file():
                splits.setdefault(path.stem, path)
        splits |= {"hash-val": folder / "train", "hash-train": folder / "train"}
    if (folder / "valid/JPEGImages").is_dir():
        splits["valid"] = folder / "valid"
    return splits


def _videos(folder: Path, split: str, listed: Path) -> list[str]:
    if listed.suffix == ".txt":
        return layout.names_in(listed)
    videos = list_folders(listed / "JPEGImages")
    if split == "valid":
        return videos
    return [video for video in videos if hash_split(video) == split]


def hash_split(video: str) -> Literal["hash-val", "hash-train"]:
    """Return the part of this suite's own 20/80 division that a video belongs to.

    It depends on the id alone, so an absent video moves no other.

    Example:
        >>> hash_split("003234408d")
        'hash-train'
    """
    first = int.from_bytes(hashlib.sha256(video.encode()).digest()[:8], "big")
    return "hash-train" if first % HASH_PARTS else "hash-val"


def _origin(split: str, listed: Path) -> str:
    if split == "valid":
        return "the official validation videos, without masks"
    if listed.suffix != ".txt":
        return "a division by a hash of the video id, this suite's own and no published list"
    digest = hashlib.sha256(listed.read_bytes()).hexdigest()
    if digest.startswith(PUBLISHED_LISTS[split]):
        return f"{listed.name} as released with TimeT_clean"
    return f"a {listed.name} that is not the published one (sha256 {digest[:8]})"


# ----------------------------------------------------------------------------- labels


def _read_categories(path: Path) -> Categories:
    if not path.exists():  # only `valid` comes here without it
        return Categories({}, {})
    raw = layout.read_json(path)
    try:
        videos = {
            str(video): {
                int(key): str(entry["category"]) for key, entry in about.get("objects", {}).items()
            }
            for video, about in raw["videos"].items()
        }
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise DataError(
            f'{path} is not of the form {{"videos": {{ID: {{"objects": {{"1": {{"category": '
            f"NAME}}}}}}}}}} ({type(error).__name__}: {error})"
        ) from error
    return Categories.of(videos, path.name)


def _find_unnamed(found: Collector, categories: Categories) -> None:
    for clip in found.clips:
        if clip.name not in categories.names:
            text = (
                f"{META} does not name the video {clip.name!r}, so its instances have no category"
            )
            found.findings.add("label-file", META, text)


def map_instances(
    labels: NDArray[np.integer[Any]],
    mapping: Mapping[int, int],
    order: Literal["simultaneous", "sequential"] = "simultaneous",
) -> NDArray[np.integer[Any]]:
    """Turn the instance ids of one clip into category ids.

    `sequential` writes in place, one instance after the other, as Timetuning (data_loader.py,
    map_instances) does: where the category just written equals a later instance id of the clip,
    these pixels are mapped again.

    Args:
        labels: [..., H, W] instance ids of all frames that are looked at together; 0 and VOID
            stay.
        mapping: instance id -> category id.
        order: `simultaneous` is right, `sequential` is the published quirk.

    Raises:
        DataError: an instance has no category.

    Example:
        >>> clip, mapping = np.array([[[0, 1, 2]]]), {1: 2, 2: 6}
        >>> map_instances(clip, mapping).tolist()
        [[[0, 2, 6]]]
        >>> map_instances(clip, mapping, order="sequential").tolist()
        [[[0, 6, 6]]]
    """
    present = [int(value) for value in np.unique(labels) if value not in (0, VOID)]
    unnamed = [value for value in present if value not in mapping]
    if unnamed:
        raise DataError(
            f"instance {unnamed[0]} of the clip has no category; named: {sorted(mapping)}"
        )
    out = labels.copy()
    for value in present:
        seen = labels if order == "simultaneous" else out
        out[seen == value] = mapping[value]
    return out
