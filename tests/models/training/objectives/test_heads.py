"""Head and prototypes."""

import pytest
import torch

from tvseg_bench.models.training.objectives.heads import Prototypes, cosine_scores, projection_head


def test_published_head() -> None:
    shapes = {name: tuple(p.shape) for name, p in projection_head(384).named_parameters()}
    assert shapes == {
        "0.weight": (1024, 384),
        "0.bias": (1024,),
        "2.weight": (1024, 1024),
        "2.bias": (1024,),
        "4.weight": (512, 1024),
        "4.bias": (512,),
        "6.weight": (256, 512),
        "6.bias": (256,),
    }


def test_prototypes_begin_and_return_to_the_sphere() -> None:
    prototypes = Prototypes(7, 5)
    begin = prototypes.weight.detach().clone()
    torch.testing.assert_close(begin.norm(dim=1), torch.ones(7))
    with torch.no_grad():
        prototypes.weight *= torch.rand(7, 1) + 0.5
    prototypes.normalise()
    torch.testing.assert_close(prototypes.weight.detach(), begin)


def test_scores_are_cosines() -> None:
    projections, prototypes = torch.randn(2, 3, 4, 5), Prototypes(7, 5)
    expected = torch.nn.functional.cosine_similarity(
        projections[..., None, :], prototypes.weight, dim=-1
    )
    torch.testing.assert_close(prototypes(projections), expected)
    torch.testing.assert_close(prototypes(projections * 9), expected)


def test_nothing_scores_nothing_and_carries_no_gradient() -> None:
    zeros = torch.zeros(1, 5, requires_grad=True)
    scores = Prototypes(7, 5)(zeros)
    assert not scores.any()
    scores.sum().backward()
    assert zeros.grad is not None
    assert bool(zeros.grad.isfinite().all())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_scores_are_exact_under_autocast(dtype: torch.dtype) -> None:
    projections, prototypes = torch.randn(20, 5).to(dtype), torch.randn(7, 5)
    with torch.autocast("cpu", torch.bfloat16):
        scores = cosine_scores(projections, prototypes)
    assert scores.dtype == torch.float32
    torch.testing.assert_close(scores, cosine_scores(projections.float(), prototypes))


def test_gradient() -> None:
    projections = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    prototypes = torch.randn(5, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(cosine_scores, (projections, prototypes))
