"""STEGO: Lightning checkpoints, codes of 70, 90 and 100 dimensions, and its two probes."""

import sys
from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest
import torch
from torch.nn.functional import interpolate

from tvseg_bench.benchmark.errors import ModelError
from tvseg_bench.benchmark.types import FeatureModel, Segmenter
from tvseg_bench.models.loading.families import Backbone
from tvseg_bench.models.stego import BACKBONES

DIM, CLASSES, EXTRA = 32, 5, 2


class Node:
    """Pickles like OmegaConf's nodes: by a state of its own, below a class of that package."""

    def __init__(self, **state: Any) -> None:
        self.state = state

    def __getstate__(self) -> dict[str, Any]:
        return self.state


@pytest.fixture
def config(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a maker of what looks like OmegaConf's configuration in a file."""
    package, nodes = ModuleType("omegaconf.dictconfig"), ModuleType("omegaconf.nodes")
    value = type("AnyNode", (Node,), {"__module__": nodes.__name__})
    mapping = type("DictConfig", (Node,), {"__module__": package.__name__})
    vars(nodes)["AnyNode"], vars(package)["DictConfig"] = value, mapping
    monkeypatch.setitem(sys.modules, "omegaconf", ModuleType("omegaconf"))
    monkeypatch.setitem(sys.modules, package.__name__, package)
    monkeypatch.setitem(sys.modules, nodes.__name__, nodes)

    def make(**values: Any) -> Any:
        found = mapping(_metadata={"object_type": dict}, _parent=None, _content={})
        for key, item in values.items():
            found.state["_content"][key] = value(_metadata=None, _parent=found, _val=item)
        return found

    return make


def parts(seed: int = 4, dim: int = DIM, width: int = 32) -> dict[str, Any]:
    draw = torch.Generator().manual_seed(seed)
    shapes = {
        "net.cluster1.0.weight": (dim, width, 1, 1),
        "net.cluster1.0.bias": (dim,),
        "net.cluster2.0.weight": (width, width, 1, 1),
        "net.cluster2.0.bias": (width,),
        "net.cluster2.2.weight": (dim, width, 1, 1),
        "net.cluster2.2.bias": (dim,),
        "cluster_probe.clusters": (CLASSES + EXTRA, dim),
        "linear_probe.weight": (CLASSES, dim, 1, 1),
        "linear_probe.bias": (CLASSES,),
    }
    return {name: torch.randn(shape, generator=draw) for name, shape in shapes.items()}


def official(state: dict[str, Any], *, hyper: Any = None, **change: Any) -> Any:
    beside = {
        "train_cluster_probe.clusters": torch.ones(9, DIM),
        "decoder.weight": torch.ones(32, DIM, 1, 1),
        "decoder.bias": torch.ones(32),
    }
    named = {f"net.model.{name}": value for name, value in state.items()}
    content = {"epoch": 1, "state_dict": {**named, **parts(**change), **beside}}
    return {**content, "hyper_parameters": hyper} if hyper else content


@pytest.fixture
def model(family: Any) -> Any:
    return family.load(BACKBONES[0], official(family.state(BACKBONES[0])))


@pytest.mark.parametrize("backbone", BACKBONES, ids=lambda b: b.card.name)
def test_full_size(backbone: Backbone, full_size: Any) -> None:
    """The card counts the head and the probes as well; the backbone is timm's."""
    card, dino = backbone.card, {384: 21.7, 768: 85.8}
    width = 384 if "vits" in card.name else 768
    plain = replace(card, embed_dim=width, params_m=dino[width])
    full_size(replace(backbone, card=plain), backbone.arch)
    head = 2 * width * card.embed_dim + width * width
    assert card.params_m == pytest.approx(dino[width] + head / 1e6, abs=0.1)


def test_reads(model: Any, family: Any) -> None:
    found, state = model.stego.state_dict(), family.state(BACKBONES[0])
    expected = official(state)["state_dict"]
    for name, tensor in found.items():
        assert torch.equal(tensor, expected[name])
    assert len(found) == len(state) + len(parts())
    assert isinstance(model, FeatureModel)
    assert isinstance(model, Segmenter)
    family.extracts(model)


def test_reads_a_configuration_without_executing(family: Any, config: Any) -> None:
    state = family.state(BACKBONES[0])
    hyper = {"n_classes": CLASSES, "cfg": config(dino_feat_type="feat", dim=DIM)}
    assert family.load(BACKBONES[0], official(state, hyper=hyper)).card.embed_dim == DIM


def test_another_kind_of_feature_is_refused(family: Any, config: Any) -> None:
    hyper = {"n_classes": CLASSES, "cfg": config(dino_feat_type="VV")}
    with pytest.raises(ModelError, match=r"dino_feat_type='VV', expected 'feat' \(.*or 'KK'"):
        family.load(BACKBONES[0], official(family.state(BACKBONES[0]), hyper=hyper))


def test_a_code_of_keys(family: Any, config: Any) -> None:
    """The heads' keys side by side, the class token's left out, are what the head sees."""
    hyper = {"n_classes": CLASSES, "cfg": config(dino_feat_type="KK")}
    model = family.load(BACKBONES[0], official(family.state(BACKBONES[0]), hyper=hyper))
    images, seen = torch.rand(2, 3, 16, 24), []
    block = model.stego.net.model.blocks[-1].attn
    hook = block.k_norm.register_forward_hook(lambda _m, _i, out: seen.append(out))
    with torch.inference_mode():
        model.dense.extract(images)
        hook.remove()
        keys = seen[0][:, :, 1:].transpose(1, 2).flatten(2)  # [B, heads, N, d] -> [B, N, D]
        expected = model.stego.net.code(keys.transpose(1, 2).reshape(2, -1, 2, 3))
        found = model.extract(images)
    torch.testing.assert_close(found.tokens, expected.flatten(2).transpose(1, 2))
    assert found.grid == (2, 3)


def test_a_code_of_keys_is_for_six_heads(family: Any, config: Any) -> None:
    hyper = {"n_classes": CLASSES, "cfg": config(dino_feat_type="KK")}
    content = official(family.state(BACKBONES[2]), hyper=hyper)
    with pytest.raises(ModelError, match=r"'KK', which STEGO defines for six heads only"):
        family.load(BACKBONES[2], content)


def test_refuses(family: Any) -> None:
    family.refuses(BACKBONES[0], official)


@pytest.mark.parametrize(
    "name", ["net.cluster1.0.weight", "cluster_probe.clusters", "linear_probe.weight"]
)
def test_without_a_part_it_is_not_stego(name: str, family: Any) -> None:
    content = official(family.state(BACKBONES[0]))
    del content["state_dict"][name]
    with pytest.raises(ModelError, match=rf"holds no {name}; expected a checkpoint of STEGO"):
        family.load(BACKBONES[0], content)


def test_another_dimension_is_named(family: Any) -> None:
    content = official(family.state(BACKBONES[0]), dim=90)
    sentence = r"a code of 90 dimensions, not the 32 of stego/vits8; try --model stego/vitb8-coco"
    with pytest.raises(ModelError, match=sentence):
        family.load(BACKBONES[0], content)


def code(model: Any, images: torch.Tensor) -> torch.Tensor:
    features = model.dense.extract(images)
    values, p = features.tokens, parts()
    first = values @ p["net.cluster1.0.weight"][..., 0, 0].T + p["net.cluster1.0.bias"]
    inner = (values @ p["net.cluster2.0.weight"][..., 0, 0].T + p["net.cluster2.0.bias"]).relu()
    second = inner @ p["net.cluster2.2.weight"][..., 0, 0].T + p["net.cluster2.2.bias"]
    return first + second


def test_the_code_is_the_sum_of_both_branches(model: Any) -> None:
    images = torch.rand(2, 3, 16, 24)
    with torch.inference_mode():
        torch.testing.assert_close(model.extract(images).tokens, code(model, images))


def test_a_head_of_one_branch(family: Any) -> None:
    content = official(family.state(BACKBONES[0]))
    for name in [n for n in content["state_dict"] if "cluster2" in n]:
        del content["state_dict"][name]
    model = family.load(BACKBONES[0], content)
    p, images = parts(), torch.rand(1, 3, 16, 24)
    with torch.inference_mode():
        values = model.dense.extract(images).tokens
        expected = values @ p["net.cluster1.0.weight"][..., 0, 0].T + p["net.cluster1.0.bias"]
        torch.testing.assert_close(model.extract(images).tokens, expected)


def test_segments_by_the_cluster_probe(model: Any) -> None:
    images, p = torch.rand(2, 3, 16, 24), parts()
    with torch.inference_mode():
        maps = [
            code(model, shown).transpose(1, 2).reshape(2, DIM, 2, 3)
            for shown in (images, images.flip(3))
        ]
        large = interpolate((maps[0] + maps[1].flip(3)) / 2, (16, 24), mode="bilinear")
        pixels = large.permute(0, 2, 3, 1)
        cosines = torch.cosine_similarity(
            pixels[..., None, :], p["cluster_probe.clusters"], dim=-1
        )
        assert torch.equal(model.segment(images), cosines.argmax(dim=-1))
        assert torch.equal(model.segment(images.flip(3)), model.segment(images).flip(2))


def test_clusters(model: Any, family: Any) -> None:
    family.clusters(model)
