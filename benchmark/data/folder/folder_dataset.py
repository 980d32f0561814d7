"""`folder:PATH`: any tree of frames and masks, or a folder of video files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tvseg_bench.benchmark.data.file_datasets import FileDatasetEntry, file_dataset
from tvseg_bench.benchmark.data.files import listing
from tvseg_bench.benchmark.data.files.images import IMAGE_SUFFIXES
from tvseg_bench.benchmark.data.files.inventory import (
    Collector,
    Inventory,
    Labelling,
)
from tvseg_bench.benchmark.data.files.masks import MASK_SUFFIXES, AsStored, LabelMap
from tvseg_bench.benchmark.data.folder.folder_config import FolderConfig, read_config
from tvseg_bench.benchmark.data.folder.video_clips import VIDEO_SUFFIXES, VideoPool, video_clip
from tvseg_bench.benchmark.data.lazy_sequence import LazySequence
from tvseg_bench.benchmark.errors import DataError, UsageError, did_you_mean
from tvseg_bench.benchmark.types import Clip, Dataset, DatasetCard

SPLIT = "all"


def resolve(path: str) -> FileDatasetEntry:
    """Return the entry of `folder:PATH`; `PATH` is a directory or a YAML file.

    Raises:
        DataError: nothing is there, or the YAML file does not hold what it should.
    """
    config = read_config(path)
    return file_dataset(make_card(config), partial(_list, config))


def make_card(config: FolderConfig) -> DatasetCard:
    """Return the card of a user's own data."""
    semantic = config.label_kind == "semantic"
    return DatasetCard(
        name=f"folder:{config.name}",
        version=1,
        title=f"frames of {config.file}",
        splits=(SPLIT,),
        clip_labels=config.label_kind,
        dataset_labels="semantic" if semantic else None,
        classes=config.classes if semantic else (),
        background=config.background,
        archive="your own files",
        licence="your own",
    )


def _list(config: FolderConfig, _: Path | None, split: str | None) -> Inventory | VideoFiles:
    """List the only split; the data root plays no part."""
    if split not in (None, SPLIT):
        name = f"split of folder:{config.name}"
        raise UsageError(did_you_mean(name, str(split), [SPLIT]))
    videos = _videos(config)
    return VideoFiles(config, videos) if videos else _list_images(config)


# ----------------------------------------------------------------------------- images


def _list_images(config: FolderConfig) -> Inventory:
    found = Collector(config.root)
    clips = _clip_folders(config)
    for clip, folder in clips.items():
        _add(found, config, clip, folder)
    if not found.clips and not found.findings.counts:
        raise DataError(
            f"folder:{config.name} holds no frames: {config.file}/{config.frames} has no images, "
            f"no video files and no sub-folders with images"
        )
    _find_masks_without_clip(found, config, set(clips.values()))
    card = make_card(config)
    return found.finish(
        card,
        SPLIT,
        partial(_labelling, config),
        splits=(SPLIT,),
        no_mask=f"{config.masks} has no mask (PNG, BMP, TIFF, PGM or GIF; JPEG changes ids)",
        unknown=f"the label map does not name it; add {{value}}: NAME (or {{value}}: void) under "
        f"labels in {config.file}",
        reference="folder:PATH",  # PATH itself may be absolute, and errors stand in results
        settings=_settings(config),
        dataset_labels_hint="" if card.dataset_labels else _hint(config),
    )


def _clip_folders(config: FolderConfig) -> dict[str, str]:
    """Return clip -> folder below the frames: each sub-folder, or the folder itself."""
    base = config.root / config.frames
    folders = listing.list_folders(base)
    named = config.frames != "." and not listing.list_files(base, IMAGE_SUFFIXES)
    if not named:  # anything may lie about in a folder that was not named for frames
        folders = [name for name in folders if listing.list_files(base / name, IMAGE_SUFFIXES)]
    if not listing.list_files(base, IMAGE_SUFFIXES):
        return {name: name for name in folders}
    if folders:
        raise DataError(
            f"folder:{config.name} has frames both in {config.frames} itself and in its "
            f"sub-folder {folders[0]!r}; use one sub-folder per clip"
        )
    return {config.name: ""}


def _hint(config: FolderConfig) -> str:
    if config.masks is None:
        return "there are no masks"
    return (
        "where they mean the same in every clip, say so in a YAML file (label_kind: semantic) and "
        "name it as folder:FILE.yaml"
    )


def _add(found: Collector, config: FolderConfig, clip: str, folder: str) -> None:
    image_dir = listing.join(config.frames, folder)
    mask_dir = None if config.masks is None else listing.join(config.masks, folder)
    if config.images == "clip":
        found.add_folder(clip, image_dir, mask_dir)
        return
    frames = listing.list_files(found.root / image_dir, IMAGE_SUFFIXES)
    masks = {} if mask_dir is None else listing.list_files(found.root / mask_dir, MASK_SUFFIXES)
    found.find_duplicates(clip, image_dir, frames)
    for frame, mask in listing.pair_names(frames, masks).items():
        name = listing.join(folder or ".", listing.stem(frame))
        drawn = None if mask_dir is None else {mask: masks[mask]} if mask else {}
        found.add(name, image_dir, {frame: frames[frame]}, mask_dir or "", drawn)


def _find_masks_without_clip(found: Collector, config: FolderConfig, folders: set[str]) -> None:
    if config.masks is None:
        return
    for unused in listing.list_folders(found.root / config.masks):
        if unused not in folders and listing.list_files(
            found.root / config.masks / unused, MASK_SUFFIXES
        ):
            folder = listing.join(config.masks, unused)
            text = f"the masks in {folder} have no frames in {listing.join(config.frames, unused)}"
            found.findings.add("mask-without-frame", folder, text)


def _labelling(config: FolderConfig, _: object) -> Labelling:
    if config.masks is None:
        return Labelling()
    ids = LabelMap(config.ids) if config.labels else AsStored()
    return Labelling(semantic=ids) if config.label_kind == "semantic" else Labelling(instance=ids)


def _settings(config: FolderConfig) -> dict[str, object]:
    return {
        "labels": {str(value): name for value, name in config.labels.items()},
        "label_kind": config.label_kind,
        "background": config.background,
        "stream": config.stream,
        "images": config.images,
    }


# ----------------------------------------------------------------------------- videos


def _videos(config: FolderConfig) -> dict[str, tuple[str, int]]:
    """Return clip -> (path, bytes) of the video files, directly or one folder below."""
    base = config.root / config.frames
    if listing.list_files(base, IMAGE_SUFFIXES):
        return {}
    files = {}
    for folder in ("", *listing.list_folders(base)):
        for name, size in listing.list_files(base / folder, VIDEO_SUFFIXES).items():
            files[listing.join(listing.join(config.frames, folder), name)] = size
    prefix = "" if config.frames == "." else f"{config.frames}/"
    return {path.removeprefix(prefix): (path, size) for path, size in files.items()}


@dataclass(frozen=True)
class VideoFiles:
    """The video files of a folder, listed but not opened."""

    config: FolderConfig
    paths: Mapping[str, tuple[str, int]]
    """Clip -> (path relative to the root, bytes)."""

    @property
    def root(self) -> Path:
        """The folder of the data set."""
        return self.config.root

    @property
    def bytes(self) -> int:
        """Size of all files."""
        return sum(size for _, size in self.paths.values())

    def open(self) -> Dataset:
        """Return the lazy data set.

        Raises:
            DataError: there are masks or images too, which cannot be paired with videos.
        """
        config = self.config
        _refuse_mixtures(config)
        pool = VideoPool(config.stream)
        card = make_card(config)

        def clip(name: str) -> Clip:
            return video_clip(name, config.root / self.paths[name][0], pool, card.name)

        return Dataset(
            card=card,
            split=SPLIT,
            clips=LazySequence(tuple(self.paths), clip),
            manifest_sha256=listing.manifest_sha256(self.paths.values(), _settings(config)),
            dataset_labels_hint="video files have no masks",
        )


def _refuse_mixtures(config: FolderConfig) -> None:
    if config.masks is not None:
        raise DataError(
            f"folder:{config.name} has masks ({config.masks}) beside video files, which cannot be "
            f"paired; unpack the frames of each video into a folder of images"
        )
    base = config.root / config.frames
    for folder in listing.list_folders(base):
        if listing.list_files(base / folder, IMAGE_SUFFIXES):
            raise DataError(
                f"folder:{config.name} has both video files and images (in {folder!r}); name "
                f"either as folder:PATH"
            )
