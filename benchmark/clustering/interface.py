"""The input and output of a clustering, and the checks of its arguments."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from math import isfinite
from numbers import Integral
from typing import TYPE_CHECKING, Any, TypeGuard, Union

import numpy as np
from numpy.typing import NDArray

from tvseg_bench.benchmark.errors import ModelError, UsageError

if TYPE_CHECKING:
    import torch

Floating = NDArray[np.floating[Any]]
Features = Union[Floating, "torch.Tensor"]
_REACH = 1e12
"""Largest feature, and the inverse of the smallest maximum; squares stay well within float32."""


@dataclass(frozen=True, eq=False)
class KMeansResult:
    """A clustering of upsampled features."""

    centers: Floating
    """[k, D] float32 or float64."""
    inertia: float
    """Sum over all pixels of the squared distance to the nearest centre."""
    n_iter: int
    """Updates of the centres in the best run."""
    converged: bool
    """Whether that run stopped by itself, before max_iter."""
    empty: int
    """Clusters that own no pixel; more than 0 where there are fewer distinct features than k."""
    labels: NDArray[np.int32] | None = None
    """[F, H, W] 0..k-1, the nearest of `centers`; None where they were not asked for."""


@dataclass(frozen=True, eq=False)
class Chunk:
    """Frames of one shape in a stream."""

    features: Features
    """[f, h, w, D]."""
    size: tuple[int, int]
    """(H, W) that the features are upsampled to."""
    name: str = ""
    """For messages: the clip."""


@dataclass(frozen=True)
class FitSettings:
    """Arguments of a fit; see `kmeans.kmeans_upsampled`."""

    k: int
    n_init: int
    max_iter: int
    seed: int
    tol: float

    def check(self) -> None:
        """Raise UsageError unless every count is a whole number, at least 1, and the seed 0."""
        counts = {"k": self.k, "n_init": self.n_init, "max_iter": self.max_iter}
        for word, value in counts.items():
            if not isinstance(value, Integral) or value < 1:
                raise UsageError(f"{word}={value!r} clusters nothing; give {word}=1 or more")
        if not isinstance(self.seed, Integral) or self.seed < 0:
            raise UsageError(f"seed={self.seed!r} is not a seed; give seed=0 or more")


def check_centers(word: str, centers: Floating, k: int | str, depth: int) -> None:
    """Raise UsageError unless centers are finite and [k, depth]; a word for k takes any number."""
    rows = centers.shape[0] if centers.ndim == 2 and isinstance(k, str) else k
    if centers.shape != (rows, depth) or rows == 0:
        raise UsageError(f"{word} have the shape {list(centers.shape)}, expected [{k}, {depth}]")
    if not np.isfinite(centers).all():
        raise UsageError(f"{word} hold NaN or infinity; give finite centres")


def as_array(features: Features, name: str = "") -> Floating:
    """Return features [F, h, w, D] as an array on the host; ModelError for any other shape."""
    array: Floating = np.asarray(_on_host(features))
    if array.dtype.kind not in "fiub":
        raise ModelError(f"features{_of(name)} are {array.dtype}, expected real numbers")
    if array.ndim != 4 or 0 in array.shape:
        raise ModelError(
            f"features{_of(name)} have the shape {list(array.shape)}, "
            "expected [frames, rows, columns, dimensions], each at least 1"
        )
    return array


def precision_of(array: Floating) -> np.dtype[Any]:
    """Return the precision of computations with an array: float64 stays, the rest is float32."""
    return np.dtype(np.float64 if array.dtype == np.float64 else np.float32)


def as_frames(features: Features, name: str = "") -> Floating:
    """Return features [F, h, w, D] as a contiguous float32 or float64 array.

    Raises:
        ModelError: another shape, no frames, NaN or infinity (naming the frame), or numbers whose
            squares leave float32.
    """
    array = as_array(features, name)
    array = np.ascontiguousarray(array, dtype=precision_of(array))
    reach = max(float(array.max()), -float(array.min()))
    if not isfinite(reach):
        frame = int(np.flatnonzero(~np.isfinite(array).all(axis=(1, 2, 3)))[0])
        raise ModelError(
            f"the features{_of(name)} hold NaN or infinity in frame {frame}; "
            "run the model in float32 and look at what it returns for this frame"
        )
    if reach and not 1 / _REACH <= reach <= _REACH:
        raise ModelError(
            f"the features{_of(name)} reach {reach:.1e}, and k-means compares squares of them; "
            f"scale them to between {1 / _REACH:.0e} and {_REACH:.0e}"
        )
    return array


def shape_of(frames: Floating) -> tuple[int, int]:
    """Return the grid (h, w) of frames [F, h, w, D]."""
    return int(frames.shape[1]), int(frames.shape[2])


def check_size(size: tuple[int, int]) -> tuple[int, int]:
    """Return (H, W) as integers; UsageError unless both are at least 1."""
    if len(size) != 2 or not all(isinstance(side, Integral) for side in size):
        raise UsageError(f"the size {size!r} is not (height, width) in pixels; give two integers")
    height, width = (int(side) for side in size)
    if height < 1 or width < 1:
        raise UsageError(f"the size {height}x{width} has no pixels; give (height, width)")
    return height, width


def device_of(features: Features) -> str | None:
    """Return the CUDA device that holds the features, None where the CPU computes."""
    if not is_tensor(features) or features.device.type != "cuda":
        return None
    return str(features.device)


def is_tensor(features: Features) -> TypeGuard[torch.Tensor]:
    """Return whether features are a torch tensor, without loading torch."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(features, torch.Tensor)


def _on_host(features: Features) -> Any:
    if not is_tensor(features):
        return features
    tensor = features.detach().cpu()
    return (tensor.float() if str(tensor.dtype) == "torch.bfloat16" else tensor).numpy()


def _of(name: str) -> str:
    return f" of {name}" if name else ""
