from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from tvseg_bench.benchmark.clustering import (
    Chunk,
    assign_upsampled,
    kmeans_streamed,
    kmeans_upsampled,
)
from tvseg_bench.benchmark.errors import ModelError, UsageError


@pytest.mark.parametrize("pieces", [[9], [4, 5], [1] * 9, [2, 6, 1]])
def test_out_of_core_equals_in_core(blobs, pieces):
    f = blobs(0, 9, 6, 8, 5)
    size = (24, 32)
    ends = np.cumsum([0, *pieces])
    parts = [f[a:b] for a, b in pairwise(ends)]
    init = f[0, 0, :5]
    whole = kmeans_upsampled(f, size, 5, init=init)
    streamed = kmeans_streamed(lambda: (Chunk(p, size) for p in parts), 5, init=init)
    np.testing.assert_allclose(streamed.centers, whole.centers, rtol=1e-4, atol=1e-4)
    assert streamed.inertia == pytest.approx(whole.inertia, rel=1e-6)
    labels = np.concatenate([assign_upsampled(p, streamed.centers, size) for p in parts])
    assert (labels != whole.labels).mean() < 1e-3


def test_restarts_find_what_in_core_finds(blobs):
    f = blobs(1, 6, 6, 8, 5)
    whole = kmeans_upsampled(f, (24, 32), 4)
    streamed = kmeans_streamed(lambda: (Chunk(p[None], (24, 32)) for p in f), 4)
    assert streamed.inertia == pytest.approx(whole.inertia, rel=1e-3)


def test_grids_and_sizes_may_differ(explicit, blobs):
    chunks = [
        Chunk(blobs(2, 2, 6, 8, 5), (24, 32)),
        Chunk(blobs(2, 3, 8, 6, 5), (33, 24)),
        Chunk(blobs(2, 1, 4, 4, 5), (17, 15)),
    ]
    init = chunks[0].features[0, 0, :4]
    result = kmeans_streamed(lambda: chunks, 4, init=init, max_iter=3, tol=0.0)
    pixels = np.concatenate([explicit.pixels(c.features, c.size) for c in chunks])
    np.testing.assert_allclose(
        result.centers, explicit.lloyd(pixels, init, result.n_iter), rtol=1e-4, atol=1e-4
    )
    inertia = explicit.distances(pixels, result.centers).min(1).sum()
    assert result.inertia == pytest.approx(inertia, rel=1e-5)


def test_a_stream_that_cannot_be_clustered_is_refused():
    bad = np.zeros((2, 2, 2, 3), np.float32)
    bad[1] = np.nan
    with pytest.raises(ModelError, match="of dance hold NaN or infinity in frame 1"):
        kmeans_streamed(lambda: [Chunk(bad, (4, 4), "dance")], 2)
    with pytest.raises(UsageError, match="no chunk"):
        kmeans_streamed(list, 2)
