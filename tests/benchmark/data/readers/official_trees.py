"""Small trees in the official layouts, which several tests look at; each returns its folder."""

from pathlib import Path
from typing import Any


def ade20k(tree: Any) -> Path:
    """Two images of validation and one of training."""
    base = "ADEChallengeData2016"
    for folder, names in (
        ("validation", ("ADE_val_00000001", "ADE_val_00000002")),
        ("training", ("ADE_train_00000001",)),
    ):
        for name in names:
            tree.image(f"{base}/images/{folder}/{name}.jpg")
            tree.mask(f"{base}/annotations/{folder}/{name}.png", (0, 1, 150))
    return tree.root / base


def cocostuff(tree: Any) -> Path:
    """Two images of val2017, one of them listed by PiCIE, and one of train2017."""
    for folder, names in (
        ("val2017", ("000000000139", "000000000285")),
        ("train2017", ("000000000009",)),
    ):
        for name in names:
            tree.image(f"cocostuff/images/{folder}/{name}.jpg")
            # person, car, banner, wall-wood, no label
            tree.mask(f"cocostuff/annotations/{folder}/{name}.png", (0, 2, 91, 176, 255))
    listed = "cocostuff/curated/val2017/Coco164kFull_Stuff_Coarse_7.txt"
    tree.text(listed, "000000000285\n")
    return tree.root / "cocostuff"


def cityscapes(tree: Any, *, sequence: bool = False) -> Path:
    """Two cities of val and one of train; the snippet around one frame where it is wanted."""
    for place in ("val/frankfurt/frankfurt_000001_000294", "val/munster/munster_000000_000019"):
        _cityscapes_frame(tree, place)
    _cityscapes_frame(tree, "train/aachen/aachen_000000_000019")
    if sequence:
        for t in range(275, 305):
            name = f"val/frankfurt/frankfurt_000001_{t:06d}_leftImg8bit.png"
            tree.image(f"cityscapes/leftImg8bit_sequence/{name}")
        for t in range(30):
            name = f"val/munster/munster_000000_{t:06d}_leftImg8bit.png"
            tree.image(f"cityscapes/leftImg8bit_sequence/{name}")
    return tree.root / "cityscapes"


def _cityscapes_frame(tree: Any, place: str) -> None:
    tree.image(f"cityscapes/leftImg8bit/{place}_leftImg8bit.png")
    # out of roi, road, parking, bicycle
    tree.mask(f"cityscapes/gtFine/{place}_gtFine_labelIds.png", (3, 7, 9, 33))
    tree.mask(f"cityscapes/gtFine/{place}_gtFine_instanceIds.png", (3, 7))
