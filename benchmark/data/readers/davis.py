"""DAVIS 2016 and 2017 in their official layouts.

Layouts: JPEGImages/RES/SEQ/NNNNN.jpg and Annotations/RES/SEQ/NNNNN.png with lists in ImageSets
(davischallenge.org). The void label of the unsupervised annotations is that of
davis2017-evaluation, davis2017/davis.py.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tvseg_bench.benchmark.data.cards import DAVIS_2016, DAVIS_2017
from tvseg_bench.benchmark.data.files import layout
from tvseg_bench.benchmark.data.files.inventory import Categories, Collector, Inventory, Labelling
from tvseg_bench.benchmark.data.files.masks import AsStored, LabelMap
from tvseg_bench.benchmark.errors import DataError


def _roots(year: int) -> tuple[str, ...]:
    names = (f"DAVIS{year}", f"DAVIS-{year}", f"davis-{year}")
    return (*(f"{name}{part}" for name in names for part in ("/DAVIS", "")), "DAVIS")


ROOTS_2016, ROOTS_2017 = _roots(2016), _roots(2017)
RESOLUTIONS = ("480p", "Full-Resolution")
MASK_FOLDERS = ("Annotations_unsupervised", "Annotations")
SEMANTICS = "davis_semantics.json"

OBJECT = LabelMap({0: 0, 1: 1, 255: 1})
"""255 is the object; 1 where a mask was saved again as bilevel or palette file."""


# ------------------------------------------------------------------------------- 2016


def inventory_2016(root: Path | None, split: str | None) -> Inventory:
    """List one split of DAVIS 2016: one object against the background, nothing void.

    Raises:
        DataError: the data set or the list is not there.
        UsageError: there is no such split.
    """
    folder = layout.find_root(DAVIS_2016, root, ROOTS_2016, _mismatch_2016)
    lists = {
        **layout.lists_in(folder / "ImageSets/480p"),
        **layout.lists_in(folder / "ImageSets/2016"),
    }
    split = layout.choose_split(DAVIS_2016, split, lists, "ImageSets/2016 or ImageSets/480p")
    found = Collector(folder)
    for name in _sequences(lists[split]):
        found.add_folder(name, f"JPEGImages/480p/{name}", f"Annotations/480p/{name}")
    return found.finish(
        DAVIS_2016,
        split,
        lambda _: Labelling(semantic=OBJECT, instance=OBJECT, categories={1: 1}),
        splits=lists,
        no_mask="Annotations/480p has no mask",
        unknown="masks of DAVIS 2016 hold 0 and 255 (DAVIS 2017 is another data set)",
    )


def _mismatch_2016(folder: Path) -> str | None:
    if (folder / "ImageSets/2017").exists():
        return "has ImageSets/2017, so its masks are the instances of DAVIS 2017"
    return layout.missing_part(
        folder, ["JPEGImages/480p"], ["Annotations/480p"], ["ImageSets/2016", "ImageSets/480p"]
    )


def _sequences(path: Path) -> list[str]:
    """Return the sequences of a list: one name a line, or the paths of every frame and mask."""
    names = []
    for line in layout.read_list(path):
        parts = layout.safe_parts(line.split()[0], path.name)
        names.append(parts[-2] if len(parts) > 1 else parts[0])
    return list(dict.fromkeys(names))


# ------------------------------------------------------------------------------- 2017


def inventory_2017(root: Path | None, split: str | None) -> Inventory:
    """List one split of DAVIS 2017: instance ids of each sequence's own, 255 void.

    The file davis_semantics.json, `{sequence: {"1": category}}`, where it lies beside the
    folders, gives the instances categories that mean the same in every sequence.

    Raises:
        DataError: the data set, the list or the masks are not there.
        UsageError: there is no such split.
    """
    folder = layout.find_root(DAVIS_2017, root, ROOTS_2017, _mismatch_2017)
    lists = layout.lists_in(folder / "ImageSets/2017")
    split = layout.choose_split(DAVIS_2017, split, lists, "ImageSets/2017")
    masks, resolution = _folders_2017(folder)
    found = Collector(folder)
    for name in _sequences(lists[split]):
        found.add_folder(name, f"JPEGImages/{resolution}/{name}", f"{masks}/{resolution}/{name}")
    semantics = _read_semantics(folder / SEMANTICS)
    return found.finish(
        replace(DAVIS_2017, notes=f"{DAVIS_2017.notes} Read here: {masks}/{resolution}."),
        split,
        semantics.labelling if semantics else lambda _: Labelling(instance=AsStored()),
        splits=lists,
        no_mask=f"{masks}/{resolution} has no mask",
        unknown=f"{SEMANTICS} names no category for instance {{value}} of this sequence",
        settings={SEMANTICS: semantics.names} if semantics else None,
        classes=semantics.classes if semantics else (),
        dataset_labels="semantic" if semantics else None,
        dataset_labels_hint=""
        if semantics
        else f'put {SEMANTICS}, {{"SEQUENCE": {{"1": "CATEGORY"}}}}, beside JPEGImages to give '
        f"the instances of davis-2017 categories that mean the same in every sequence",
    )


def _mismatch_2017(folder: Path) -> str | None:
    images = [f"JPEGImages/{resolution}" for resolution in RESOLUTIONS]
    return layout.missing_part(folder, ["ImageSets/2017"], images, MASK_FOLDERS)


def _folders_2017(folder: Path) -> tuple[str, str]:
    """Return the masks and the resolution to read: unsupervised first, 480p first."""
    for masks in MASK_FOLDERS:
        for resolution in RESOLUTIONS:
            if all((folder / part / resolution).is_dir() for part in (masks, "JPEGImages")):
                return masks, resolution
    raise DataError(
        f"davis-2017 in {folder} has no frames and masks of the same resolution: expected "
        f"JPEGImages/480p with Annotations_unsupervised/480p or Annotations/480p, or the same in "
        f"Full-Resolution; wanted: {DAVIS_2017.archive}"
    )


def _read_semantics(path: Path) -> Categories | None:
    if not path.exists():
        return None
    raw = layout.read_json(path)
    try:
        names = {
            sequence: {int(instance): str(name) for instance, name in objects.items()}
            for sequence, objects in raw.items()
        }
    except (AttributeError, ValueError) as error:
        raise DataError(
            f'{path} is not of the form {{"SEQUENCE": {{"1": "CATEGORY"}}}} ({error})'
        ) from error
    return Categories.of(names, path.name)
