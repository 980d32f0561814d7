import pytest
import timm
import torch
from torch import nn

from tvseg_bench.benchmark.errors import UsageError
from tvseg_bench.benchmark.types import ModelCard, PatchFeatures
from tvseg_bench.models.networks.dense import DenseViT
from tvseg_bench.models.training.backbone import TunedBackbone, TunedViT
from tvseg_bench.models.training.lora import LoraLinear, add_adapters, merge_adapters
from tvseg_bench.models.training.tuning import choose, parse_tune, stages

CARD = ModelCard(
    name="tiny/vit", patch_size=8, embed_dim=16, num_prefix_tokens=1, pos_interp="dino"
)


def vit(depth: int = 12, **options: object) -> DenseViT:
    torch.manual_seed(0)
    sizes = {"embed_dim": 16, "num_heads": 2, "patch_size": 8, "img_size": 32}
    net = timm.create_model(
        "vit_tiny_patch16_224",
        depth=depth,
        dynamic_img_size=True,
        num_classes=0,
        global_pool="",
        **sizes,
        **options,
    )
    return DenseViT(net, CARD)


def convnet() -> nn.Module:
    body = nn.Sequential(nn.Conv2d(3, 4, 8, 8), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 6, 1))
    net = nn.Module()
    net.features = body
    net.extract = lambda images: _as_features(body(images))
    return net


def _as_features(maps: torch.Tensor) -> PatchFeatures:
    return PatchFeatures(maps.flatten(2).transpose(1, 2), (maps.shape[2], maps.shape[3]))


def test_a_number_is_a_whole_part_of_a_name() -> None:
    net = vit().net
    chosen = choose(net, parse_tune("blocks.1"))
    assert chosen
    assert all(name.startswith("blocks.1.") for name in chosen)


def test_last_blocks_and_everything() -> None:
    net = vit(3).net
    assert {name.split(".")[1] for name in choose(net, parse_tune("last:2"))} == {"1", "2"}
    assert set(choose(net, parse_tune("all"))) == {name for name, _ in net.named_parameters()}


def test_convnets_have_stages_too() -> None:
    net = convnet()
    assert [name for name, _ in stages(net)] == ["features.0", "features.1", "features.3"]
    assert choose(net, parse_tune("last:1")) == ["features.3.weight", "features.3.bias"]


@pytest.mark.parametrize("text", ["", "last:0", "last:2,all", "blocks 1", "last:1,blocks.2"])
def test_what_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="expected 'all', 'last:N'"):
        parse_tune(text)


@pytest.mark.parametrize("tune", ["last:2", "all", "blocks.0", "norm", "lora:2,last:1"])
@pytest.mark.parametrize("registers", [0, 4])
def test_frozen_and_tuned_are_the_model(tune: str, registers: int) -> None:
    dense = vit(3, reg_tokens=registers)
    images = torch.rand(2, 3, 32, 48)
    expected = dense.extract(images).tokens
    backbone = TunedViT(dense, CARD, tune)
    grid = backbone.grid(32, 48)
    found = backbone.tuned(backbone.frozen(images), grid)
    assert found.shape == (2, 4, 6, 16)
    torch.testing.assert_close(found.flatten(1, 2), expected, rtol=0, atol=1e-6)
    found.square().sum().backward()
    tuned = [p for p in backbone.parameters() if p.requires_grad]
    assert all(p.grad is not None for p in tuned)


def test_frozen_blocks_are_outside_the_tuned_part() -> None:
    dense = vit(3)
    backbone = TunedViT(dense, CARD, "last:1")
    calls = []
    for block in dense.net.blocks:
        block.register_forward_hook(lambda *_: calls.append(1))
    state = backbone.frozen(torch.rand(1, 3, 32, 32))
    assert len(calls) == 2
    assert not state.requires_grad
    backbone.tuned(state, (4, 4))
    assert len(calls) == 3


def test_attention_is_that_of_the_model() -> None:
    dense = vit(3)
    images = torch.rand(2, 3, 32, 32)
    backbone = TunedViT(dense, CARD, "last:1")
    expected = dense.extract_attention(images).attention
    found = backbone.attention(backbone.frozen(images), (4, 4))
    torch.testing.assert_close(found.flatten(1), expected.mean(1), rtol=0, atol=1e-6)


def test_any_other_model_is_tuned_too_and_its_statistics_stay() -> None:
    net = convnet()
    backbone = TunedBackbone(net, net, ModelCard(name="a/b", patch_size=8, embed_dim=6), "last:1")
    backbone.train()
    before = net.features[1].running_mean.clone()
    out = backbone(torch.rand(2, 3, 32, 48))
    assert out.shape == (2, 4, 6, 6)
    out.sum().backward()
    assert torch.equal(net.features[1].running_mean, before)
    assert net.features[0].weight.grad is None
    assert net.features[3].weight.grad is not None


def test_an_adapter_begins_as_nothing_and_merges_into_what_it_learned() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(6, 5), nn.GELU(), nn.Linear(5, 4, bias=False))
    x = torch.rand(3, 6)
    before = net(x)
    assert add_adapters(net, rank=2) == 2
    torch.testing.assert_close(net(x), before)
    for module in net:
        if isinstance(module, LoraLinear):
            nn.init.normal_(module.lora_b)
    learned = net(x)
    assert not torch.allclose(learned, before)
    assert merge_adapters(net) == 2
    torch.testing.assert_close(net(x), learned)
    assert not any("lora" in name for name in net.state_dict())


def test_no_linear_layer_no_adapter() -> None:
    with pytest.raises(UsageError, match="no linear layer there"):
        choose(convnet(), parse_tune("lora:2"))
