"""Cityscapes with 19 or 27 classes: labelled frames as still images, or the snippets around them.

Layout: leftImg8bit/SPLIT/CITY/CITY_SEQ_FRAME_leftImg8bit.png,
gtFine/SPLIT/CITY/CITY_SEQ_FRAME_gtFine_labelIds.png, and, for the snippets of 30 frames,
leftImg8bit_sequence/SPLIT/CITY/... (README of github.com/mcordts/cityscapesScripts).
"""

from __future__ import annotations

import re
from pathlib import Path

from tvseg_bench.benchmark.data import cards
from tvseg_bench.benchmark.data.class_names import cityscapes as names
from tvseg_bench.benchmark.data.files import layout
from tvseg_bench.benchmark.data.files.images import IMAGE_SUFFIXES
from tvseg_bench.benchmark.data.files.inventory import Collector, Inventory, Labelling
from tvseg_bench.benchmark.data.files.listing import list_files, list_folders
from tvseg_bench.benchmark.data.files.masks import LabelMap
from tvseg_bench.benchmark.types import VOID, DatasetCard

ROOTS = ("cityscapes", "Cityscapes", "CityScapes", "cityscapes/cityscapes")
PARTS = ("val", "train")
SEQUENCE = "-sequence"
"""What a split of snippets is called by: `val-sequence`."""
IMAGE, MASK = "_leftImg8bit", "_gtFine_labelIds"
BEFORE, AFTER = 19, 10
"""Frames of a snippet before and after the labelled one."""


def inventory_19(root: Path | None, split: str | None) -> Inventory:
    """List one split with the 19 classes of the benchmark.

    Raises:
        DataError: the data set or the folders of the split are not there.
        UsageError: there is no such split.
    """
    return _inventory(cards.CITYSCAPES, root, split)


def inventory_27(root: Path | None, split: str | None) -> Inventory:
    """List one split with all 27 classes that are not void.

    Raises:
        DataError: the data set or the folders of the split are not there.
        UsageError: there is no such split.
    """
    return _inventory(cards.CITYSCAPES_27, root, split)


def _inventory(card: DatasetCard, root: Path | None, split: str | None) -> Inventory:
    folder = layout.find_root(card, root, ROOTS, _mismatch)
    there = layout.folders_there(
        folder,
        {
            **{part: f"leftImg8bit/{part}" for part in PARTS},
            **{f"{part}{SEQUENCE}": f"leftImg8bit_sequence/{part}" for part in PARTS},
        },
    )
    split = layout.choose_split(card, split, there, f"{folder} (leftImg8bit)")
    part, snippets = split.removesuffix(SEQUENCE), split.endswith(SEQUENCE)
    found = Collector(folder, unlabelled_is_void=snippets)
    for city in list_folders(there[split]):
        masks = f"gtFine/{part}/{city}"
        if snippets:
            _add_snippets(found, f"leftImg8bit_sequence/{part}/{city}", masks, city)
        else:
            _add_labelled(found, f"leftImg8bit/{part}/{city}", masks, city)
    classes = _classes(card.classes)
    return found.finish(
        card,
        split,
        lambda _: Labelling(semantic=classes),
        splits=there,
        no_mask=f"gtFine/{part} has no *{MASK}.png",
        unknown=f"masks of Cityscapes (*{MASK}.png) hold 0 to 33",
        settings={"classes": card.classes},
    )


def _classes(classes: tuple[str, ...]) -> LabelMap:
    ids = {name: i for i, name in enumerate(classes)}
    return LabelMap(
        {
            **dict.fromkeys(range(names.FIRST_CLASS), VOID),
            **{
                value: ids.get(name, VOID)
                for value, name in enumerate(names.CLASSES_27, start=names.FIRST_CLASS)
            },
        }
    )


def _mismatch(folder: Path) -> str | None:
    images = [
        *(f"leftImg8bit/{part}" for part in PARTS),
        *(f"leftImg8bit_sequence/{part}" for part in PARTS),
    ]
    return layout.missing_part(folder, images, [f"gtFine/{part}" for part in PARTS])


def _add_labelled(found: Collector, images: str, masks: str, city: str) -> None:
    """Add the labelled frames of a city, each a clip of its own."""
    found.add_stills(
        images,
        masks,
        mask_name=lambda name: f"{name.removesuffix(IMAGE)}{MASK}",
        clip_name=lambda name: f"{city}/{name.removesuffix(IMAGE)}",
    )


def _add_snippets(found: Collector, images: str, masks: str, city: str) -> None:
    """Add the frames around each labelled one of a city, in order of time."""
    frames = {_place(name): (name, s) for name, s in _files(found, images, IMAGE).items()}
    for mask, size in _files(found, masks, MASK).items():
        sequence, labelled = _place(mask)
        wanted = [(sequence, t) for t in range(labelled - BEFORE, labelled + AFTER + 1)]
        lacking = [f"{city}_{s}_{t:06d}{IMAGE}.png" for s, t in wanted if (s, t) not in frames]
        if lacking:
            text = (
                f"the snippet of {mask} lacks {len(lacking)} of its {len(wanted)} frames, the "
                f"first of them {images}/{lacking[0]}"
            )
            found.findings.add("frame-missing", f"{images}/{lacking[0]}", text)
            continue
        found.add_frames(
            f"{city}/{city}_{sequence}_{labelled:06d}",
            images,
            dict(frames[place] for place in wanted),
            masks,
            {frames[sequence, labelled][0]: (mask, size)},
        )


def _files(found: Collector, folder: str, ending: str) -> dict[str, int]:
    listed = list_files(found.root / folder, IMAGE_SUFFIXES)
    return {
        name: size
        for name, size in listed.items()
        if re.search(rf"_[0-9]+_[0-9]+{ending}\.", name)
    }


def _place(name: str) -> tuple[str, int]:
    """Return sequence and frame number.

    Example:
        >>> _place("frankfurt_000001_000294_leftImg8bit.png")
        ('000001', 294)
    """
    sequence, frame = re.findall(r"_([0-9]+)_([0-9]+)_", name)[-1]
    return sequence, int(frame)
