"""MOVi-C and MOVi-E as scripts/convert_movi.py writes them.

    movi_c/SPLIT/frames/CLIP/00000.png          RGB
                /segmentations/CLIP/00000.png   grey: 0 background, else the clip's own objects
                /forward_flow/CLIP/00000.npz    `flow` [H, W, 2] from this frame to the next and
                                                `backward` [H, W, 2] back; not for the last one
                /depth/CLIP/00000.npz           `depth` [H, W]

Arrays are float32, displacements (x, y) in pixels. The folders of motion and depth may be absent.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from tvseg_bench.benchmark.data import video_cards
from tvseg_bench.benchmark.data.files import layout
from tvseg_bench.benchmark.data.files.array_files import read_map
from tvseg_bench.benchmark.data.files.clip_frames import Companions, FrameReader
from tvseg_bench.benchmark.data.files.flow_files import read_flow
from tvseg_bench.benchmark.data.files.inventory import Collector, Inventory, Labelling
from tvseg_bench.benchmark.data.files.listing import list_folders, stem
from tvseg_bench.benchmark.data.files.masks import AsStored
from tvseg_bench.benchmark.errors import DataError
from tvseg_bench.benchmark.types import DatasetCard, Depth, Flow

FRAMES, MASKS, FLOW, DEPTH = "frames", "segmentations", "forward_flow", "depth"
ARRAYS = frozenset({".npz"})


def inventory_c(root: Path | None, split: str | None) -> Inventory:
    """List one split of MOVi-C, as `inventory_e` does.

    Raises:
        DataError: the data set or the split is not there.
        UsageError: there is no such split.
    """
    return _inventory(video_cards.MOVI_C, root, split)


def inventory_e(root: Path | None, split: str | None) -> Inventory:
    """List one split of MOVi-E; its clips are the folders that are there.

    Raises:
        DataError: the data set or the split is not there.
        UsageError: there is no such split.
    """
    return _inventory(video_cards.MOVI_E, root, split)


def _inventory(card: DatasetCard, root: Path | None, split: str | None) -> Inventory:
    folder = layout.find_root(card, root, _roots(card), lambda path: _mismatch(card, path))
    there = layout.folders_there(folder, {name: f"{name}/{FRAMES}" for name in card.splits})
    split = layout.choose_split(card, split, there, str(folder))
    if lack := layout.missing_part(folder, [f"{split}/{MASKS}"]):
        raise DataError(f"{card.name} in {folder} {lack}; wanted: {card.archive}")
    found = Collector(folder)
    for name in list_folders(folder / split / FRAMES):
        found.add_folder(name, f"{split}/{FRAMES}/{name}", f"{split}/{MASKS}/{name}")
        for part in (FLOW, DEPTH):
            found.add_beside(f"{split}/{part}/{name}", ARRAYS)
    flow, depth = ((folder / split / part).is_dir() for part in (FLOW, DEPTH))

    def companions(reader: FrameReader) -> Companions:
        return Companions(
            flow=partial(_read_flow, reader, split) if flow else None,
            depth=partial(_read_depth, reader, split) if depth else None,
        )

    return found.finish(
        card,
        split,
        lambda _: Labelling(instance=AsStored()),
        splits=there,
        no_mask=f"{split}/{MASKS} has no mask",
        unknown="masks of MOVi hold the ids of the clip's own objects",
        companions=companions,
    )


def _roots(card: DatasetCard) -> tuple[str, ...]:
    letter = card.name[-1]
    names = (f"movi_{letter}", card.name, f"MOVi-{letter.upper()}")
    return (*names, *(f"movi/{name}" for name in names))


def _mismatch(card: DatasetCard, folder: Path) -> str | None:
    """Return why a folder is not the data set's; its name tells C from E, which look alike."""
    if list(folder.glob("*/dataset_info.json")) or list(folder.glob("*/*/dataset_info.json")):
        return "holds the files of tensorflow_datasets, which scripts/convert_movi.py converts"
    if folder.name not in {Path(name).name for name in _roots(card)}:
        return f"is not called {_roots(card)[0]}"
    return layout.missing_part(folder, [f"{split}/{FRAMES}" for split in card.splits])


def _read_flow(reader: FrameReader, split: str, t: int) -> Flow:
    with reader.naming(t):
        name = _path(reader, split, FLOW, t)
        return read_flow(reader.source.root / name, reader.size(t), name)


def _read_depth(reader: FrameReader, split: str, t: int) -> Depth:
    with reader.naming(t):
        name = _path(reader, split, DEPTH, t)
        return read_map(reader.source.root / name, name, "depth", reader.size(t))


def _path(reader: FrameReader, split: str, part: str, t: int) -> str:
    return f"{split}/{part}/{reader.files.name}/{stem(reader.files.frames[t])}.npz"
