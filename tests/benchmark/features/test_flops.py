import pytest
import torch
from torch import nn

from tvseg_bench.benchmark.features.flops import gflops
from tvseg_bench.benchmark.types import ModelCard, PatchFeatures

CARD = ModelCard(name="toy/conv", revision="r", patch_size=16, embed_dim=8)


class Toy(nn.Module):
    def __init__(self, card: ModelCard = CARD) -> None:
        super().__init__()
        self.card = card
        self.patches = nn.Conv2d(3, 8, 16, stride=16, bias=False)

    def extract(self, images: torch.Tensor) -> PatchFeatures:
        made = self.patches(images)
        return PatchFeatures(tokens=made.flatten(2).mT, grid=tuple(made.shape[2:]))


def test_two_operations_a_multiply_add() -> None:
    assert gflops(Toy(), 64) == round(2 * 16 * 8 * 3 * 16 * 16 / 1e9, 4)
    assert gflops(Toy(), 224) == round(2 * 196 * 8 * 3 * 256 / 1e9, 4) > 0


def test_null_where_it_cannot_be_counted() -> None:
    class Refuses(Toy):
        def extract(self, images: torch.Tensor) -> PatchFeatures:
            raise RuntimeError("frames of one size only")

    assert gflops(Refuses(), 224) is None
    clip = ModelCard(name="toy/clip", patch_size=16, embed_dim=8, temporal="clip")
    assert gflops(Toy(clip), 224) is None


@pytest.mark.parametrize("mode", [True, False])
def test_counting_leaves_the_model_as_it_was(mode: bool) -> None:
    model = Toy().train(mode)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    state = torch.get_rng_state()
    gflops(model, 32)
    assert model.training == mode
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
