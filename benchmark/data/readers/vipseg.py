"""VIPSeg in its official layout: imgs/VIDEO, panomasks/VIDEO and the lists beside them.

What stored values mean: README and create_panoptic_video_labels.py of VIPSeg-Dataset.
"""

from __future__ import annotations

from pathlib import Path

from tvseg_bench.benchmark.data.class_names.scenes import THINGS
from tvseg_bench.benchmark.data.files import layout
from tvseg_bench.benchmark.data.files.inventory import Collector, Inventory, Labelling
from tvseg_bench.benchmark.data.files.masks import LabelMap
from tvseg_bench.benchmark.data.video_cards import VIPSEG as CARD
from tvseg_bench.benchmark.types import VOID

ROOTS = ("VIPSeg", "VIPSeg_720P", "VIPSeg/VIPSeg_720P", "vipseg")
IMAGES = ("imgs", "images")
MASKS = "panomasks"
LISTS = tuple(f"{split}.txt" for split in CARD.splits)
PER_CLASS = 100
"""Stored values of the instances of a class: the class + 1, times this, and more."""


def _labelling() -> Labelling:
    """Return what the values of every mask mean; the masks of all clips mean the same."""
    things = {i for i, name in enumerate(CARD.classes) if name in THINGS}
    whole = {label + 1: label for label in range(len(CARD.classes))}
    single = {
        PER_CLASS * stored + instance: label
        for stored, label in whole.items()
        for instance in range(PER_CLASS)
        if PER_CLASS * stored + instance > len(CARD.classes)
    }
    classes = {**single, **whole}
    return Labelling(
        semantic=LabelMap({0: VOID, **classes}),
        instance=LabelMap(
            {0: VOID, **{value: value if c in things else 0 for value, c in classes.items()}}
        ),
        categories={value: c for value, c in classes.items() if c in things},
    )


def inventory(root: Path | None, split: str | None) -> Inventory:
    """List one split of VIPSeg.

    Raises:
        DataError: the data set or the list is not there.
        UsageError: there is no such split.
    """
    folder = layout.find_root(CARD, root, ROOTS, _mismatch)
    lists = {name: path for name, path in layout.lists_in(folder).items() if name in CARD.splits}
    split = layout.choose_split(CARD, split, lists, str(folder))
    images = next(name for name in IMAGES if (folder / name).is_dir())
    found, labelling = Collector(folder), _labelling()
    for name in layout.names_in(lists[split]):
        drawn = split != "test" or (folder / MASKS / name).is_dir()
        found.add_folder(name, f"{images}/{name}", f"{MASKS}/{name}" if drawn else None)
    return found.finish(
        CARD,
        split,
        lambda _: labelling,
        splits=lists,
        no_mask="the masks of the test videos are not there (evaluate on val)"
        if split == "test"
        else f"{MASKS} has no mask",
        unknown="masks of VIPSeg hold 0, the classes 1 to 124, and a class times 100 plus an "
        "instance below 100",
    )


def _mismatch(folder: Path) -> str | None:
    return layout.missing_part(folder, IMAGES, [MASKS], LISTS)
