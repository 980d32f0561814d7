"""Tiny networks with the real parameter names, and what every family has to do with them."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor

import tvseg_bench.protocols  # noqa: F401  (registers them)
from tvseg_bench.benchmark.errors import ModelError
from tvseg_bench.benchmark.evaluation import RunContext
from tvseg_bench.benchmark.features.extract import ExtractOptions, feature_set
from tvseg_bench.benchmark.plugins.load import load_model
from tvseg_bench.benchmark.registry import models, protocols
from tvseg_bench.benchmark.types import Clip, Dataset, DatasetCard, ModelCard
from tvseg_bench.models.loading.families import Backbone
from tvseg_bench.models.networks.dense import create_net

State = dict[str, Tensor]
Write = Callable[[State], Any]
"""From a state with timm's names to what the official file holds."""

SIZES: dict[str, Any] = {
    "img_size": 32,
    "patch_size": 8,
    "embed_dim": 24,
    "depth": 3,
    "num_heads": 2,
    "num_classes": 0,
    "dynamic_img_size": True,
}


@pytest.fixture
def make_vit() -> Callable[..., VisionTransformer]:
    """Return a maker of tiny ViTs whose parameters are all different from zero."""

    def make(seed: int = 0, **options: Any) -> VisionTransformer:
        net = VisionTransformer(**{**SIZES, **options}).eval().requires_grad_(False)
        draw = torch.Generator().manual_seed(seed)
        for parameter in net.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=draw) * 0.3)
        return net

    return make


@pytest.fixture
def tiny_card() -> Callable[..., ModelCard]:
    def card(**fields: Any) -> ModelCard:
        known = {"name": "test/tiny", "patch_size": 8, "embed_dim": 24, "pos_interp": "timm"}
        return ModelCard(**{**known, **fields})

    return card


@pytest.fixture
def images() -> Callable[..., Tensor]:
    def make(height: int = 32, width: int = 32, batch: int = 2) -> Tensor:
        draw = torch.Generator().manual_seed(height + width)
        return torch.randn(batch, 3, height, width, generator=draw)

    return make


# ---------------------------------------------------------------------------- families


def tiny(backbone: Backbone) -> Backbone:
    """Return the same model with few, narrow blocks; everything else is as it was."""
    patch = backbone.card.patch_size
    if backbone.arch.startswith("resnet"):
        small: dict[str, Any] = {"layers": (1, 1, 1, 1), "channels": (4, 4, 4, 6), "stem_width": 4}
        dim = 24
    elif backbone.arch.startswith("convnext"):
        small, dim = {"depths": (1, 1, 2, 1), "dims": (4, 8, 12, 24)}, 24
    elif backbone.arch == "video_vit":
        small, dim = {"dim": 32, "depth": 2, "heads": 2, "hidden": 48}, 32
    else:
        small, dim = {"embed_dim": 32, "depth": 3, "num_heads": 2, "img_size": 4 * patch}, 32
        small |= {"mlp_ratio": 4.0} if "mlp_ratio" in backbone.options else {}
    options = {**backbone.options, **small}
    return replace(backbone, options=options, card=replace(backbone.card, embed_dim=dim))


def fill(net: torch.nn.Module, seed: int) -> State:
    """Give a network values of which no two are equal, and return its state."""
    draw = torch.Generator().manual_seed(seed)
    state = net.state_dict()
    for name, tensor in state.items():
        if tensor.is_floating_point():
            state[name] = torch.rand(tensor.shape, generator=draw) * 0.5 + 0.01
    net.load_state_dict(state)
    return {name: tensor.clone() for name, tensor in state.items()}


def created(backbone: Backbone) -> Any:
    return create_net(backbone.arch, backbone.options)


class Family:
    """The contract of a family's models, checked with tiny networks."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def state(self, backbone: Backbone, seed: int = 1) -> State:
        """Return a random state of the tiny network, with timm's names."""
        return fill(created(tiny(backbone)), seed)

    def save(self, content: Any) -> Path:
        path = self.folder / "official.pth"
        torch.save(content, path)
        return path

    def load(self, backbone: Backbone, content: Any, small: Backbone | None = None) -> Any:
        """Load a file that holds this as a registered model; return the model itself."""
        small = small or tiny(backbone)
        entry = models[backbone.card.name]
        assert isinstance(entry.build, partial)
        tiny_entry = replace(entry, card=small.card, build=partial(entry.build.func, small))
        with models.overridden({backbone.card.name: tiny_entry}):
            loaded = load_model(backbone.card.name, weights=self.save(content))
        assert loaded.card.revision.startswith("sha256:")
        assert loaded.card.name == backbone.card.name
        return loaded.model

    def reads(self, backbone: Backbone, write: Write) -> None:
        """Every tensor arrives, and features have the promised shape."""
        state = self.state(backbone)
        model = self.load(backbone, write(state))
        found = model.net.state_dict()
        assert found.keys() == state.keys()
        for name, tensor in state.items():
            if not name.endswith("num_batches_tracked"):
                torch.testing.assert_close(found[name], tensor, msg=name)
        self.extracts(model)

    def extracts(self, model: Any) -> None:
        """A frame that is not square gives the grid of the card's patches."""
        patch = model.card.patch_size
        frame = torch.rand(2, 3, 2 * patch, 3 * patch, generator=torch.Generator().manual_seed(0))
        with torch.inference_mode():
            features = model.extract(frame)
        assert features.grid == (2, 3)
        assert features.tokens.shape == (2, 6, model.card.embed_dim)
        assert features.tokens.isfinite().all()

    def clusters(self, model: Any) -> None:
        """`kmeans-clip` gives a score from the model's features."""
        entry = protocols["kmeans-clip"]
        size = 3 * model.card.patch_size
        config = entry.presets["standard"].model_copy(update={"size": size, "n_init": 2})
        evaluation: Any = entry.build(config)
        data = two_clips()
        features = feature_set(
            model, data, evaluation.view(data), ExtractOptions(device="cpu", workers=1)
        )
        score = evaluation.evaluate(features, RunContext())
        value = score.metrics["miou"]
        assert value is not None
        assert 0 < value <= 1

    def attends(self, model: Any) -> None:
        """The attention is the class token's row of the map that timm's own block computes."""
        patch, seen = model.card.patch_size, []
        frame = torch.rand(2, 3, 2 * patch, 3 * patch, generator=torch.Generator().manual_seed(0))
        attn = model.net.blocks[-1].attn
        attn.fused_attn = False
        hook = attn.attn_drop.register_forward_pre_hook(lambda _m, args: seen.append(args[0]))
        with torch.inference_mode():
            plain = model.extract(frame)
            hook.remove()
            found = model.extract_attention(frame)
        expected = seen[0][:, :, 0, model.card.num_prefix_tokens :]
        assert expected.shape == (2, attn.num_heads, 6)
        torch.testing.assert_close(found.attention, expected, atol=1e-6, rtol=1e-5)
        torch.testing.assert_close(found.tokens, plain.tokens)

    def agrees_with_timm(self, backbone: Backbone, sizes: Sequence[tuple[int, int]]) -> None:
        """The same weights give timm's own features, to 1e-5."""
        state = self.state(backbone)
        net: Any = created(tiny(backbone))
        net.load_state_dict(state)
        model = self.load(backbone, state)
        patch = model.card.patch_size
        for rows, cols in sizes:
            frame = torch.rand(1, 3, rows * patch, cols * patch)
            with torch.inference_mode():
                expected = net.eval().forward_features(frame)
                found = model.extract(frame).tokens
            if expected.ndim == 4:
                expected = expected.flatten(2).transpose(1, 2)
            expected = expected[:, model.card.num_prefix_tokens :]
            torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)

    def refuses(self, backbone: Backbone, write: Write, name: str = "norm.bias") -> None:
        """A file that is not exactly the backbone's is refused with what is wrong about it."""
        state = self.state(backbone)
        for spoil, sentence in faults(state, name):
            with pytest.raises(ModelError, match=sentence) as caught:
                self.load(backbone, spoil(write))
            assert "\n" not in str(caught.value)


Fault = tuple[Callable[[Write], Any], str]


def faults(state: State, name: str) -> list[Fault]:
    """Return what may be wrong with a file and the sentence that says so."""
    turned = next(n for n, t in state.items() if t.ndim in (2, 4) and t.shape[0] != t.shape[1])
    extra = f"{turned.rpartition('.')[0]}.extra"
    wrong = {**state, turned: state[turned].transpose(0, 1).contiguous()}
    return [
        (
            lambda write: write(cut(state)),
            r"have lost their first part, as in '|\b[1-9]\d* missing .*\b[1-9]\d* unexpected \(",
        ),
        (lambda write: write({k: v for k, v in state.items() if k != name}), r"\b1 missing \("),
        (lambda write: write({**state, extra: torch.ones(2)}), r"\b1 unexpected \(.*extra"),
        (lambda write: write(wrong), r"\b1 of another shape \("),
    ]


def cut(state: State) -> State:
    """Take one component too many off every name, as a prefix that is off by one does."""
    return {name.partition(".")[2] or name: tensor for name, tensor in state.items()}


def two_clips() -> Dataset:
    """Return two clips of three frames of 48 x 64: a square that moves over noise."""
    draw = np.random.default_rng(0)

    def clip(number: int) -> Clip:
        frames = draw.integers(0, 80, (3, 48, 64, 3), dtype=np.uint8)
        labels = np.zeros((3, 48, 64), dtype=np.uint8)
        for t in range(3):
            frames[t, 8:32, 8 * t : 8 * t + 24] = 200
            labels[t, 8:32, 8 * t : 8 * t + 24] = 1
        return Clip(
            name=f"clip{number}",
            n_frames=3,
            image=lambda t: frames[t],
            instance=lambda t: labels[t],
        )

    card = DatasetCard(
        name="two",
        version=1,
        title="two clips",
        splits=("all",),
        clip_labels="instance",
        dataset_labels=None,
    )
    return Dataset(card=card, split="all", clips=[clip(0), clip(1)], manifest_sha256="0" * 64)


@pytest.fixture
def family(tmp_path: Path) -> Family:
    return Family(tmp_path)


@lru_cache(maxsize=64)
def outline(arch: str, options: tuple[tuple[str, Any], ...], own: bool) -> dict[str, Any]:
    """Return shapes and numbers of an architecture in full size, without any values."""
    with torch.device("meta"):
        net: Any = (
            create_net(arch, dict(options)) if own else timm.create_model(arch, num_classes=0)
        )
    return {
        "shapes": {name: tuple(tensor.shape) for name, tensor in net.state_dict().items()},
        "params_m": round(sum(p.numel() for p in net.parameters()) / 1e6, 1),
        "embed_dim": net.num_features,
        "num_prefix_tokens": getattr(net, "num_prefix_tokens", 0),
    }


@pytest.fixture
def full_size() -> Callable[[Backbone, str | None], dict[str, Any]]:
    """Return a check of a card and its architecture in full size, against timm's if named."""

    def check(backbone: Backbone, same_as: str | None) -> dict[str, Any]:
        ours = outline(backbone.arch, tuple(backbone.options.items()), own=True)
        for field in ("params_m", "embed_dim", "num_prefix_tokens"):
            assert getattr(backbone.card, field) == ours[field], field
        if same_as is not None:
            assert ours["shapes"] == outline(same_as, (), own=False)["shapes"]
        return ours

    return check
