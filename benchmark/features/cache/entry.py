"""One entry of the feature cache: the features of a model on a data set under a view."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import warnings
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tvseg_bench.benchmark.features import frames
from tvseg_bench.benchmark.features.cache import marks, safe_files
from tvseg_bench.benchmark.types import Clip, ClipFeatures, Dataset, ModelCard, View

STORED = {"fp32": "float32", "bf16": "float16"}
"""Type of cached and of streamed features, by the type that the model computes in."""
ATTEMPTS = 20
"""Times that a folder is made which others remove at the same moment."""
SEGMENTS = "float32"
"""Type of cached and of streamed ids: float16 would round those above 2 048."""


@dataclass(frozen=True)
class CacheKey:
    """Everything that features depend on."""

    identity: Mapping[str, Any]

    @property
    def folder(self) -> Path:
        """The entry's folder, relative to the root of the cache."""
        model, data, view = (self.identity[part] for part in ("model", "dataset", "view"))
        digest = safe_files.digest(safe_files.canonical(self.identity))
        return Path(
            _versioned(model["name"], model["revision"]),
            _versioned(data["name"], data["manifest_sha256"]),
            f"{view['size']}-{self.identity['dtype']}-{digest}",
        )


def _versioned(name: str, version: str) -> str:
    return f"{safe_files.slug(name)}@{safe_files.slug(version.removeprefix('sha256:'), 12)}"


def cache_key(card: ModelCard, dataset: Dataset, view: View, dtype: str) -> CacheKey | None:
    """Return what the features depend on; None where model or data cannot be identified.

    Views that mean the same for this model (the seed of an equidistant choice, the card's own
    filter by name) give the same key.
    """
    if not card.revision or not dataset.manifest_sha256:
        return None
    return CacheKey(
        {
            "format": safe_files.FORMAT,
            "model": {
                "name": card.name,
                "revision": card.revision,
                "patch_size": card.patch_size,
                "embed_dim": card.embed_dim,
                "temporal": card.temporal,
            },
            "dataset": {
                "name": dataset.card.name,
                "version": dataset.card.version,
                "split": dataset.split,
                "manifest_sha256": dataset.manifest_sha256,
            },
            "view": _resolved(view, card),
            "dtype": dtype,
        }
    )


def _resolved(view: View, card: ModelCard) -> dict[str, Any]:
    mean, std = frames.statistics(card, view)
    # Not stated for features, so that entries from before there were segments stay valid.
    output = {} if view.output == "features" else {"output": view.output}
    random = view.frames is not None and view.sampling == "random"
    return {
        "size": view.size,
        "resize": view.resize,
        "interpolation": frames.interpolation(card, view),
        "mean": list(mean),
        "std": list(std),
        "frames": view.frames,
        "sampling": "random" if random else "equidistant",
        "sampling_seed": view.sampling_seed if random else 0,
        "attention": view.attention,
        **output,
    }


class CacheEntry:
    """The cached features under one key; in use, and so not pruned, as long as the object lives.

    Other processes and nodes see that from the first clip that is read or written on, by a mark
    in the folder. Where none can be written, they may prune the entry, and clips that are gone
    are computed again.

    Args:
        make_room: called with a number of bytes before they are written; OSError = no room.
        no_room: called with the reason when the first clip could not be written.
    """

    def __init__(
        self,
        root: Path,
        key: CacheKey,
        make_room: Callable[[int], None],
        no_room: Callable[[OSError], None],
    ) -> None:
        self.root = root
        self.key = key
        self.path = root / key.folder
        self._make_room = make_room
        self._no_room = no_room
        self._has_room = True
        self._mark = marks.Mark(self.path)
        _ALIVE.add(self)

    def holds(self, clip: Clip) -> bool:
        """Return whether there is a file for the clip, without reading it."""
        return self._file(clip).is_file()

    def held(self, clips: Sequence[Clip]) -> list[bool]:
        """Return of each clip whether there is a file for it, by one look at the folder."""
        try:
            with os.scandir(self.path) as files:
                names = {file.name for file in files if file.is_file()}
        except OSError:
            return [False] * len(clips)
        return [safe_files.data_file(clip.name) in names for clip in clips]

    def get(self, clip: Clip, index: int, chosen: tuple[int, ...]) -> ClipFeatures | None:
        """Return the clip's features; None where they are gone, or not to be trusted (warns)."""
        path = self._file(clip)
        self._hold()
        try:
            arrays = safe_files.read(path, self._metadata(clip, chosen))
            self._check(arrays, len(chosen))
        except FileNotFoundError:
            return None
        except ValueError as error:
            warnings.warn(
                f"the cached features of clip {clip.name!r} are not used and computed again, "
                f"because of {path}: {error}",
                stacklevel=2,
            )
            return None
        self._touch()
        return ClipFeatures(
            clip=clip,
            index=index,
            frames=chosen,
            tokens=arrays["tokens"],
            attention=arrays.get("attention"),
        )

    def put(self, features: ClipFeatures) -> bool:
        """Write one clip; False where there is no room, which costs nothing but time later."""
        if not self._has_room:
            return False
        arrays = {"tokens": features.tokens}
        if features.attention is not None:
            arrays["attention"] = features.attention
        try:
            self._make_room(sum(array.nbytes for array in arrays.values()))
            self._write(arrays, features)
        except OSError as error:
            self._has_room = False
            self._no_room(error)
        self._touch()
        return self._has_room

    def _file(self, clip: Clip) -> Path:
        return self.path / safe_files.data_file(clip.name)

    def _metadata(self, clip: Clip, chosen: tuple[int, ...]) -> dict[str, str]:
        return {
            "format": safe_files.FORMAT,
            "identity": safe_files.canonical(self.key.identity),
            "clip": json.dumps(clip.name),
            "frames": json.dumps(chosen),
        }

    def _check(self, arrays: safe_files.Arrays, n_frames: int) -> None:
        identity = self.key.identity
        segments = identity["view"].get("output") == "segments"
        stored = SEGMENTS if segments else STORED[identity["dtype"]]
        wanted = {"tokens", "attention"} if identity["view"]["attention"] else {"tokens"}
        if set(arrays) != wanted:
            raise ValueError(f"it holds {sorted(arrays)}")
        for array in arrays.values():
            if array.ndim != 4 or len(array) != n_frames:
                raise ValueError(f"it holds an array of shape {array.shape}")
            if array.dtype != stored:
                raise ValueError(f"it holds {array.dtype}")
        if arrays["tokens"].shape[3] != (1 if segments else identity["model"]["embed_dim"]):
            raise ValueError(f"it holds tokens of shape {arrays['tokens'].shape}")

    def _write(self, arrays: safe_files.Arrays, features: ClipFeatures) -> None:
        file, metadata = self._file(features.clip), self._metadata(features.clip, features.frames)
        self._claim()
        try:
            safe_files.write(file, arrays, metadata)
        except OSError:
            if self.path.is_dir():
                raise
            self._claim()  # somebody removed the folder by hand
            safe_files.write(file, arrays, metadata)
        self._create()  # a prune that began before the mark was there may have taken the index

    def _claim(self) -> None:
        """Make the folder, its index and the mark, from which on nobody removes the folder."""
        for attempt in range(ATTEMPTS):
            try:
                self._create()
                self._mark.hold()
                break
            except OSError as error:
                vanished = error.errno in (errno.ENOENT, errno.EEXIST, errno.ESTALE)
                if not vanished or attempt == ATTEMPTS - 1:
                    raise

    def _hold(self) -> None:
        """Mark the entry as in use, where it is there and may be written."""
        with contextlib.suppress(OSError):
            if self._is_inside():
                self._mark.hold()

    def _is_inside(self) -> bool:
        """Return whether no link leads the folder out of the cache."""
        return self.path.resolve() == self.root.resolve() / self.key.folder

    def _create(self) -> None:
        if not self._is_inside():
            raise OSError(f"{self.path} leads out of the cache by a link; remove the link")
        if safe_files.read_index(self.path) is None:
            safe_files.write_index(self.path, self.key.identity)

    def _touch(self) -> None:
        """Record the time of use, where the cache is there and may be written."""
        with contextlib.suppress(OSError, NotImplementedError):
            os.utime(self.path / safe_files.INDEX, follow_symlinks=False)


_ALIVE: weakref.WeakSet[CacheEntry] = weakref.WeakSet()


def in_use(path: Path, now: float) -> bool:
    """Return whether any process works with the entry in a folder.

    Args:
        now: the time by `safe_files.now`, to which the ages of marks are taken.
    """
    if any(entry.path == path for entry in list(_ALIVE)):
        return True
    return any(marks.is_young(file, now) for file in safe_files.files(path, marks.MARK))
