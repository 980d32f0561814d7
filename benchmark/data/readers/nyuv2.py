"""NYU Depth v2 as images with 16-bit depth maps: still images, each a clip of one frame.

Layout: official_splits/{train,test}/SCENE/rgb_NNNNN.jpg with sync_depth_NNNNN.png beside it, and
sync/SCENE/... for the larger training set; depth in millimetres. The Matlab file of the authors
is not read: utils/extract_official_train_test_set_from_mat.py of github.com/cleinc/bts writes
this layout from it, and AdaBins, ZoeDepth and others read it.
"""

from __future__ import annotations

from pathlib import Path

from tvseg_bench.benchmark.data.cards import NYUV2 as CARD
from tvseg_bench.benchmark.data.files import layout
from tvseg_bench.benchmark.data.files.clip_frames import Companions, FrameReader
from tvseg_bench.benchmark.data.files.depth_files import read_depth
from tvseg_bench.benchmark.data.files.images import IMAGE_SUFFIXES
from tvseg_bench.benchmark.data.files.inventory import Collector, Inventory, Labelling
from tvseg_bench.benchmark.data.files.listing import join, list_files, list_folders, stem
from tvseg_bench.benchmark.types import Depth

ROOTS = ("nyu_depth_v2", "NYU_Depth_V2", "nyuv2", "NYUv2", "nyu", "NYU")
FOLDERS = {
    "test": ("official_splits/test", "test"),
    "train": ("official_splits/train", "train"),
    "sync": ("sync",),
}
LISTS = {
    "test": ("nyudepthv2_test_files_with_gt.txt", "nyu_test.txt"),
    "sync": ("nyudepthv2_train_files_with_gt.txt", "nyu_train.txt"),
}
"""Lists that, where they lie in the data set's folder, say which pairs count."""
IMAGE, DEPTH = "rgb_", "sync_depth_"
STEPS_PER_METRE = 1000


def inventory(root: Path | None, split: str | None) -> Inventory:
    """List one split of NYU Depth v2.

    Raises:
        DataError: the data set or the folder of the split is not there.
        UsageError: there is no such split.
    """
    folder = layout.find_root(CARD, root, ROOTS, _mismatch)
    there = _there(folder)
    split = layout.choose_split(CARD, split, there, f"{folder} (official_splits, or sync)")
    images = there[split].relative_to(folder).as_posix()
    found = Collector(folder)
    listed = next((n for n in LISTS.get(split, ()) if (folder / n).is_file()), "")
    if listed:
        _add_listed(found, images, listed)
    else:
        for scene in list_folders(folder / images):
            for name, size in _images(found, f"{images}/{scene}").items():
                _add(found, f"{images}/{scene}", name, size)
    return found.finish(
        CARD,
        split,
        lambda _: Labelling(),
        splits=there,
        no_mask="this data set has depth and no masks",
        unknown="",
        companions=_companions,
    )


def _there(folder: Path) -> dict[str, Path]:
    """Return the folders of the splits that hold a scene with an image."""
    return {
        split: folder / name
        for split, names in FOLDERS.items()
        for name in reversed(names)
        if next((folder / name).glob(f"*/{IMAGE}*"), None) is not None
    }


def _mismatch(folder: Path) -> str | None:
    if _there(folder):
        return None
    if (folder / "nyu_depth_v2_labeled.mat").exists():
        return (
            "has the Matlab file only, which is not read; extract it with "
            "utils/extract_official_train_test_set_from_mat.py of github.com/cleinc/bts"
        )
    return f"has no official_splits/test/SCENE/{IMAGE}NNNNN.jpg, nor the same in train or sync"


def _images(found: Collector, folder: str) -> dict[str, int]:
    listed = list_files(found.root / folder, IMAGE_SUFFIXES)
    return {name: size for name, size in listed.items() if name.startswith(IMAGE)}


def _add_listed(found: Collector, images: str, listed: str) -> None:
    """Add the pairs of a list: `/SCENE/rgb_NNNNN.jpg /SCENE/sync_depth_NNNNN.png ...`."""
    known: dict[str, dict[str, int]] = {}
    for line in layout.read_list(found.root / listed):
        *scene, name = layout.safe_parts(line.split()[0], listed)
        place = "/".join(scene)
        if place not in known:
            known[place] = _images(found, join(images, place))
        if name in known[place]:
            _add(found, join(images, place), name, known[place][name])
        else:
            path = f"{join(images, place)}/{name}"
            text = f"{listed} lists {line.split()[0]!r}, but {path} is not there"
            found.findings.add("frame-missing", path, text)


def _add(found: Collector, folder: str, name: str, size: int) -> None:
    scene, image = folder.rpartition("/")[2], f"{folder}/{name}"
    found.add(f"{scene}/{stem(name)}", folder, {name: size})
    depth = _depth_path(image)
    if (found.root / depth).is_file():
        found.use(depth)
    else:
        found.findings.add("file-unreadable", image, f"{image} has no depth map {depth}")


def _depth_path(image: str) -> str:
    folder, _, name = image.rpartition("/")
    return f"{folder}/{DEPTH}{stem(name).removeprefix(IMAGE)}.png"


def _companions(reader: FrameReader) -> Companions:
    def depth(frame: int) -> Depth:
        with reader.naming(frame):
            name = _depth_path(reader.files.image_path(frame))
            path = reader.source.root / name
            return read_depth(path, name, reader.size(frame), STEPS_PER_METRE)

    return Companions(depth=depth)
