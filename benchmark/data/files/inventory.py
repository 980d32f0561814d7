"""The files of one split: what was found, what is wrong, and the data set made of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tvseg_bench.benchmark.data.files import listing
from tvseg_bench.benchmark.data.files.clip_frames import (
    ClipFiles,
    Companions,
    FrameReader,
    Source,
)
from tvseg_bench.benchmark.data.files.findings import Findings
from tvseg_bench.benchmark.data.files.images import IMAGE_SUFFIXES
from tvseg_bench.benchmark.data.files.masks import (
    MASK_SUFFIXES,
    AsStored,
    LabelMap,
    StoredMask,
)
from tvseg_bench.benchmark.data.lazy_sequence import LazySequence
from tvseg_bench.benchmark.errors import DataError
from tvseg_bench.benchmark.types import VOID, Clip, Dataset, DatasetCard, LabelKind

JPEG_SUFFIXES = frozenset({".jpg", ".jpeg"})


@dataclass(frozen=True)
class Labelling:
    """What the stored values of a clip's masks mean."""

    semantic: LabelMap | None = None
    instance: LabelMap | None = None
    categories: Mapping[int, int] = field(default_factory=dict)

    def of(self, kind: LabelKind) -> LabelMap | None:
        """Return the map of one kind of label."""
        return self.semantic if kind == "semantic" else self.instance


@dataclass(frozen=True)
class Categories:
    """The categories that a label file gives to the instances of each clip."""

    names: Mapping[str, Mapping[int, str]]
    """Clip -> instance id -> category."""
    ids: Mapping[str, int]
    """Category -> semantic id, from 1 in alphabetical order."""

    @classmethod
    def of(cls, names: Mapping[str, Mapping[int, str]], where: str) -> Categories:
        """Number the categories of all clips.

        Raises:
            DataError: there are more than ids; names the file `where`.

        Example:
            >>> Categories.of({"a": {1: "zebra"}, "b": {1: "ape"}}, "meta.json").classes
            ('background', 'ape', 'zebra')
        """
        every = sorted({name for objects in names.values() for name in objects.values()})
        if len(every) >= VOID:
            raise DataError(f"{where} names {len(every)} categories; there are ids for {VOID - 1}")
        return cls(names, {name: i for i, name in enumerate(every, start=1)})

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the semantic ids 0.."""
        return ("background", *self.ids)

    def labelling(self, files: ClipFiles) -> Labelling:
        """Return what the values of one clip's masks mean; an instance without name means none."""
        named = self.names.get(files.name, {})
        categories = {instance: self.ids[name] for instance, name in named.items()}
        return Labelling(
            semantic=LabelMap({0: 0, VOID: VOID, **categories}),
            instance=AsStored(),
            categories=categories,
        )


@dataclass(frozen=True, kw_only=True)
class Inventory:
    """One split of a data set made of files, listed but not decoded."""

    card: DatasetCard
    split: str
    source: Source
    clips: tuple[ClipFiles, ...]
    labelling: Callable[[ClipFiles], Labelling]
    findings: Findings
    splits: tuple[str, ...]
    """Every split whose list is there."""
    manifest_sha256: str
    bytes: int
    """Size of all files in use."""
    classes: tuple[str, ...] = ()
    dataset_labels: LabelKind | None = None
    dataset_labels_hint: str = ""
    companions: Callable[[FrameReader], Companions] | None = None

    @property
    def root(self) -> Path:
        """The folder of the data set."""
        return self.source.root

    def open(self) -> Dataset:
        """Return the lazy data set.

        Raises:
            DataError: a listed clip or frame is not there at all.
        """
        found = self.findings.blocking()
        if found is not None:
            raise DataError(
                f"{self.card.name}:{self.split} is not complete: {found.text}; "
                f"type: tvseg-bench data check {self.source.reference}"
            )
        if not self.clips:
            raise DataError(f"{self.card.name}:{self.split} holds no clip: its list is empty")
        return Dataset(
            card=self.card,
            split=self.split,
            clips=LazySequence(self.clips, self.clip),
            manifest_sha256=self.manifest_sha256,
            classes=self.classes,
            dataset_labels=self.dataset_labels,
            dataset_labels_hint=self.dataset_labels_hint,
        )

    def clip(self, files: ClipFiles) -> Clip:
        """Return the clip that reads these files on demand."""
        labelling = self.labelling(files)
        reader = FrameReader(self.source, files)
        beside = self.companions(reader) if self.companions else Companions()
        return Clip(
            name=files.name,
            n_frames=len(files.frames),
            image=reader.image,
            semantic=reader.labels_by(labelling.semantic),
            instance=reader.labels_by(labelling.instance),
            flow=beside.flow,
            depth=beside.depth,
            points=beside.points,
            point_names=beside.point_names,
            frame_names=LazySequence(files.frames, listing.stem),
            categories=labelling.categories,
        )


class Collector:
    """Collects the clips of a split from folder listings, and what is wrong with them."""

    def __init__(self, root: Path, *, unlabelled_is_void: bool = False) -> None:
        """Begin with nothing.

        Args:
            root: the data set's folder.
            unlabelled_is_void: frames without mask belong to the data set, and are void.
        """
        self.root = root
        self.unlabelled_is_void = unlabelled_is_void
        self.clips: list[ClipFiles] = []
        self.findings = Findings()
        self._files: list[tuple[str, int]] = []

    def add_folder(self, name: str, image_dir: str, mask_dir: str | None) -> None:
        """Add the clip whose frames are the images of one folder, its masks those of another."""
        frames = listing.list_files(self.root / image_dir, IMAGE_SUFFIXES)
        if not frames:
            self._no_frames(name, image_dir)
        elif mask_dir is None:
            self.add(name, image_dir, frames)
        elif masks := listing.list_files(self.root / mask_dir, MASK_SUFFIXES):
            self.add(name, image_dir, frames, mask_dir, masks)
        else:
            self.add(name, image_dir, frames)
            text = f"{mask_dir} holds no mask for the {len(frames)} frames of clip {name!r}"
            if listing.list_files(self.root / mask_dir, JPEG_SUFFIXES):
                text += ", only JPEG files, whose compression changes ids; save masks as PNG"
            self.findings.add("mask-folder-empty", mask_dir, text)

    def add_stills(
        self,
        image_dir: str,
        mask_dir: str,
        names: Iterable[str] | None = None,
        *,
        listed: str = "",
        mask_name: Callable[[str], str] = str,
        clip_name: Callable[[str], str] = str,
    ) -> None:
        """Add images of a folder, each a clip of one frame.

        Args:
            names: file names without ending, in the order wanted; None = every image.
            listed: the list that names come from, for the finding about an image that is not
                there.
            mask_name: from an image's name to its mask's, both without ending.
            clip_name: from an image's name without ending to its clip's.
        """
        images = self._by_stem(image_dir, IMAGE_SUFFIXES)
        masks = self._by_stem(mask_dir, MASK_SUFFIXES)
        for name in images if names is None else names:
            if name not in images:
                path = f"{image_dir}/{name}.jpg"
                text = f"{listed} lists {name!r}, but {path} is not there"
                self.findings.add("frame-missing", path, text)
                continue
            image, size = images[name]
            mask = masks.get(mask_name(name))
            self.add_frames(
                clip_name(name), image_dir, {image: size}, mask_dir, {image: mask} if mask else {}
            )

    def add_frames(
        self,
        name: str,
        image_dir: str,
        frames: Mapping[str, int],
        mask_dir: str,
        masks: Mapping[str, tuple[str, int]],
    ) -> None:
        """Add a clip whose frames and masks are paired already.

        Args:
            frames: image -> bytes, in order of time.
            masks: image -> mask and its bytes, for the images that have one.
        """
        self._files += [(listing.join(image_dir, frame), size) for frame, size in frames.items()]
        self._files += [(listing.join(mask_dir, mask), size) for mask, size in masks.values()]
        pairs = {frame: masks[frame][0] if frame in masks else None for frame in frames}
        self._find_unlabelled(image_dir, pairs, mask_dir)
        self.clips.append(
            ClipFiles(name, image_dir, tuple(frames), mask_dir, tuple(pairs.values()))
        )

    def _by_stem(self, folder: str, suffixes: frozenset[str]) -> dict[str, tuple[str, int]]:
        """Return name without ending -> (name, bytes); of two such files the first counts."""
        found: dict[str, tuple[str, int]] = {}
        for name, size in listing.list_files(self.root / folder, suffixes).items():
            other = found.setdefault(listing.stem(name), (name, size))[0]
            if other != name and suffixes is IMAGE_SUFFIXES:
                text = f"{folder} has {listing.stem(name)!r} twice, as {other} and as {name}"
                self.findings.add("frame-twice", listing.join(folder, name), text)
        return found

    def _no_frames(self, name: str, folder: str) -> None:
        if (self.root / folder).is_dir():
            text = f"clip {name!r} has no frames: its folder {folder} holds no image"
            self.findings.add("clip-empty", folder, text)
        else:
            text = f"clip {name!r} has no frames: its folder {folder} is not there"
            self.findings.add("clip-missing", folder, text)

    def add(
        self,
        name: str,
        image_dir: str,
        frames: Mapping[str, int],
        mask_dir: str = "",
        masks: Mapping[str, int] | None = None,
    ) -> None:
        """Add a clip from file names and sizes; `masks` None = there are none to pair."""
        self.find_duplicates(name, image_dir, frames)
        self._files += [(listing.join(image_dir, frame), size) for frame, size in frames.items()]
        if masks is None:
            self.clips.append(ClipFiles(name, image_dir, tuple(frames)))
            return
        pairs = listing.pair_names(frames, masks)
        self._files += [
            (listing.join(mask_dir, mask), masks[mask]) for mask in pairs.values() if mask
        ]
        self._find_unpaired(image_dir, pairs, mask_dir, masks)
        self.clips.append(
            ClipFiles(name, image_dir, tuple(frames), mask_dir, tuple(pairs.values()))
        )

    def add_labelled(
        self, name: str, image_dir: str, frames: Mapping[str, int], label_file: str
    ) -> None:
        """Add a clip whose masks all stand in one label file, of this path."""
        self.add(name, image_dir, frames)
        self.clips[-1] = replace(self.clips[-1], masks=(label_file,) * len(frames))

    def use(self, path: str) -> None:
        """Make a file that several clips share part of the manifest."""
        self._files.append((path, (self.root / path).stat().st_size))

    def add_beside(self, folder: str, suffixes: frozenset[str]) -> None:
        """Make the files of a folder that lies beside the frames part of the manifest."""
        files = listing.list_files(self.root / folder, suffixes)
        self._files += [(listing.join(folder, name), size) for name, size in files.items()]

    def find_duplicates(self, clip: str, folder: str, frames: Iterable[str]) -> None:
        """Find frames that have the same name but for its ending."""
        seen: dict[str, str] = {}
        for frame in frames:
            name = listing.stem(frame)
            other = seen.setdefault(name, frame)
            if other != frame:
                text = f"clip {clip!r} has frame {name!r} twice, as {other} and as {frame}"
                self.findings.add("frame-twice", listing.join(folder, frame), text)

    def _find_unlabelled(
        self, image_dir: str, pairs: Mapping[str, str | None], mask_dir: str
    ) -> None:
        if self.unlabelled_is_void:
            return
        for frame in (frame for frame, mask in pairs.items() if mask is None):
            path = listing.join(image_dir, frame)
            self.findings.add("frame-without-mask", path, f"{path} has no mask in {mask_dir}")

    def _find_unpaired(
        self, image_dir: str, pairs: Mapping[str, str | None], mask_dir: str, masks: Iterable[str]
    ) -> None:
        self._find_unlabelled(image_dir, pairs, mask_dir)
        used = set(pairs.values())
        for mask in (mask for mask in masks if mask not in used):
            path = listing.join(mask_dir, mask)
            text = f"{path} has no frame in {image_dir} and is not used"
            self.findings.add("mask-without-frame", path, text)

    def finish(
        self,
        card: DatasetCard,
        split: str,
        labelling: Callable[[ClipFiles], Labelling],
        *,
        splits: Iterable[str],
        no_mask: str,
        unknown: str,
        reference: str = "",
        settings: Mapping[str, Any] | None = None,
        classes: tuple[str, ...] | None = None,
        dataset_labels: LabelKind | None = None,
        dataset_labels_hint: str = "",
        label_file: Callable[[ClipFiles, int], StoredMask] | None = None,
        companions: Callable[[FrameReader], Companions] | None = None,
    ) -> Inventory:
        """Return the inventory of what was collected.

        Args:
            card: gives what is not stated here.
            labelling: what the stored values of a clip mean.
            no_mask: the sentence, without the frame, where a mask is missing.
            unknown: the sentence where a stored value has no id; may use {value}.
            reference: what the user types to name these data; empty = data set and split.
            settings: what gives the stored values their meaning, for the manifest.
            classes: names of the semantic ids, where the files give them.
            dataset_labels: which labels mean the same across clips, where the files decide.
            dataset_labels_hint: what would help where none do.
            label_file: reads a mask where the masks of all frames stand in one file.
            companions: what a clip has beside frames and masks.
        """
        return Inventory(
            card=card,
            split=split,
            source=Source(
                dataset=card.name,
                root=self.root,
                reference=reference or f"{card.name}:{split}",
                no_mask=no_mask,
                unknown=unknown,
                label_file=label_file,
                unlabelled_is_void=self.unlabelled_is_void,
            ),
            clips=tuple(self.clips),
            labelling=labelling,
            findings=self.findings,
            splits=tuple(splits),
            manifest_sha256=listing.manifest_sha256(self._files, settings or {}),
            bytes=sum(size for _, size in self._files),
            classes=card.classes if classes is None else classes,
            dataset_labels=dataset_labels or card.dataset_labels,
            dataset_labels_hint=dataset_labels_hint,
            companions=companions,
        )
