"""MOSE in its official layout: train/JPEGImages and train/Annotations; no lists."""

from __future__ import annotations

from pathlib import Path

from tvseg_bench.benchmark.data.files import layout
from tvseg_bench.benchmark.data.files.inventory import Collector, Inventory, Labelling
from tvseg_bench.benchmark.data.files.listing import list_folders
from tvseg_bench.benchmark.data.files.masks import AsStored
from tvseg_bench.benchmark.data.video_cards import MOSE as CARD
from tvseg_bench.benchmark.errors import DataError

ROOTS = ("MOSE", "MOSEv1", "mose", "MOSE_release")
IMAGES = tuple(f"{split}/JPEGImages" for split in CARD.splits)


def inventory(root: Path | None, split: str | None) -> Inventory:
    """List one split of MOSE; its videos are the folders that are there.

    Raises:
        DataError: the data set or the split is not there.
        UsageError: there is no such split.
    """
    folder = layout.find_root(CARD, root, ROOTS, _mismatch)
    there = layout.folders_there(folder, dict(zip(CARD.splits, IMAGES, strict=True)))
    split = layout.choose_split(CARD, split, there, str(folder))
    if split == "train" and (lack := layout.missing_part(folder, ["train/Annotations"])):
        raise DataError(f"{CARD.name} in {folder} {lack}; wanted: {CARD.archive}")
    found = Collector(folder)
    for name in list_folders(folder / split / "JPEGImages"):
        masks = f"train/Annotations/{name}" if split == "train" else None
        found.add_folder(name, f"{split}/JPEGImages/{name}", masks)
    return found.finish(
        CARD,
        split,
        lambda _: Labelling(instance=AsStored()),
        splits=there,
        no_mask="train/Annotations has no mask"
        if split == "train"
        else "of the official validation videos only the first frames have public masks, so that "
        "they cannot be scored here (evaluate on train)",
        unknown="masks of MOSE hold the ids of the clip's own objects",
    )


def _mismatch(folder: Path) -> str | None:
    if (folder / "train/meta.json").exists():
        return "has train/meta.json, so it is YouTube-VOS"
    return layout.missing_part(folder, IMAGES)
