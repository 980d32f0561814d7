"""Where training clips come from: data sets of the suite, video files, folders of either."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import parse_qsl

from tvseg_bench.benchmark.data.folder.video_clips import VIDEO_SUFFIXES, VideoPool, video_clip
from tvseg_bench.benchmark.data.moving_shapes.generator import (
    FIRST_FREE_SEED,
    VERSION,
    VERSIONS,
    make_dataset,
)
from tvseg_bench.benchmark.errors import DataError, UsageError, did_you_mean
from tvseg_bench.benchmark.execution.selection import split_reference
from tvseg_bench.benchmark.registry import datasets
from tvseg_bench.benchmark.types import Clip, Dataset

SHAPES = "moving-shapes?"
_SHAPES_KEYS = ("clips", "frames", "height", "width", "first", "things", "version")


def open_clips(
    names: Sequence[str], data_root: Path | None, only: Sequence[str] = ()
) -> tuple[list[Clip], dict[str, str]]:
    """Open everything that is named, and choose clips of it.

    Args:
        names: a data set `NAME[:split]` (its first training split where none is named),
            `moving-shapes?clips=400&frames=8` for generated clips of other seeds than evaluation
            has, the path of a video file, or the path of a folder with videos, with folders of
            frames, or with frames.
        data_root: below which data sets lie.
        only: names of the clips to train on; all where none is given.

    Returns:
        The clips, and by name of each source the hash of its manifest.

    Raises:
        UsageError: an unknown name, or a clip that is in none of them.
        DataError: what is named is not there or holds nothing that could be shown.
    """
    clips: list[Clip] = []
    manifests: dict[str, str] = {}
    for name in names:
        found, manifest = _open(name, data_root)
        if not found:
            raise DataError(f"{name} holds no clips; name a folder with videos or frames")
        clips += found
        manifests[name] = manifest
    if only:
        by_name = {clip.name: clip for clip in clips}
        for wanted in only:
            if wanted not in by_name:
                raise UsageError(did_you_mean("clip", wanted, by_name))
        clips = [by_name[wanted] for wanted in only]
    return clips, manifests


def _open(name: str, data_root: Path | None) -> tuple[list[Clip], str]:
    if name.startswith(SHAPES):
        data = _shapes(name.removeprefix(SHAPES))
        return list(data.clips), data.manifest_sha256
    path = Path(name).expanduser()
    if path.is_file() and path.suffix.lower() in VIDEO_SUFFIXES:
        clip = video_clip(path.stem, path, VideoPool(None), "training")
        return [clip], f"video:{path.name}:{path.stat().st_size}"
    if path.is_dir() or path.is_file():
        data = datasets[f"folder:{path}"].open(data_root, None)
        return list(data.clips), data.manifest_sha256
    base, split = split_reference(name)
    if "/" in name and not name.startswith("folder:") and base not in datasets:
        raise DataError(
            f"{name} is neither a file nor a folder; give a video, a folder with videos or "
            "frames, or the name of a data set"
        )
    entry = datasets[base]
    if split is None and entry.card.training:
        split = entry.card.training[0]
    data = entry.open(data_root, split)
    return list(data.clips), data.manifest_sha256


def _shapes(query: str) -> Dataset:
    """Return generated clips, none of which evaluation shows."""
    values = {
        "clips": 400,
        "frames": 8,
        "height": 224,
        "width": 288,
        "first": FIRST_FREE_SEED,
        "things": 0,
        "version": VERSION,
    }
    for key, value in parse_qsl(query, keep_blank_values=True):
        if key not in _SHAPES_KEYS:
            raise UsageError(did_you_mean("key of moving-shapes", key, _SHAPES_KEYS))
        if not value.isdecimal() or not int(value):
            raise UsageError(f"moving-shapes?{key}={value}: expected a number above 0")
        values[key] = int(value)
    first, things, version = values["first"], values["things"], values["version"]
    if version not in VERSIONS:
        raise UsageError(
            f"moving-shapes?version={version}: there are {' and '.join(map(str, VERSIONS))}"
        )
    return make_dataset(
        range(first, first + values["clips"]),
        version=version,
        n_frames=values["frames"],
        size=(values["height"], values["width"]),
        things=(things, things) if things else None,
    )
