"""Small ViTs whose weights come with the package: what time-tuning does, to be tried at once.

`selfdistil/tiny` was pre-trained on images of moving-shapes without labels, from nothing;
`timet/tiny` is the same network after TimeT on clips of moving-shapes; `baseline/random-tiny` is
what both began with. `make flagship` trains them again; docs/notes/timet.md shows what came out.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

from tvseg_bench.benchmark.registry import ModelEntry, Registry
from tvseg_bench.benchmark.types import FeatureModel, ModelCard
from tvseg_bench.models.loading.families import TOKENS

FILES = Path(__file__).with_name("flagship")
"""Weights, recipes and metrics of the runs that made them."""

SUMS = FILES / "SHA256SUMS"
"""What the files hash to, as `sha256sum` writes it."""

_ARCH, _OPTIONS = "vit_tiny_patch16_224", {"embed_dim": 128, "depth": 6, "num_heads": 4}
_SEEN = (
    "Trained without labels on clips of moving-shapes of other seeds than any split has, which "
    "show none of the held-out categories, textures and backgrounds: its scores on moving-shapes "
    "are of new clips from a known world, those on other data of a strange one."
)


def _sums() -> dict[str, str]:
    """Return file name -> sha256."""
    lines = SUMS.read_text(encoding="utf-8").splitlines()
    return {name: digest for digest, name in (line.split() for line in lines)}


def _file(name: str) -> str:
    return f"{name.replace('/', '-')}.safetensors"


def _trained(name: str, notes: str, paper: str) -> ModelCard:
    digest = _sums()[_file(name)]
    return replace(
        _card(name, f"sha256:{digest}", f"{_SEEN} {notes}"),
        paper=paper,
        pretraining_data=("moving-shapes",),
        trained_on_eval_data=("moving-shapes",),
        weights_sha256=digest,
    )


def _card(name: str, revision: str, notes: str) -> ModelCard:
    return ModelCard(
        name=name,
        revision=revision,
        patch_size=16,
        embed_dim=_OPTIONS["embed_dim"],
        params_m=1.3,
        interpolation="bicubic",
        num_prefix_tokens=1,
        pos_interp="dino",
        licence="Apache-2.0",
        notes=f"{TOKENS} A ViT of 6 blocks, 128 channels and 4 heads. {notes}",
    )


RANDOM = _card(
    "baseline/random-tiny",
    "seed:0/init:1",
    "Untrained: weights are drawn from raw PCG64 integers, seeded by the name of each tensor, and "
    "so are the same on every machine. What selfdistil/tiny and timet/tiny began with.",
)
IMAGES = _trained(
    "selfdistil/tiny",
    "Pre-trained on single frames: a small DINO with losses of patches. The starting "
    "point of timet/tiny.",
    "https://arxiv.org/abs/2104.14294",
)
CLIPS = _trained(
    "timet/tiny",
    "selfdistil/tiny, tuned by TimeT.",
    "https://arxiv.org/abs/2308.11796",
)


def file_of(card: ModelCard) -> Path:
    """Return where a model's weights lie in the package."""
    return FILES / _file(card.name)


def build_random() -> FeatureModel:
    """Build the untrained network."""
    from tvseg_bench.models.baselines import seed_weights
    from tvseg_bench.models.networks.dense import create_net, dense_model

    net = create_net(_ARCH, _OPTIONS)
    seed_weights(net, seed=0)
    return dense_model(net, RANDOM)


def build(card: ModelCard, weights: Path | None = None) -> FeatureModel:
    """Build a model from the package's own file, or from one of the same architecture.

    Raises:
        ModelError: if the file is not there, or does not hold this backbone completely.
    """
    from tvseg_bench.models.loading.weights import load_weights
    from tvseg_bench.models.networks.dense import create_net, dense_model

    net = create_net(_ARCH, _OPTIONS)
    report = load_weights(net, weights or file_of(card), card=card)
    return dense_model(net, replace(card, revision=report.revision))


def register(models: Registry[ModelEntry]) -> None:
    """Add all three to a registry."""
    models.register(RANDOM.name, ModelEntry(card=RANDOM, build=build_random))
    for card in (IMAGES, CLIPS):
        models.register(
            card.name, ModelEntry(card=card, build=partial(build, card), takes_weights=True)
        )
