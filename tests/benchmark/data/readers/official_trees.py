"""Small trees in the official layouts, which several tests look at; each returns its folder."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from scipy.io import savemat


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


def depth_png(path: Path, millimetres: Any) -> None:
    """Write a depth map as the data set stores it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(millimetres, np.uint16)).save(path)


def nyuv2(tree: Any) -> Path:
    """Two scenes of test and one of train; the first row of each image has no depth."""
    base = "nyu_depth_v2/official_splits"
    depth = np.arange(12 * 16).reshape(12, 16) * 50
    depth[0] = 0
    for place in ("test/kitchen/{}_00000", "test/office/{}_00008", "train/office/{}_00003"):
        tree.image(f"{base}/{place.format('rgb')}.jpg")
        depth_png(tree.root / base / f"{place.format('sync_depth')}.png", depth)
    return tree.root / "nyu_depth_v2"


def vip(tree: Any) -> Path:
    """Two videos of three frames, one listed for val and one for train."""
    for video in ("videos1", "videos2"):
        for t in (1, 26, 51):
            tree.image(f"VIP/VIP_Fine/Images/{video}/{t:012d}.jpg")
            mask = f"VIP/VIP_Fine/Annotations/Category_ids/{video}/{t:012d}.png"
            tree.mask(mask, (0, 2, 13, 19))
    tree.text("VIP/VIP_Fine/lists/val_videos.txt", "videos2\n")
    tree.text("VIP/VIP_Fine/lists/train_id.txt", "videos1/000000000001\nvideos1/000000000026\n")
    return tree.root / "VIP/VIP_Fine"


def joints_mat(path: Path, frames: int) -> None:
    """Write joints that move right by a pixel a frame, counted from 1."""
    path.parent.mkdir(parents=True, exist_ok=True)
    places = np.zeros((2, 15, frames))
    places[0] = 1 + np.arange(frames)
    places[1] = 1 + np.arange(15)[:, None] / 2
    savemat(path, {"pos_img": places, "pos_world": places / 10, "scale": np.ones(frames)})


def jhmdb(tree: Any) -> Path:
    """Two actions; of the first one video each of train and test, of the other one of test."""
    for video in ("catch/Ball_a", "catch/(x)_Ball!_b", "walk/Street_c"):
        for t in range(1, 4):
            tree.image(f"JHMDB/Rename_Images/{video}/{t:05d}.png")
        joints_mat(tree.root / f"JHMDB/joint_positions/{video}/joint_positions.mat", 3)
    lines = "Ball_a.avi 1 \n(x)_Ball!_b.avi 2 \nunused.avi 0\n"
    tree.text("JHMDB/splits/catch_test_split1.txt", lines)
    tree.text("JHMDB/splits/walk_test_split1.txt", "Street_c.avi 2\n")
    return tree.root / "JHMDB"
