"""PASCAL VOC 2012 segmentation: still images, each a clip of one frame."""

from __future__ import annotations

from pathlib import Path

from tvseg_bench.benchmark.data.cards import PASCAL_VOC_2012 as CARD
from tvseg_bench.benchmark.data.files import layout
from tvseg_bench.benchmark.data.files.inventory import Collector, Inventory, Labelling
from tvseg_bench.benchmark.data.files.listing import stem
from tvseg_bench.benchmark.data.files.masks import LabelMap
from tvseg_bench.benchmark.errors import DataError
from tvseg_bench.benchmark.types import VOID

ROOTS = (
    "VOC2012/VOCdevkit/VOC2012",
    "VOCdevkit/VOC2012",
    "VOC2012",
    "pascal-voc-2012",
    "pascal-voc-2012/VOCdevkit/VOC2012",
    "pascal/VOCdevkit/VOC2012",
)
LISTS = "ImageSets/Segmentation"
MASK_FOLDERS = ("SegmentationClass", "SegmentationClassAug")

CLASSES = LabelMap({**{label: label for label in range(len(CARD.classes))}, 255: VOID})


def inventory(root: Path | None, split: str | None) -> Inventory:
    """List one split of PASCAL VOC 2012; `trainaug` is read from SegmentationClassAug.

    Raises:
        DataError: the data set, the list or the masks are not there.
        UsageError: there is no such split.
    """
    folder = layout.find_root(
        CARD,
        root,
        ROOTS,
        lambda path: layout.missing_part(path, ["JPEGImages"], MASK_FOLDERS, [LISTS]),
    )
    lists = layout.lists_in(folder / LISTS)
    split = layout.choose_split(CARD, split, lists, LISTS)
    mask_dir = _mask_folder(folder, split)
    found = Collector(folder)
    names = _names(lists[split])
    found.add_stills("JPEGImages", mask_dir, names, listed=f"{LISTS}/{split}.txt")
    return found.finish(
        CARD,
        split,
        lambda _: Labelling(semantic=CLASSES),
        splits=lists,
        no_mask=f"{mask_dir} has no mask",
        unknown="masks of PASCAL VOC hold 0 to 20, and 255 for void",
    )


def _mask_folder(folder: Path, split: str) -> str:
    wanted = MASK_FOLDERS[::-1] if split == "trainaug" else MASK_FOLDERS
    if split == "trainaug" and not (folder / wanted[0]).is_dir():
        raise DataError(
            f"{CARD.name}:trainaug needs the masks {wanted[0]} beside JPEGImages in {folder}, "
            f"which are not there; SegmentationClass has masks of train and val only"
        )
    return next(name for name in wanted if (folder / name).is_dir())


def _names(path: Path) -> list[str]:
    """Return the images of a list: one name a line, or the paths of image and mask (SBD lists)."""
    lines = (layout.safe_parts(line.split()[0], path.name)[-1] for line in layout.read_list(path))
    return list(dict.fromkeys(stem(name) if "." in name else name for name in lines))
