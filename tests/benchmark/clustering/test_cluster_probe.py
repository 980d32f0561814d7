"""The cluster probe: shares sum to one, scale says nothing, gradients reach the clusters."""

import pytest
import torch

from tvseg_bench.benchmark.clustering.cluster_probe import (
    cluster_loss,
    cluster_probabilities,
    cluster_similarity,
)


@pytest.fixture
def codes() -> torch.Tensor:
    return torch.randn(2, 5, 3, 4, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def clusters() -> torch.Tensor:
    return torch.randn(7, 5, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("alpha", [None, 0.5, 2.0])
def test_shares_sum_to_one(
    codes: torch.Tensor, clusters: torch.Tensor, alpha: float | None
) -> None:
    shares = cluster_probabilities(cluster_similarity(codes, clusters), alpha)
    assert shares.shape == (2, 7, 3, 4)
    torch.testing.assert_close(shares.sum(1), torch.ones(2, 3, 4))
    logarithm = cluster_probabilities(cluster_similarity(codes, clusters), alpha, log=True)
    torch.testing.assert_close(logarithm.exp(), shares)


def test_length_says_nothing(codes: torch.Tensor, clusters: torch.Tensor) -> None:
    plain = cluster_similarity(codes, clusters)
    assert float(plain.abs().max()) <= 1 + 1e-6
    torch.testing.assert_close(cluster_similarity(3 * codes, 0.2 * clusters), plain)


def test_ever_sharper_shares_tend_to_the_nearest_cluster(
    codes: torch.Tensor, clusters: torch.Tensor
) -> None:
    similarity = cluster_similarity(codes, clusters)
    torch.testing.assert_close(
        cluster_probabilities(similarity, 1e5), cluster_probabilities(similarity)
    )
    torch.testing.assert_close(cluster_loss(similarity), -similarity.amax(1).mean())


def test_training_pulls_clusters_to_codes(codes: torch.Tensor, clusters: torch.Tensor) -> None:
    clusters = clusters.requires_grad_()
    before = cluster_loss(cluster_similarity(codes, clusters))
    before.backward()
    assert clusters.grad is not None
    with torch.no_grad():
        moved = clusters - 0.1 * clusters.grad
    assert cluster_loss(cluster_similarity(codes, moved)) < before
