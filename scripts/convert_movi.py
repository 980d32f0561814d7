"""Convert MOVi-C or MOVi-E from tensorflow_datasets to plain files, as `movi-c` and `movi-e` read.

    python scripts/convert_movi.py c DIR                        # 250 clips of validation
    python scripts/convert_movi.py e DIR --split train --limit 1000

writes DIR/movi_c/SPLIT/{frames,segmentations,forward_flow,depth}/CLIP. It runs by itself, in an
environment of its own with numpy, Pillow and tensorflow_datasets, and needs about 1 GiB for ten
clips. A clip that is there is left as it is, so that a run that was stopped goes on.

Published are (delta_row, delta_column) and depths as 16-bit numbers that span a range stated with
each clip (challenges/movi/README.md of google-research/kubric); written are float32 displacements
(x, y) in pixels and distances from the centre of the camera. The motion back, from the next frame
to this one, lies beside the motion there, so that a reader finds what is hidden in the next frame.
"""

from __future__ import annotations

import argparse
import os
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SOURCE = "gs://kubric-public/tfds"
SPLITS = ("validation", "train", "test")
LARGEST = 65535


def main(arguments: Sequence[str] | None = None) -> None:
    """Convert one split."""
    parser = argparse.ArgumentParser(description="Convert MOVi to plain files.")
    parser.add_argument("variant", choices=("c", "e"))
    parser.add_argument("out", type=Path, help="where movi_c or movi_e is made; the data root")
    parser.add_argument("--split", choices=SPLITS, default=SPLITS[0])
    parser.add_argument("--limit", type=int, help="the first clips only")
    parser.add_argument("--size", choices=("256x256", "128x128"), default="256x256")
    parser.add_argument("--source", default=SOURCE, help="folder of tensorflow_datasets")
    chosen = parser.parse_args(arguments)
    folder = chosen.out / f"movi_{chosen.variant}" / chosen.split
    name = f"movi_{chosen.variant}/{chosen.size}"
    done = 0
    for index, sample in enumerate(islice(load(name, chosen.split, chosen.source), chosen.limit)):
        write_clip(sample, folder, f"{index:05d}")
        done += 1
    print(f"{done} clips of {name} are in {folder}")


def load(name: str, split: str, source: str) -> Iterable[Mapping[str, Any]]:
    """Return the samples of a split as numpy arrays, in the published order."""
    try:
        import tensorflow_datasets as tfds
    except ImportError:
        raise SystemExit(
            "convert_movi.py needs tensorflow_datasets, which is not installed; type: "
            "pip install tensorflow tensorflow_datasets"
        ) from None
    samples: Iterable[Mapping[str, Any]] = tfds.as_numpy(
        tfds.load(name, split=split, data_dir=source, shuffle_files=False)
    )
    return samples


def write_clip(sample: Mapping[str, Any], folder: Path, name: str) -> None:
    """Write one sample below the folder of its split; its frames, which make it a clip, last.

    Args:
        sample: `video` [T, H, W, 3] bytes, `segmentations` [T, H, W, 1] bytes, `depth`
            [T, H, W, 1] and `forward_flow` and `backward_flow` [T, H, W, 2] of 16 bits, and
            `metadata` with the range of each.
    """
    ranges, frames = sample["metadata"], len(sample["video"])
    depth = real(sample["depth"], ranges["depth_range"])[..., 0]
    there = real(sample["forward_flow"], ranges["forward_flow_range"])[..., ::-1]
    back = real(sample["backward_flow"], ranges["backward_flow_range"])[..., ::-1]

    def motion(path: Path, t: int) -> None:
        np.savez_compressed(path, flow=there[t], backward=back[t + 1])

    parts: list[tuple[str, str, int, Callable[[Path, int], None]]] = [
        ("forward_flow", ".npz", frames - 1, motion),
        ("depth", ".npz", frames, lambda path, t: np.savez_compressed(path, depth=depth[t])),
        ("segmentations", ".png", frames, _images(np.asarray(sample["segmentations"])[..., 0])),
        ("frames", ".png", frames, _images(np.asarray(sample["video"]))),
    ]
    for part, suffix, count, write in parts:
        _write_folder(folder / part, name, [f"{t:05d}{suffix}" for t in range(count)], write)


def real(values: NDArray[np.uint16], span: Sequence[float]) -> NDArray[np.float32]:
    """Return the numbers that 16 bits stand for: 0 is the least of the range, 65535 the largest.

    Example:
        >>> real(np.array([0, 65535], np.uint16), (-2.0, 2.0)).tolist()
        [-2.0, 2.0]
    """
    least, largest = (np.float64(value) for value in span)
    return np.asarray(values / LARGEST * (largest - least) + least, np.float32)


def _images(pixels: NDArray[np.uint8]) -> Callable[[Path, int], None]:
    return lambda path, t: Image.fromarray(pixels[t]).save(path)


def _write_folder(
    folder: Path, name: str, files: Sequence[str], write: Callable[[Path, int], None]
) -> None:
    """Write the files of a folder, which is there whole or not at all."""
    if (folder / name).exists():
        return
    unfinished = folder / f".{name}.{os.getpid()}"
    unfinished.mkdir(parents=True)
    try:
        for t, file in enumerate(files):
            write(unfinished / file, t)
        unfinished.rename(folder / name)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


if __name__ == "__main__":
    main()
