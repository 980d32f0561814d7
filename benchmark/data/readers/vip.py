"""VIP (video instance-level parsing), the fine part: body parts and clothes of people in videos.

Layout: VIP_Fine/Images/VIDEO/NNN.jpg, VIP_Fine/Annotations/Category_ids/VIDEO/NNN.png and lists
of videos in VIP_Fine/lists (github.com/Liusifei/UVC, README and test_mask_vip.py). The order of
the classes is that of its authors: vip.py of github.com/HCPLab-SYSU/ATEN.
"""

from __future__ import annotations

from pathlib import Path

from tvseg_bench.benchmark.data.cards import VIP as CARD
from tvseg_bench.benchmark.data.files import layout
from tvseg_bench.benchmark.data.files.inventory import Collector, Inventory, Labelling
from tvseg_bench.benchmark.data.files.masks import LabelMap
from tvseg_bench.benchmark.types import VOID

ROOTS = ("VIP/VIP_Fine", "vip/VIP_Fine", "VIP_Fine", "VIP", "vip")
MASKS = ("Annotations/Category_ids", "Category_ids")
CLASSES = LabelMap({**{label: label for label in range(len(CARD.classes))}, 255: VOID})


def inventory(root: Path | None, split: str | None) -> Inventory:
    """List one split of VIP.

    Raises:
        DataError: the data set, the masks or the list are not there.
        UsageError: there is no such split.
    """
    folder = layout.find_root(
        CARD, root, ROOTS, lambda path: layout.missing_part(path, ["Images"], MASKS, ["lists"])
    )
    lists = _lists(folder)
    split = layout.choose_split(CARD, split, lists, "lists (val_videos.txt or val_id.txt)")
    masks = next(name for name in MASKS if (folder / name).is_dir())
    found = Collector(folder)
    for video in _videos(lists[split]):
        found.add_folder(video, f"Images/{video}", f"{masks}/{video}")
    return found.finish(
        CARD,
        split,
        lambda _: Labelling(semantic=CLASSES),
        splits=lists,
        no_mask=f"{masks} has no mask",
        unknown=f"masks of VIP (Category_ids) hold 0 to {len(CARD.classes) - 1}",
    )


def _lists(folder: Path) -> dict[str, Path]:
    """Return the lists by split: of videos, else of frames."""
    lists = layout.lists_in(folder / "lists")
    found: dict[str, Path] = {}
    for ending in ("_id", "_videos"):
        for name, path in lists.items():
            if name.endswith(ending):
                found[name.removesuffix(ending)] = path
    return found


def _videos(path: Path) -> list[str]:
    """Return the videos of a list: the last part of a line, or the folder of a frame's."""
    if path.stem.endswith("_videos"):
        return layout.names_in(path)
    frames = (layout.safe_parts(line.split()[0], path.name) for line in layout.read_list(path))
    return list(dict.fromkeys(parts[-2] if len(parts) > 1 else parts[-1] for parts in frames))
