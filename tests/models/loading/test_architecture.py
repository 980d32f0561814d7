"""What a file holds, in words, from its shapes; which model of the family it is."""

from pathlib import Path
from typing import Any

import pytest
import timm
import torch

from tvseg_bench.benchmark.registry import models
from tvseg_bench.benchmark.types import ModelCard
from tvseg_bench.models.loading.architecture import architecture, refusal

NAMES = {
    "vit_small_patch16_224": "ViT-S/16 (dim 384, depth 12)",
    "vit_tiny_patch16_224": "ViT-Ti/16 (dim 192, depth 12)",
    "vit_large_patch14_dinov2": "ViT-L/14 (dim 1024, depth 24)",
    "vit_base_patch14_reg4_dinov2": "ViT-B/14 (dim 768, depth 12, 4 registers)",
    "vit_giant_patch14_dinov2": "ViT-g/14 (dim 1536, depth 40, SwiGLU)",
    "vit_small_plus_patch16_dinov3": "ViT-S/16 (dim 384, depth 12, 4 registers, SwiGLU)",
    "convnext_tiny": "ConvNeXt (dim 768, depth 18)",
    "resnet50": "ResNet-50 (dim 2048, depth 16)",
    "resnet18": "ResNet-18 (dim 512, depth 8)",
}


def shapes(name: str) -> dict[str, Any]:
    with torch.device("meta"):
        net = timm.create_model(name, pretrained=False, num_classes=0)
    return {key: tuple(tensor.shape) for key, tensor in net.state_dict().items()}


@pytest.mark.parametrize("name", NAMES)
def test_names(name: str) -> None:
    assert str(architecture(shapes(name))) == NAMES[name]


def test_official_names_say_the_same() -> None:
    """A file of another family is named too, whatever its names."""
    found = shapes("vit_small_plus_patch16_dinov3")
    hub = {
        name.replace("reg_token", "storage_tokens").replace("fc1_g", "w1"): shape
        for name, shape in found.items()
    }
    assert architecture(hub) == architecture(found)


def test_other_things_have_no_name() -> None:
    assert architecture({"a.weight": (3, 4)}) is None
    assert architecture({"patch_embed.proj.weight": (3, 4)}) is None


def card(name: str) -> ModelCard:
    entry = models.loaded(name)
    assert entry is not None
    assert entry.card is not None
    return entry.card


@pytest.mark.parametrize(
    ("wanted", "held", "hint"),
    [
        ("dino/vits16", "vit_base_patch8_224", "; try --model dino/vitb8: "),
        ("dino/vits16", "resnet50", "; try --model dino/resnet50: "),
        ("dinov2/vits14", "vit_small_patch14_reg4_dinov2", "; try --model dinov2/vits14-reg: "),
        ("dinov2/vits14-reg", "vit_base_patch14_dinov2", "; try --model dinov2/vitb14: "),
        (
            "dinov3/vits16",
            "convnext_tiny",
            "; try --model dinov3/convnext-small or dinov3/convnext-tiny: ",
        ),
        ("timet/vits16", "vit_base_patch8_224", "): "),
    ],
)
def test_the_model_to_try(wanted: str, held: str, hint: str) -> None:
    ours = shapes("vit_small_patch16_224" if "16" in wanted else "vit_small_patch14_dinov2")
    ours |= {"reg_token": (1, 4, 384)} if "reg" in wanted else {}
    sentence = refusal(Path("f.pth"), "0 of 9 match", shapes(held), ours, "", card(wanted))
    assert sentence.startswith(f"f.pth holds a {architecture(shapes(held))}, not a ")
    assert hint in sentence


def test_another_resolution_is_explained() -> None:
    ours = shapes("vit_small_patch14_dinov2")
    theirs = {**ours, "pos_embed": (1, 257, 384)}
    sentence = refusal(Path("f.pth"), "1 of another shape", theirs, ours, "", None)
    assert "has 257 entries, expected 1370: it was trained at another resolution" in sentence
