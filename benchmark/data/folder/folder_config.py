"""What `folder:PATH` means: a directory with usual names, or a YAML file that describes it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tvseg_bench.benchmark.data.files.layout import read_text, safe_parts
from tvseg_bench.benchmark.data.files.listing import list_folders
from tvseg_bench.benchmark.errors import DataError, UsageError, did_you_mean
from tvseg_bench.benchmark.types import VOID, LabelKind

FRAME_FOLDERS = ("JPEGImages", "images", "input", "frames")
MASK_FOLDERS = ("Annotations", "masks", "groundtruth", "labels")
RESOLUTIONS = ("480p", "Full-Resolution")
VOID_NAME = "void"
Text = Annotated[str, Field(min_length=1)]


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


class _Keys(BaseModel):
    """The keys of a YAML file; a description says what errors call the value that is expected."""

    model_config = ConfigDict(strict=True)

    name: Text | None = Field(None, description="a text")
    root: Text = Field(".", description="a text")
    frames: Text | None = Field(None, description="a text")
    masks: Text | None = Field(None, description="a text")
    labels: dict[int, Text] | None = Field(
        None, description="a map from stored values to names, {0: background, ...}"
    )
    label_kind: LabelKind = Field("instance", description="semantic or instance")
    background: Any = None
    stream: int | None = Field(None, ge=0, description="the index of a video stream, 0 or more")
    images: Literal["clip", "still"] = Field("clip", description="clip or still")


KEYS = tuple(_Keys.model_fields)


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
    try:
        keys = _Keys.model_validate(raw)
    except ValidationError as error:
        key = str(error.errors()[0]["loc"][0])
        expected = _Keys.model_fields[key].description or ""
        raise _wrong(path, key, raw[key], expected) from error
    return _configured(path, keys)


def _configured(path: Path, keys: _Keys) -> FolderConfig:
    root = path.parent / Path(keys.root).expanduser()
    if not root.is_dir():
        raise _wrong(path, "root", keys.root, f"an existing folder, relative to {path.name}")
    labels = keys.labels or {}
    if keys.labels is not None and len({*labels.values()} - {VOID_NAME}) not in range(1, VOID):
        raise _wrong(path, "labels", labels, f"1 to {VOID - 1} names besides {VOID_NAME!r}")
    semantic = bool(labels) and "label_kind" not in keys.model_fields_set
    config = FolderConfig(
        name=_plain(keys.name or path.stem),
        root=root,
        file=path.name,
        frames=_folder(path, root, "frames", keys.frames) or ".",
        masks=_folder(path, root, "masks", keys.masks),
        labels=labels,
        label_kind="semantic" if semantic else keys.label_kind,
        stream=keys.stream,
        images=keys.images,
    )
    return replace(config, background=_background(path, keys, config.classes))


def _wrong(path: Path, key: str, value: Any, expected: str) -> DataError:
    shown = repr(value)
    shown = shown if len(shown) <= 80 else f"{shown[:77]}..."
    return DataError(f"{path}: {key} is {shown}; expected {expected}")


def _folder(path: Path, root: Path, key: str, value: str | None) -> str | None:
    if value in (None, "."):
        return value
    if value.startswith(("/", "\\")):
        raise _wrong(path, key, value, "a path relative to root")
    inside = "/".join(safe_parts(value, f"{path}: {key}"))
    if not (root / inside).is_dir():
        raise _wrong(path, key, value, "an existing folder, relative to root")
    return inside


def _background(path: Path, keys: _Keys, classes: tuple[str, ...]) -> int | None:
    value = keys.background
    if "background" not in keys.model_fields_set:
        value = 0 if not classes else "background" if "background" in classes else None
    if value is None:
        return None
    if not classes and type(value) is int and 0 <= value < VOID:
        return value
    if value not in classes:
        known = ", ".join(classes) or "the ids"
        raise _wrong(path, "background", value, f"one of {known}, or null")
    return classes.index(value)
