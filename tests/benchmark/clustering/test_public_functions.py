"""The public face: its signature, what it takes and what it refuses."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
import torch

from tvseg_bench.benchmark.clustering import (
    assign_upsampled,
    kmeans_streamed,
    kmeans_upsampled,
)
from tvseg_bench.benchmark.errors import ModelError, UsageError


def test_the_signature_is_the_promised_one():
    parameters = inspect.signature(kmeans_upsampled).parameters
    named = [(p.name, p.default) for p in parameters.values()]
    empty = inspect.Parameter.empty
    assert named[:3] == [("features", empty), ("size", empty), ("k", empty)]
    assert named[3:6] == [("n_init", 5), ("max_iter", 50), ("seed", 0)]
    for name, parameter in list(parameters.items())[3:]:
        assert parameter.kind is inspect.Parameter.KEYWORD_ONLY, name
        assert parameter.default is not empty, name


@pytest.mark.parametrize("size", [(29, 46), (2, 3), (1, 1), (5, 40)])
@pytest.mark.parametrize("make", [np.asarray, torch.from_numpy])
def test_a_result_holds_what_is_promised(explicit, blobs, size, make):
    f = blobs(0, 3, 5, 7, 6)
    result = kmeans_upsampled(make(f), size, 2)
    assert result.labels.shape == (3, *size)
    assert result.labels.dtype == np.int32
    assert result.centers.shape == (2, 6)
    assert result.n_iter >= 1
    distance = explicit.distances(explicit.pixels(f, size), result.centers)
    assert result.inertia == pytest.approx(distance.min(1).sum(), rel=1e-4)
    assert (result.labels.ravel() == distance.argmin(1)).mean() > 0.999


@pytest.mark.parametrize(
    "change",
    [
        lambda f: torch.from_numpy(f).requires_grad_(),
        lambda f: torch.from_numpy(f.swapaxes(1, 2).copy()).permute(0, 2, 1, 3),
        lambda f: f[:, ::-1][:, ::-1],
        lambda f: f.tolist(),
        lambda f: f.astype(np.int16),
        lambda f: torch.from_numpy(f).bfloat16(),
    ],
    ids=["gradient", "permuted", "reversed", "list", "integers", "bfloat16"],
)
def test_layout_and_type_change_nothing(blobs, change):
    f = np.round(blobs(1, 2, 5, 6, 4) * 8)  # whole numbers below 256: exact in every type
    wanted, given = (kmeans_upsampled(x, (20, 24), 3) for x in (f, change(f)))
    np.testing.assert_array_equal(given.labels, wanted.labels)


@pytest.mark.parametrize("scale", [2.0**-38, 2.0**-10, 2.0**10, 2.0**36])
def test_powers_of_two_scale_everything_exactly(blobs, scale):
    f = blobs(2, 2, 5, 6, 4)
    plain, scaled = kmeans_upsampled(f, (20, 24), 3), kmeans_upsampled(f * scale, (20, 24), 3)
    np.testing.assert_array_equal(plain.labels, scaled.labels)
    assert scaled.inertia == pytest.approx(plain.inertia * scale**2, rel=1e-9)


@pytest.mark.parametrize("scale", [1e15, 1e25, 1e-25])
def test_numbers_whose_squares_do_not_fit_are_refused(blobs, scale):
    with pytest.raises(ModelError, match=r"of bear reach .* between 1e-12 and 1e\+12"):
        kmeans_upsampled(blobs(0, 1, 3, 3, 2) * np.float32(scale), (6, 6), 2, name="bear")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"size": (20.5, 20)}, r"the size \(20.5, 20\) is not \(height, width\)"),
        ({"size": (4, 4, 3)}, "give two integers"),
        ({"k": 2.5}, "k=2.5 clusters nothing; give k=1 or more"),
        ({"k": "3"}, "k='3' clusters nothing"),
        ({"n_init": 0}, "n_init=0"),
        ({"max_iter": -1}, "max_iter=-1"),
        ({"seed": -1}, "seed=-1 is not a seed; give seed=0 or more"),
        ({"backend": "cuda"}, "unknown backend 'cuda'; known: auto, compiled, torch"),
        ({"init": np.full((2, 2), np.nan)}, "init hold NaN or infinity"),
    ],
)
def test_wrong_arguments_are_named(blobs, changes, words):
    settings = {"size": (6, 6), "k": 2, **changes}
    with pytest.raises(UsageError, match=words):
        kmeans_upsampled(blobs(0, 1, 3, 3, 2), **settings)


def test_wrong_features_and_centres_are_named(blobs):
    f = blobs(0, 1, 3, 3, 2)
    with pytest.raises(ModelError, match="complex64, expected real numbers"):
        kmeans_upsampled(f.astype(np.complex64), (6, 6), 2)
    with pytest.raises(UsageError, match="centers hold NaN or infinity"):
        assign_upsampled(f, np.full((2, 2), np.inf), (6, 6))
    with pytest.raises(UsageError, match=r"shape \[2, 5\], expected \[k, 2\]"):
        assign_upsampled(f, np.zeros((2, 5)), (6, 6))
    with pytest.raises(UsageError, match="seed=-1"):
        kmeans_streamed(list, 2, seed=-1)
