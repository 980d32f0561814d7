"""Explicit k-means on explicitly upsampled pixels: what the implicit one must equal."""

from __future__ import annotations

import numpy as np
import pytest
import torch


class Explicit:
    """Everything written out: [F * H * W, D] pixels, all distances."""

    @staticmethod
    def pixels(features, size):
        f = torch.as_tensor(np.asarray(features)).double().permute(0, 3, 1, 2)
        up = torch.nn.functional.interpolate(f, size=size, mode="bilinear", align_corners=False)
        return up.permute(0, 2, 3, 1).reshape(-1, f.shape[1]).numpy()

    @staticmethod
    def distances(pixels, centers):
        return ((pixels[:, None, :] - centers[None].astype(np.float64)) ** 2).sum(2)

    @staticmethod
    def lloyd(pixels, centers, iterations):
        centers = centers.astype(np.float64)
        for _ in range(iterations):
            label = Explicit.distances(pixels, centers).argmin(1)
            centers = np.stack(
                [
                    pixels[label == c].mean(0) if (label == c).any() else centers[c]
                    for c in range(len(centers))
                ]
            )
        return centers


@pytest.fixture(scope="session")
def explicit():
    return Explicit


@pytest.fixture(scope="session")
def blobs():
    """Smooth random maps with objects in them: [F, h, w, D] from a seed."""

    def make(seed, frames, rows, cols, dims, dtype=np.float32, objects=4):
        rng = np.random.default_rng(seed)
        kinds = rng.normal(size=(objects, dims)) * 3
        y, x = np.mgrid[:rows, :cols]
        centres = rng.uniform(0, 1, size=(objects, 2)) * [rows, cols]
        distance = ((y[..., None] - centres[:, 0]) ** 2) + ((x[..., None] - centres[:, 1]) ** 2)
        base = kinds[distance.argmin(-1)]
        return (base + rng.normal(size=(frames, rows, cols, dims))).astype(dtype)

    return make
