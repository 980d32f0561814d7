"""Features at points: what an upsampled map would hold there."""

import pytest
import torch
from torch.nn.functional import grid_sample, interpolate

from tvseg_bench.benchmark.errors import UsageError
from tvseg_bench.models.training.tracking.points import features_at

SIZES = [((3, 4), (12, 16)), ((4, 4), (30, 23)), ((1, 2), (7, 9))]


@pytest.mark.parametrize(("grid", "size"), SIZES)
@pytest.mark.parametrize("sampling", ["nearest", "bilinear"])
def test_same_as_upsampling(sampling: str, grid: tuple[int, int], size: tuple[int, int]) -> None:
    features = torch.randn(2, *grid, 5)
    y, x = torch.meshgrid(*(torch.arange(side).float() for side in size), indexing="ij")
    points = torch.stack([x, y], -1).view(1, -1, 2).expand(2, -1, -1)
    ours = features_at(features, points, size, sampling=sampling)
    upsampled = interpolate(features.permute(0, 3, 1, 2), size=size, mode=sampling)
    torch.testing.assert_close(ours.mT.reshape(upsampled.shape), upsampled)


def test_outside_counts_as_border() -> None:
    features = torch.randn(1, 3, 3, 2)
    points = torch.tensor([[[-40.0, 5.0], [0.0, 5.0], [99.0, 99.0], [11.0, 11.0]]])
    for sampling in ("nearest", "bilinear", "latent"):
        read = features_at(features, points, (12, 12), sampling=sampling)[0]
        torch.testing.assert_close(read[0], read[1])
        torch.testing.assert_close(read[2], read[3])


def test_latent_readings() -> None:
    features, points = torch.randn(1, 4, 4, 3), torch.rand(1, 9, 2) * 40 - 4
    maps = features.permute(0, 3, 1, 2)
    corners = grid_sample(maps, (2 * points / 31 - 1)[:, :, None], align_corners=True)
    ours = features_at(
        features, points, (32, 32), sampling="latent", latent_grid="corners", outside="zeros"
    )
    torch.testing.assert_close(ours.mT, corners[..., 0])


@pytest.mark.parametrize("sampling", ["nearest", "bilinear", "latent"])
def test_gradient(sampling: str) -> None:
    features = torch.randn(2, 3, 2, 2, dtype=torch.float64, requires_grad=True)
    points = torch.rand(2, 5, 2, dtype=torch.float64) * 8
    assert torch.autograd.gradcheck(
        lambda values: features_at(values, points, (9, 8), sampling=sampling), features
    )


def test_unknown_sampling() -> None:
    with pytest.raises(UsageError, match="unknown sampling 'bilinaer'; did you mean 'bilinear'"):
        features_at(torch.zeros(1, 1, 1, 1), torch.zeros(1, 1, 2), (4, 4), sampling="bilinaer")


@pytest.mark.parametrize("sampling", ["bilinear", "latent"])
def test_places_are_exact_where_features_are_not(sampling: str) -> None:
    features, points = torch.randn(1, 14, 14, 3).bfloat16(), torch.rand(1, 50, 2) * 224
    with torch.autocast("cpu", torch.bfloat16):
        read = features_at(features, points, (224, 224), sampling=sampling)
    exact = features_at(features.float(), points, (224, 224), sampling=sampling)
    torch.testing.assert_close(read, exact)
