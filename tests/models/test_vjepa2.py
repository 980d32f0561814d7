"""V-JEPA 2: a clip model; tubelets, windows, and rotary positions by another reckoning."""

import cmath
from typing import Any

import pytest
import torch

from tvseg_bench.benchmark.types import ClipFeatureModel
from tvseg_bench.models.loading.families import Backbone
from tvseg_bench.models.networks.video_vit import (
    VideoFeatures,
    VideoViT,
    rotated,
    rotation,
    windows,
)
from tvseg_bench.models.vjepa2 import BACKBONES

SMALL: dict[str, Any] = {"dim": 32, "depth": 2, "heads": 2, "hidden": 48}


def draw(seed: int = 1) -> dict[str, Any]:
    torch.manual_seed(seed)
    return {name: torch.rand_like(t) * 0.5 for name, t in VideoViT(**SMALL).state_dict().items()}


def official(state: dict[str, Any]) -> Any:
    """Hold three networks and the positions that rotary ones replaced."""
    table = {"pos_embed": torch.zeros(1, 8, 32)}
    named = {f"module.backbone.{n}": value for n, value in {**state, **table}.items()}
    shifted = {name: value + 1 for name, value in named.items()}
    predictor = {"module.backbone.predictor_embed.weight": torch.ones(2, 2)}
    return {"encoder": named, "target_encoder": shifted, "predictor": predictor, "epoch": 10}


@pytest.fixture
def model(family: Any) -> Any:
    return family.load(BACKBONES[0], official(draw()))


@pytest.mark.parametrize("backbone", BACKBONES, ids=lambda b: b.card.name)
def test_full_size(backbone: Backbone) -> None:
    with torch.device("meta"):
        net = VideoViT(**backbone.options)
    parameters = sum(p.numel() for p in net.parameters())
    assert round(parameters / 1e6, 1) == backbone.card.params_m
    assert backbone.options["dim"] == backbone.card.embed_dim
    names = {name.replace("blocks.0.", "") for name in net.state_dict() if "blocks.0." in name}
    parts = ("norm1", "attn.qkv", "attn.proj", "norm2", "mlp.fc1", "mlp.fc2")
    assert names == {f"{part}.{kind}" for part in parts for kind in ("weight", "bias")}
    assert net.patch_embed.proj.weight.shape[1:] == (3, 2, 16, 16)


def test_takes_the_encoder(model: Any, family: Any) -> None:
    assert isinstance(model, ClipFeatureModel)
    found = model.net.state_dict()
    for name, tensor in draw().items():
        assert torch.equal(found[name], tensor)
    family.extracts(model)


def test_refuses(family: Any) -> None:
    state = draw()
    turned = {**state, "blocks.0.mlp.fc1.weight": state["blocks.0.mlp.fc1.weight"].T.contiguous()}
    lacking = {name: value for name, value in state.items() if name != "norm.bias"}
    cut = {name.partition(".")[2]: value for name, value in state.items()}
    for content, sentence in (
        (official(turned), r"\b1 of another shape \(blocks\.0\.mlp\.fc1\.weight.* is transposed"),
        (official(lacking), r"\b1 missing \(norm\.bias \[32\]\)"),
        (
            official({**state, "blocks.0.ls1.gamma": torch.ones(32)}),
            r"1 unexpected \(blocks\.0\.l",
        ),
        (official(cut), r"have lost their first part, as in 'proj\.weight' for 'patch_emb"),
    ):
        with pytest.raises(Exception, match=sentence):
            family.load(BACKBONES[0], content)


def test_clusters(model: Any, family: Any) -> None:
    family.clusters(model)


def test_rotation_is_a_product_of_complex_numbers() -> None:
    """Where both channels of a pair have one frequency, a turn is a complex factor."""
    vectors = torch.randn(5, 2)
    angle = 0.7
    cos, sin = torch.full((5, 2), angle).cos(), torch.full((5, 2), angle).sin()
    expected = torch.view_as_complex(vectors) * cmath.exp(1j * angle)
    torch.testing.assert_close(torch.view_as_complex(rotated(vectors, cos, sin)), expected)


def test_each_axis_has_its_third() -> None:
    cos, sin = (table.reshape(2, 3, 4, 32) for table in rotation(2, 3, 4, 32))
    angles = torch.atan2(sin, cos)
    expected = [10_000 ** (-(c % 5) / 5) for c in range(10)]
    torch.testing.assert_close(angles[1, 0, 0, :10], torch.tensor(expected))
    torch.testing.assert_close(angles[0, 2, 0, 10:20], 2 * torch.tensor(expected))
    torch.testing.assert_close(angles[0, 0, 3, 20:30], 3 * torch.tensor(expected))
    assert not angles[1, 2, 3, 30:].any()
    assert not angles[0, 2, 3, :10].any()


def naive(net: VideoViT, clips: torch.Tensor) -> torch.Tensor:
    """Compute the network a second time, token by token and head by head."""
    cells = torch.nn.functional.conv3d(
        clips, net.patch_embed.proj.weight, net.patch_embed.proj.bias, stride=(2, 16, 16)
    )[0]
    dim, times, rows, cols = cells.shape
    places = [(t, y, x) for t in range(times) for y in range(rows) for x in range(cols)]
    tokens = torch.stack([cells[:, t, y, x] for t, y, x in places])
    size = dim // net.heads
    third = size // 3 // 2 * 2

    def turn(vector: torch.Tensor, place: tuple[int, int, int]) -> torch.Tensor:
        found = vector.clone()
        for axis, position in enumerate(place):
            for pair in range(third // 2):
                at = axis * third + 2 * pair
                a, b = vector[at], vector[at + 1]
                angles = [
                    torch.tensor(
                        position * 10_000.0 ** (-((2 * pair + i) % (third // 2)) * 2 / third)
                    )
                    for i in (0, 1)
                ]
                found[at] = a * angles[0].cos() - b * angles[0].sin()
                found[at + 1] = b * angles[1].cos() + a * angles[1].sin()
        return found

    for block in net.blocks:
        query, key, value = (
            block.attn.qkv(block.norm1(tokens)).reshape(-1, 3, net.heads, size).unbind(1)
        )
        heads = []
        for h in range(net.heads):
            q = torch.stack([turn(v, p) for v, p in zip(query[:, h], places, strict=True)])
            k = torch.stack([turn(v, p) for v, p in zip(key[:, h], places, strict=True)])
            heads.append((q @ k.T / size**0.5).softmax(-1) @ value[:, h])
        tokens = tokens + block.attn.proj(torch.cat(heads, dim=1))
        tokens = tokens + block.mlp.fc2(
            torch.nn.functional.gelu(block.mlp.fc1(block.norm2(tokens)))
        )
    return net.norm(tokens)


def test_the_network_agrees_with_a_naive_one(model: Any) -> None:
    clip = torch.rand(1, 3, 4, 32, 48)
    with torch.no_grad():
        torch.testing.assert_close(
            model.net(clip)[0], naive(model.net, clip), atol=1e-5, rtol=1e-4
        )


def test_both_frames_of_a_tubelet_share_features(model: Any) -> None:
    clips = torch.rand(2, 5, 3, 32, 48)
    with torch.inference_mode():
        tokens = model.extract_clip(clips).tokens.unflatten(0, (2, 5))
        even = model.extract_clip(torch.cat([clips, clips[:, -1:]], dim=1)).tokens
    assert torch.equal(tokens[:, 0], tokens[:, 1])
    assert not torch.equal(tokens[:, 1], tokens[:, 2])
    assert torch.equal(tokens, even.unflatten(0, (2, 6))[:, :5])


def test_an_image_is_two_equal_frames(model: Any) -> None:
    image = torch.rand(1, 3, 32, 48)
    with torch.inference_mode():
        twice = model.extract_clip(image[:, None].expand(-1, 2, -1, -1, -1)).tokens
        assert torch.equal(model.extract(image).tokens, twice[:1])


def test_long_clips_go_in_windows(model: Any) -> None:
    short = VideoFeatures(model.net, model.card, window=4)
    clip = torch.rand(1, 10, 3, 32, 32)
    with torch.inference_mode():
        tokens = short.extract_clip(clip).tokens
        last = short.extract_clip(clip[:, 6:]).tokens
        second = short.extract_clip(clip[:, 4:8]).tokens
    torch.testing.assert_close(tokens[8:], last[2:])
    torch.testing.assert_close(tokens[4:8], second)


@pytest.mark.parametrize("frames", range(1, 20))
def test_windows_cover_each_frame_once(frames: int) -> None:
    covered = [t for start, stop, keep in windows(frames, 6) for t in range(start + keep, stop)]
    assert covered == list(range(frames))
