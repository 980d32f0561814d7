"""Dense tokens equal timm's own forward pass, on any grid, with any prefix."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tvseg_bench.benchmark.errors import ModelError
from tvseg_bench.models.networks.dense import DenseMap, DenseViT

Maker = Callable[..., Any]
VARIANTS: dict[str, dict[str, Any]] = {
    "class token": {},
    "registers": {"reg_tokens": 4},
    "registers, no_embed_class": {"reg_tokens": 4, "no_embed_class": True},
    "no class token": {"class_token": False, "global_pool": "avg", "fc_norm": False},
    "layer scale": {"init_values": 0.1},
    "query and key norm": {"qk_norm": True},
    "pre-norm": {"pre_norm": True},
}
SIZES = [(32, 32), (32, 56), (64, 24)]


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_equals_timm(
    variant: str, size: tuple[int, int], make_vit: Maker, tiny_card: Maker, images: Maker
) -> None:
    net, batch = make_vit(**VARIANTS[variant]), images(*size)
    features = DenseViT(net, tiny_card()).extract(batch)
    expected = net.forward_features(batch)[:, net.num_prefix_tokens :]
    assert features.grid == (size[0] // 8, size[1] // 8)
    assert features.attention is None
    torch.testing.assert_close(features.tokens, expected, atol=1e-5, rtol=1e-5)


def test_dino_family_is_timm_on_the_native_grid_only(
    make_vit: Maker, tiny_card: Maker, images: Maker
) -> None:
    net = make_vit()
    dino, timm = (DenseViT(net, tiny_card(pos_interp=family)) for family in ("dino", "timm"))
    native, other = images(32, 32), images(48, 32)
    torch.testing.assert_close(dino.extract(native).tokens, timm.extract(native).tokens)
    assert (dino.extract(other).tokens - timm.extract(other).tokens).abs().max() > 1e-3


@pytest.mark.parametrize("variant", ["class token", "registers", "query and key norm"])
def test_attention_is_the_softmax_of_the_last_block(
    variant: str, make_vit: Maker, tiny_card: Maker, images: Maker
) -> None:
    net, batch = make_vit(**VARIANTS[variant]), images(32, 48)
    model = DenseViT(net, tiny_card())
    features = model.extract_attention(batch)
    seen: list[Tensor] = []
    attn = net.blocks[-1].attn
    attn.fused_attn = False
    attn.attn_drop.register_forward_hook(lambda module, args, output: seen.append(output))
    plain = model.extract(batch)
    assert features.attention is not None
    assert features.attention.shape == (2, 2, 24)
    expected = seen[0][:, :, 0, net.num_prefix_tokens :]
    torch.testing.assert_close(features.attention, expected, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(features.tokens, plain.tokens, atol=1e-5, rtol=1e-5)


def test_attention_needs_a_class_token(make_vit: Maker, tiny_card: Maker, images: Maker) -> None:
    net = make_vit(**VARIANTS["no class token"])
    assert DenseViT(net, tiny_card()).extract_attention(images()).attention is None


def test_attention_costs_nothing_unasked(
    make_vit: Maker, tiny_card: Maker, images: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*args: object) -> Tensor:
        raise AssertionError("computed")

    monkeypatch.setattr(DenseViT, "_class_attention", never)
    model = DenseViT(make_vit(), tiny_card())
    assert model.extract(images()).attention is None
    with pytest.raises(AssertionError, match="computed"):
        model.extract_attention(images())


def test_a_batch_is_its_images(make_vit: Maker, tiny_card: Maker, images: Maker) -> None:
    model, batch = DenseViT(make_vit(), tiny_card()), images(32, 48, batch=3)
    singles = torch.cat([model.extract(image[None]).tokens for image in batch])
    torch.testing.assert_close(model.extract(batch).tokens, singles, atol=1e-5, rtol=1e-5)


def test_refuses_odd_sizes(make_vit: Maker, tiny_card: Maker, images: Maker) -> None:
    model = DenseViT(make_vit(), tiny_card())
    with pytest.raises(ModelError, match=r"given images of 32 x 33; expected multiples of its p"):
        model.extract(images(32, 33))


class Fixed(nn.Module):
    """Gives what it was made with, whatever it is shown."""

    def __init__(self, output: object, **attributes: object) -> None:
        super().__init__()
        self.output = output
        for name, value in attributes.items():
            setattr(self, name, value)

    def forward_features(self, images: Tensor) -> object:
        return self.output


def test_maps_are_read_row_by_row(tiny_card: Maker, images: Maker) -> None:
    channels_last = torch.arange(2 * 4 * 6 * 5.0).reshape(2, 4, 6, 5)
    for net in (
        Fixed(channels_last, output_fmt="NHWC"),
        Fixed(channels_last.permute(0, 3, 1, 2)),
    ):
        features = DenseMap(net, tiny_card(embed_dim=5)).extract(images())
        assert features.grid == (4, 6)
        assert torch.equal(features.tokens[1, 1 * 6 + 2], channels_last[1, 1, 2])


def test_prefix_tokens_are_dropped(tiny_card: Maker, images: Maker) -> None:
    tokens = torch.arange(2 * 18 * 5.0).reshape(2, 18, 5)
    model = DenseMap(Fixed(tokens), tiny_card(num_prefix_tokens=2))
    features = model.extract(images(32, 32))
    assert features.grid == (4, 4)
    assert torch.equal(features.tokens, tokens[:, 2:])


@pytest.mark.parametrize(
    ("output", "sentence"),
    [
        (torch.zeros(2, 7), r"has no dense features: forward_features gives torch\.Size\(\[2, 7"),
        ([1], r"has no dense features: forward_features gives list"),
        (torch.zeros(2, 9, 5), r"gives 9 tokens for images of 32 x 32, expected 4 x 4"),
    ],
)
def test_refuses_what_is_not_dense(
    output: object, sentence: str, tiny_card: Maker, images: Maker
) -> None:
    with pytest.raises(ModelError, match=sentence):
        DenseMap(Fixed(output), tiny_card()).extract(images(32, 32))
