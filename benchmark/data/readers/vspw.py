"""VSPW in its official layout: data/VIDEO/origin and data/VIDEO/mask beside the lists."""

from __future__ import annotations

from pathlib import Path

from tvseg_bench.benchmark.data.files import layout
from tvseg_bench.benchmark.data.files.inventory import Collector, Inventory, Labelling
from tvseg_bench.benchmark.data.files.masks import LabelMap
from tvseg_bench.benchmark.data.video_cards import VSPW as CARD
from tvseg_bench.benchmark.types import VOID

ROOTS = ("VSPW_480p", "VSPW_480P", "VSPW", "vspw", "VSPW_data")
LISTS = tuple(f"{split}.txt" for split in CARD.splits)
CLASSES = LabelMap(
    {0: VOID, 255: VOID, **{label + 1: label for label in range(len(CARD.classes))}}
)


def inventory(root: Path | None, split: str | None) -> Inventory:
    """List one split of VSPW.

    Raises:
        DataError: the data set or the list is not there.
        UsageError: there is no such split.
    """
    folder = layout.find_root(CARD, root, ROOTS, _mismatch)
    lists = {name: path for name, path in layout.lists_in(folder).items() if name in CARD.splits}
    split = layout.choose_split(CARD, split, lists, str(folder))
    found = Collector(folder)
    for name in layout.names_in(lists[split]):
        masks = f"data/{name}/mask"
        drawn = split != "test" or (folder / masks).is_dir()
        found.add_folder(name, f"data/{name}/origin", masks if drawn else None)
    return found.finish(
        CARD,
        split,
        lambda _: Labelling(semantic=CLASSES),
        splits=lists,
        no_mask="the masks of the test videos are not public (evaluate on val)"
        if split == "test"
        else "the folder mask has no mask",
        unknown="masks of VSPW hold 0 to 124, and 255 for void",
    )


def _mismatch(folder: Path) -> str | None:
    return layout.missing_part(folder, ["data"], LISTS)
