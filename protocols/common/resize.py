"""Nearest-neighbour resizing of label maps, by the conventions that published code has."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PilImage

Nearest = Literal["centre", "upper-left", "pillow"]
"""Which old pixel a new one takes. centre: the one that holds its centre, in exact integers;
torch's `nearest-exact`. upper-left: the one that holds its upper left corner; torch's `nearest`.
pillow: `centre` in the floating point of Pillow, which puts a centre that falls on an edge on
either side."""


def nearest_index(old: int, new: int, convention: Literal["centre", "upper-left"]) -> NDArray[Any]:
    """Return the old pixel [new] along one side that each new pixel takes.

    Example:
        >>> nearest_index(2, 5, "centre").tolist(), nearest_index(2, 5, "upper-left").tolist()
        ([0, 0, 1, 1, 1], [0, 0, 0, 1, 1])
    """
    pixels = np.arange(new)
    if convention == "upper-left":
        return pixels * old // new
    return (2 * pixels + 1) * old // (2 * new)


def resize_nearest(
    labels: NDArray[Any], size: tuple[int, ...], convention: Nearest = "centre"
) -> NDArray[Any]:
    """Resize a map [h, w] to (H, W).

    Example:
        >>> line = np.array([[1, 2, 3, 4]])
        >>> resize_nearest(line, (1, 2)).tolist()
        [[2, 4]]
        >>> resize_nearest(line, (1, 2), "upper-left").tolist()
        [[1, 3]]
    """
    height, width = size
    if convention == "pillow":
        image = PilImage.fromarray(labels.astype(np.uint8))
        return np.asarray(image.resize((width, height), PilImage.Resampling.NEAREST))
    rows = nearest_index(labels.shape[0], height, convention)
    cols = nearest_index(labels.shape[1], width, convention)
    resized: NDArray[Any] = labels[np.ix_(rows, cols)]
    return resized
