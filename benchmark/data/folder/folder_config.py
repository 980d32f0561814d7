"""What `folder:PATH` means: a directory with usual names, or a YAML file that describes it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from tvseg_bench.benchmark.data.files.layout import read_text, safe_parts
from tvseg_bench.benchmark.data.files.listing import list_folders
from tvseg_bench.benchmark.errors import DataError, UsageError, did_you_mean
from tvseg_bench.benchmark.types import VOID, LabelKind

FRAME_FOLDERS = ("JPEGImages", "images", "input", "frames")
MASK_FOLDERS = ("Annotations", "masks", "groundtruth", "labels")
RESOLUTIONS = ("480p", "Full-Resolution")
VOID_NAME = "void"


@dataclass(frozen=True, kw_only=True)
class FolderConfig:
    """Frames and masks anywhere, and what the stored values mean."""

    name: str
    root: Path
    """All paths of the data are below it."""
    file: str
    """The YAML file, or the directory, as errors call it."""
    frames: str = "."
    """Relative to `root`: one sub-folder per clip, or the frames of one clip, or videos."""
    masks: str | None = None
    labels: Mapping[int, str] = field(default_factory=dict)
    """Stored value -> class; several may share one; empty = stored values are ids, 255 void."""
    label_kind: LabelKind = "instance"
    background: int | None = 0
    """The id that `miou_fg` leaves out."""
    stream: int | None = None
    """Which video stream of a file; None = the one ffmpeg would pick."""
    images: Literal["clip", "still"] = "clip"
    """still: every image is a clip of one frame."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the ids 0.., in the order in which the label map names them first."""
        return tuple(dict.fromkeys(name for name in self.labels.values() if name != VOID_NAME))

    @property
    def ids(self) -> dict[int, int]:
        """Stored value -> id.

        Example:
            >>> FolderConfig(name="", root=Path(), file="", labels={0: "a", 9: "void"}).ids
            {0: 0, 9: 255}
        """
        number = {name: i for i, name in enumerate(self.classes)} | {VOID_NAME: VOID}
        return {value: number[name] for value, name in self.labels.items()}


def read_config(path: str) -> FolderConfig:
    """Return what the PATH of `folder:PATH` means.

    Raises:
        DataError: nothing is there, or the YAML file does not hold what it should.
        UsageError: the YAML file has a key that means nothing.
    """
    place = Path(path).expanduser()
    if place.is_dir():
        return detect(place)
    if place.is_file() and place.suffix.lower() in (".yaml", ".yml"):
        return _from_yaml(place)
    what = "is neither a directory nor a .yaml file" if place.exists() else "is not there"
    raise DataError(
        f"folder:{path} {what}; expected a directory of frames (with masks) or videos, or a YAML "
        f"file with the keys {', '.join(KEYS)}"
    )


def detect(place: Path) -> FolderConfig:
    """Return what a directory holds, by the usual names of its sub-folders.

    Ids are taken as each clip's own, the cautious reading: a directory cannot state otherwise.
    """
    folders = list_folders(place)
    frames = next((name for name in FRAME_FOLDERS if name in folders), ".")
    masks = next((name for name in MASK_FOLDERS if name in folders), None)
    if frames == "." and masks is not None:
        raise DataError(
            f"folder:{place} has {masks} but none of {', '.join(FRAME_FOLDERS)}; rename the "
            f"folder of the frames, or name both in a YAML file (keys root, frames, masks)"
        )
    for resolution in RESOLUTIONS:
        deeper = [place / part / resolution for part in (frames, masks) if part is not None]
        if frames != "." and all(folder.is_dir() for folder in deeper):
            frames, masks = f"{frames}/{resolution}", masks and f"{masks}/{resolution}"
            break
    name = place.resolve().name
    return FolderConfig(name=_plain(name), root=place, file=name, frames=frames, masks=masks)


def _plain(name: str) -> str:
    """Return a name that may stand in results and file names."""
    return re.sub(r"[^\w.-]+", "-", name).strip("-.") or "folder"


# ------------------------------------------------------------------------------- YAML


def _from_yaml(path: Path) -> FolderConfig:
    import yaml

    try:
        raw = yaml.safe_load(read_text(path))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        where = " ".join(str(error).split())
        raise DataError(f"{path} is not a YAML file ({where})") from error
    if not isinstance(raw, dict) or not raw:
        raise DataError(f"{path} holds no keys; expected some of {', '.join(KEYS)}")
    for key in raw:
        if key not in KEYS:
            raise UsageError(did_you_mean(f"key of {path.name}", str(key), KEYS))
    return _Fields(path, raw).config()


KEYS = (
    "name",
    "root",
    "frames",
    "masks",
    "labels",
    "label_kind",
    "background",
    "stream",
    "images",
)


@dataclass(frozen=True)
class _Fields:
    """The keys of one YAML file, each read with an error that names it."""

    path: Path
    raw: Mapping[str, Any]

    def config(self) -> FolderConfig:
        root = self.path.parent / Path(self._text("root", ".")).expanduser()
        if not root.is_dir():
            raise self._wrong("root", f"an existing folder, relative to {self.path.name}")
        labels = self._labels()
        config = FolderConfig(
            name=_plain(self._text("name", self.path.stem)),
            root=root,
            file=self.path.name,
            frames=self._folder(root, "frames") or ".",
            masks=self._folder(root, "masks"),
            labels=labels,
            label_kind=self._choice("label_kind", "semantic" if labels else "instance", _KINDS),
            stream=self._stream(),
            images=self._choice("images", "clip", _IMAGES),
        )
        return replace(config, background=self._background(config.classes))

    def _wrong(self, key: str, expected: str) -> DataError:
        shown = repr(self.raw.get(key))
        shown = shown if len(shown) <= 80 else f"{shown[:77]}..."
        return DataError(f"{self.path}: {key} is {shown}; expected {expected}")

    def _text(self, key: str, default: str) -> str:
        value = self.raw.get(key, default)
        if not isinstance(value, str) or not value:
            raise self._wrong(key, "a text")
        return value

    def _choice(self, key: str, default: str, known: tuple[str, ...]) -> Any:
        value = self.raw.get(key, default)
        if value not in known:
            raise self._wrong(key, " or ".join(known))
        return value

    def _folder(self, root: Path, key: str) -> str | None:
        if self.raw.get(key) is None:
            return None
        value = self._text(key, "")
        if value.startswith(("/", "\\")):
            raise self._wrong(key, "a path relative to root")
        if value == ".":
            return value
        inside = "/".join(safe_parts(value, f"{self.path}: {key}"))
        if not (root / inside).is_dir():
            raise self._wrong(key, "an existing folder, relative to root")
        return inside

    def _stream(self) -> int | None:
        value = self.raw.get("stream")
        if value is not None and (type(value) is not int or value < 0):
            raise self._wrong("stream", "the index of a video stream, 0 or more")
        return value

    def _labels(self) -> dict[int, str]:
        raw = self.raw.get("labels")
        if raw is None:
            return {}
        numbered = isinstance(raw, dict) and all(type(value) is int for value in raw)
        if not numbered or not all(isinstance(name, str) and name for name in raw.values()):
            raise self._wrong("labels", "a map from stored values to names, {0: background, ...}")
        if len(set(raw.values()) - {VOID_NAME}) not in range(1, VOID):
            raise self._wrong("labels", f"1 to {VOID - 1} names besides {VOID_NAME!r}")
        return dict(raw)

    def _background(self, classes: tuple[str, ...]) -> int | None:
        default = 0 if not classes else "background" if "background" in classes else None
        value = self.raw.get("background", default)
        if value is None:
            return None
        if not classes and type(value) is int and 0 <= value < VOID:
            return value
        if value not in classes:
            raise self._wrong("background", f"one of {', '.join(classes) or 'the ids'}, or null")
        return classes.index(value)


_KINDS = ("semantic", "instance")
_IMAGES = ("clip", "still")
