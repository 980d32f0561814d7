"""Small data sets in the official layouts, made for each test."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

SIZE = (12, 16)
"""(height, width) of every made frame."""


class Tree:
    """Writes frames, masks and lists below one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def image(self, path: str, size: tuple[int, int] = SIZE, **save: object) -> Path:
        """Write an image whose colours depend on its path."""
        rng = np.random.default_rng(list(path.encode()))
        pixels = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
        return self._save(path, Image.fromarray(pixels), **save)

    def mask(
        self, path: str, values: tuple[int, ...] = (0, 1), mode: str = "L", size=SIZE
    ) -> Path:
        """Write a mask of vertical stripes with these values."""
        stripes = np.array(values, np.uint8)[np.arange(size[1]) * len(values) // size[1]]
        image = Image.fromarray(np.broadcast_to(stripes, size).copy())
        if mode == "P":
            image.putpalette([value for i in range(256) for value in (i, 0, 255 - i)])
        elif mode != "L":
            image = image.convert(mode)
        return self._save(path, image)

    def text(self, path: str, content: str) -> Path:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content, encoding="utf-8")
        return target

    def _save(self, path: str, image: Image.Image, **save: object) -> Path:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        image.save(target, **save)
        return target


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


@pytest.fixture
def davis_2016(tree: Tree) -> Tree:
    """Two sequences of three frames below DAVIS2016/DAVIS; dog is listed before bear."""
    base = "DAVIS2016/DAVIS"
    for name in ("bear", "dog"):
        for t in range(3):
            tree.image(f"{base}/JPEGImages/480p/{name}/{t:05d}.jpg")
            tree.mask(f"{base}/Annotations/480p/{name}/{t:05d}.png", (0, 255))
    tree.text(f"{base}/ImageSets/2016/val.txt", "dog\nbear\n")
    tree.text(f"{base}/ImageSets/2016/train.txt", "bear\n")
    return Tree(tree.root / base)


@pytest.fixture
def davis_2017(tree: Tree) -> Tree:
    """Two sequences of two frames with instances 1 and 2 and void."""
    for name in ("bear", "dogs"):
        for t in range(2):
            tree.image(f"DAVIS/JPEGImages/480p/{name}/{t:05d}.jpg")
            mask = f"DAVIS/Annotations_unsupervised/480p/{name}/{t:05d}.png"
            tree.mask(mask, (0, 1, 2, 255), "P")
    tree.text("DAVIS/ImageSets/2017/val.txt", "bear\ndogs\n")
    return Tree(tree.root / "DAVIS")


@pytest.fixture
def youtube_vos(tree: Tree) -> Tree:
    """Twelve videos of two frames: instance 1 an ape, instance 2 a zebra."""
    objects = '{"objects": {"1": {"category": "zebra"}, "2": {"category": "ape"}}}'
    videos = [f"video{i:02d}" for i in range(12)]
    for name in videos:
        for t in (0, 5):
            tree.image(f"youtube-vos-2019/train/JPEGImages/{name}/{t:05d}.jpg")
            tree.mask(f"youtube-vos-2019/train/Annotations/{name}/{t:05d}.png", (0, 1, 2), "P")
    about = ", ".join(f'"{name}": {objects}' for name in videos)
    tree.text("youtube-vos-2019/train/meta.json", f'{{"videos": {{{about}}}}}')
    return Tree(tree.root / "youtube-vos-2019")


@pytest.fixture
def voc(tree: Tree) -> Tree:
    """Two images of val, one more of trainaug."""
    base = "VOCdevkit/VOC2012"
    for name in ("2007_000001", "2007_000002", "2008_000003"):
        tree.image(f"{base}/JPEGImages/{name}.jpg")
        tree.mask(f"{base}/SegmentationClassAug/{name}.png", (0, 20), "L")
    for name in ("2007_000001", "2007_000002"):
        tree.mask(f"{base}/SegmentationClass/{name}.png", (0, 15, 255), "P")
    tree.text(f"{base}/ImageSets/Segmentation/val.txt", "2007_000002\n2007_000001\n")
    aug = "/JPEGImages/2008_000003.jpg /SegmentationClassAug/2008_000003.png\n"
    tree.text(f"{base}/ImageSets/Segmentation/trainaug.txt", aug)
    return Tree(tree.root / base)


@pytest.fixture
def camvid(tree: Tree) -> Tree:
    """Two drives of two frames in test, listed out of order with the official paths."""
    names = ("Seq05VD_f00030", "0001TP_008550", "Seq05VD_f00000", "0001TP_008520")
    for name in names:
        tree.image(f"CamVid/test/{name}.png")
        tree.mask(f"CamVid/testannot/{name}.png", (0, 10, 11))
    lines = [f"/SegNet/CamVid/test/{n}.png /SegNet/CamVid/testannot/{n}.png" for n in names]
    tree.text("CamVid/test.txt", "\n".join(lines))
    return Tree(tree.root / "CamVid")


@pytest.fixture
def real_root() -> Path:
    """The folder of the real samples; skips without it."""
    root = os.environ.get("TVSEG_DATA")
    if not root:
        pytest.skip("TVSEG_DATA is not set to the folder of the real samples")
    return Path(root)


@pytest.fixture
def write_yaml(tree: Tree) -> Callable[[str], str]:
    """Write data.yaml and return its `folder:` reference."""

    def write(content: str) -> str:
        return f"folder:{tree.text('data.yaml', content)}"

    return write
