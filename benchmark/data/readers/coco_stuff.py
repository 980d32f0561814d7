"""COCO-Stuff (164k) with four ways to count classes: still images, each a clip of one frame.

Layout: images/{train2017,val2017}/*.jpg and annotations/{train2017,val2017}/*.png, stored values
0 to 181, 255 unlabelled (README of github.com/nightrome/cocostuff); or, as many keep COCO,
{train2017,val2017}/*.jpg and stuffthingmaps/{train2017,val2017}/*.png. Where the lists of PiCIE
lie beside them in curated/, the splits that PiCIE and STEGO use are there too.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tvseg_bench.benchmark.data import cards
from tvseg_bench.benchmark.data.class_names import coco_stuff as names
from tvseg_bench.benchmark.data.files import layout
from tvseg_bench.benchmark.data.files.inventory import Collector, Inventory, Labelling
from tvseg_bench.benchmark.data.files.listing import stem
from tvseg_bench.benchmark.data.files.masks import LabelMap
from tvseg_bench.benchmark.types import VOID, DatasetCard

ROOTS = (
    *("cocostuff", "coco-stuff", "COCO-Stuff", "coco_stuff164k", "cocostuff/dataset"),
    *("coco", "COCO", "coco2017"),
)
FOLDERS = {"val": "val2017", "train": "train2017"}
IMAGES = ("images/", "")
"""What may stand before these folders: COCO-Stuff's own layout, or COCO's."""
LISTS = {
    "curated-val": "curated/val2017/Coco164kFull_Stuff_Coarse_7.txt",
    "curated-train": "curated/train2017/Coco164kFull_Stuff_Coarse.txt",
}
"""What STEGO takes for `val` and `train` of its 27 classes (src/data.py)."""
MASKS = ("annotations", "stuffthingmaps")


def _map(class_of: Callable[[str, str], str], classes: tuple[str, ...]) -> LabelMap:
    """Return stored value -> class, by what a name and its super-category belong to."""
    ids = {name: i for i, name in enumerate(classes)}
    wanted = [class_of(*fine) for fine in names.FINE]
    return LabelMap(
        {
            **{i: ids.get(name, VOID) for i, name in enumerate(wanted)},
            255: VOID,
        }
    )


def inventory_27(root: Path | None, split: str | None) -> Inventory:
    """List one split with the 27 coarse classes, 12 of things and 15 of stuff.

    Raises:
        DataError: the data set, the list or the folders of the split are not there.
        UsageError: there is no such split.
    """
    return _coarse(cards.COCOSTUFF_27, root, split)


def inventory_15(root: Path | None, split: str | None) -> Inventory:
    """List one split with the 15 coarse classes of stuff, things void.

    Raises:
        DataError: the data set, the list or the folders of the split are not there.
        UsageError: there is no such split.
    """
    return _coarse(cards.COCOSTUFF_15, root, split)


def inventory_things(root: Path | None, split: str | None) -> Inventory:
    """List one split with the 12 coarse classes of things, stuff void.

    Raises:
        DataError: the data set, the list or the folders of the split are not there.
        UsageError: there is no such split.
    """
    return _coarse(cards.COCOTHINGS_12, root, split)


def inventory_171(root: Path | None, split: str | None) -> Inventory:
    """List one split with the 171 classes that have pixels.

    Raises:
        DataError: the data set, the list or the folders of the split are not there.
        UsageError: there is no such split.
    """
    card = cards.COCOSTUFF_171
    return _inventory(card, root, split, _map(lambda name, _: name, card.classes))


def _coarse(card: DatasetCard, root: Path | None, split: str | None) -> Inventory:
    return _inventory(card, root, split, _map(lambda _, group: group, card.classes))


def _inventory(
    card: DatasetCard, root: Path | None, split: str | None, classes: LabelMap
) -> Inventory:
    folder = layout.find_root(card, root, ROOTS, _mismatch)
    before = next(b for b in IMAGES if any((folder / (b + f)).is_dir() for f in FOLDERS.values()))
    there = {
        **layout.folders_there(folder, {s: before + name for s, name in FOLDERS.items()}),
        **{s: folder / name for s, name in LISTS.items() if (folder / name).is_file()},
    }
    split = layout.choose_split(card, split, there, f"{folder} (images, or curated)")
    part = FOLDERS[split.removeprefix("curated-")]
    masks = next((d for d in (f"{m}/{part}" for m in MASKS) if (folder / d).is_dir()), MASKS[0])
    found = Collector(folder)
    wanted = map(stem, layout.names_in(there[split])) if split in LISTS else None
    found.add_stills(before + part, masks, wanted, listed=LISTS.get(split, ""))
    return found.finish(
        card,
        split,
        lambda _: Labelling(semantic=classes),
        splits=there,
        no_mask=f"{masks} has no mask",
        unknown="masks of COCO-Stuff (stuffthingmaps) hold 0 to 181, and 255 for unlabelled",
        settings={"ids": sorted(classes.ids.items())},
    )


def _mismatch(folder: Path) -> str | None:
    images = [before + name for before in IMAGES for name in FOLDERS.values()]
    if lack := layout.missing_part(folder, images):
        return lack
    masks = [f"{name}/{part}" for name in MASKS for part in FOLDERS.values()]
    if layout.missing_part(folder, masks):
        return (
            "has no masks (annotations/train2017 or val2017, which stuffthingmaps_trainval2017"
            ".zip holds; the JSON annotations of COCO are not read)"
        )
    return None
