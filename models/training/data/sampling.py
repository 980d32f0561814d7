"""Which clips a step sees, and which of their frames: pure functions of seed and place.

Place p = 0, 1, ... counts the clips of a whole run; step s of batch size B holds the places
s B .. s B + B - 1. So a resumed run needs no state but its step, and the number of workers or
processes changes nothing.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Sampling = Literal["uniform", "dense", "regular", "equidistant"]


def generator(*key: int) -> np.random.Generator:
    """Return a stream of random numbers that depends on the key alone."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(key)))


def clip_order(n_clips: int, epoch: int, seed: int) -> NDArray[np.int64]:
    """Return the order [n_clips] of the clips in an epoch.

    Example:
        >>> sorted(clip_order(4, 0, 0).tolist())
        [0, 1, 2, 3]
    """
    return generator(seed, 1, epoch).permutation(n_clips)


def choose_frames(
    n_frames: int, wanted: int, rule: Sampling, rng: np.random.Generator, *, stride: int = 1
) -> tuple[int, ...]:
    """Return the sorted indices of the frames that are taken of a clip.

    Args:
        n_frames: of the clip, 1 or more.
        rule: uniform: a random subset, with repetition where the clip is shorter (SMSD75/
            Timetuning data_loader.py:617-627). dense: a random run of neighbours. regular: every
            `stride`-th from a random one on. equidistant: the middles of equal parts, the same
            every time. Past the clip's end the last frame is repeated.
        stride: of `regular`.

    Example:
        >>> choose_frames(10, 4, "equidistant", generator(0))
        (1, 3, 6, 8)
        >>> choose_frames(3, 5, "dense", generator(0))
        (0, 1, 2, 2, 2)
    """
    if rule == "equidistant":
        return tuple((2 * i + 1) * n_frames // (2 * wanted) for i in range(wanted))
    if rule == "uniform":
        chosen = rng.choice(n_frames, size=wanted, replace=n_frames < wanted)
        return tuple(int(i) for i in np.sort(chosen))
    step = stride if rule == "regular" else 1
    first = int(rng.integers(max(n_frames - (wanted - 1) * step, 1)))
    return tuple(min(first + i * step, n_frames - 1) for i in range(wanted))
