"""Configuration of `temporal`: the clustering of `kmeans-clip`, and how its time is looked at.

Nothing here computes; importing this module loads neither numpy nor torch.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, field_serializer, field_validator

from tvseg_bench.protocols.kmeans.config import KMeansConfig

LENGTHS = (2, 4, 8, 16)
"""Frames of the windows of VC."""
VPQ_LENGTHS = (1, 2, 3, 4)
"""Frames of the windows of VPQ, those of Cityscapes-VPS."""


class TemporalConfig(KMeansConfig):
    """Everything that moves a number of `temporal`; the clustering's fields first."""

    windows: Literal["all", "vspw"] = "all"
    """Which windows of a clip count for VC. vspw: all but the last, as published."""
    vc_void: Literal["exclude", "count"] = "exclude"
    """Whether pixels whose true label is void count for VC; count, as published."""
    pool: Literal["clips", "windows"] = "clips"
    """How `vc*` and `vc*_correct` are averaged. clips: equal weight. windows: every window of
    every clip, as published, so long clips weigh more."""
    reseeds: int = Field(default=2, ge=0, le=20)
    """Further k-means seeds whose clusters are compared with the first for `seed_ari`."""
    flow_dir: Path | None = None
    """Folder with a folder per clip of .flo or .npz files; null = the data set's own flow, where
    it has some. A result states the folder's name and the hash of its file list."""

    @field_validator("flow_dir")
    @classmethod
    def _is_there(cls, folder: Path | None) -> Path | None:
        if folder is None:
            return None
        folder = folder.expanduser()
        if not folder.is_dir():
            raise ValueError(f"there is no folder {folder}")
        return folder

    @field_serializer("flow_dir")
    def _without_path(self, folder: Path | None) -> str | None:
        """State which flow it is and not where it lies: results hold no paths."""
        if folder is None:
            return None
        from tvseg_bench.benchmark.data.files.flow_files import manifest

        return f"{folder.resolve().name}@{manifest(folder)[:16]}"


STANDARD = TemporalConfig()
"""kmeans-clip's `standard` clustering; every window, void never counted, clips weigh alike."""

VSPW = TemporalConfig(windows="vspw", vc_void="count", pool="windows")
"""`vc*` as VC_perclip.py of sssdddwww2/CVPR2021_VSPW_Implement (3ead088) computes them; the
clustering and all other metrics are `standard`'s."""
