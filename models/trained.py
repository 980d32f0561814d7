"""A model that `tvseg-bench train` has written: `--model file:FOLDER`.

A folder holds `card.json` (what the model was before, and how it was trained) and
`model.safetensors` (all of the backbone, strictly loaded). The code that runs is the code of the
model that it was before; of a plugin file the hash has to be the one that was trained with.
"""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tvseg_bench.benchmark.errors import ModelError
from tvseg_bench.benchmark.plugins.resolve import file_sha256, find_model, split_file
from tvseg_bench.benchmark.registry import ModelEntry, Registry, datasets
from tvseg_bench.benchmark.types import FeatureModel, ModelCard

CARD, WEIGHTS = "card.json", "model.safetensors"
SCHEME = "trained"
SCHEMA: Final = "tvseg-bench/trained@1"
_MAX_CARD_BYTES = 1 << 20


class Base(BaseModel):
    """The model that was tuned."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reference: str
    name: str
    revision: str
    code_sha256: str | None = None
    """Of a plugin file."""


class Training(BaseModel):
    """How it was tuned."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: str
    recipe_name: str
    recipe: dict[str, Any]
    objective: dict[str, Any]
    seed: int
    steps: int
    data: tuple[str, ...]
    manifests: dict[str, str] = Field(default_factory=dict)
    suite: str = ""


class Trained(BaseModel):
    """What `card.json` holds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_: Literal["tvseg-bench/trained@1"] = Field(alias="schema")
    base: Base
    training: Training


def register(models: Registry[ModelEntry]) -> None:
    """Add the scheme that `file:FOLDER` resolves to."""
    models.scheme(SCHEME, resolve)


def resolve(folder: str) -> ModelEntry:
    """Turn a folder that training left behind into an entry."""
    return ModelEntry(card=None, build=partial(build, Path(folder).expanduser()))


def read_trained(folder: Path) -> Trained:
    """Return the card of a folder.

    Raises:
        ModelError: if there is none, or it is not what training writes.
    """
    path = folder / CARD
    if not path.is_file():
        raise ModelError(
            f"{folder} holds no {CARD}: expected a folder that 'tvseg-bench train' has finished, "
            "or a plugin as file:PATH.py:build"
        )
    if path.stat().st_size > _MAX_CARD_BYTES:
        raise ModelError(f"{path} is larger than 1 MB; it was not written by 'train'")
    try:
        return Trained.model_validate(json.loads(path.read_bytes()))
    except (ValueError, ValidationError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ModelError(f"{path} is not what 'train' writes: {reason}") from None


def build(folder: Path) -> FeatureModel:
    """Build what the model was before, and give it the trained weights, all of them.

    Raises:
        ModelError: if a part is missing or does not fit.
    """
    from tvseg_bench.models.loading.weights import architecture_only

    trained = read_trained(folder)
    weights = folder / WEIGHTS
    if not weights.is_file():
        raise ModelError(f"{folder} holds {CARD} but no {WEIGHTS}; copy the complete folder")
    _check_code(folder, trained.base)
    entry = find_model(trained.base.reference).entry
    # a builder may name tensors as its own checkpoint does; the file names them as the model does
    with architecture_only():
        model: Any = entry.build(weights=weights) if entry.takes_weights else entry.build()
    return _filled(model, weights, trained)


def _filled(model: Any, path: Path, trained: Trained) -> FeatureModel:
    from torch import nn

    from tvseg_bench.models.loading.checkpoint import read_tensors
    from tvseg_bench.models.loading.weights import load_weights
    from tvseg_bench.models.networks.dense import DenseViT
    from tvseg_bench.models.networks.prototypes import PrototypeSegmenter, find_head

    tensors = read_tensors(path)
    net: Any = model.net if isinstance(model, DenseViT) else model
    if not isinstance(net, nn.Module):
        held = {k: v for k, v in vars(model).items() if isinstance(v, nn.Module)}
        net = nn.ModuleDict(held)
    report = load_weights(net, path, tensors=tensors)
    card = _card(model.card, trained, report.revision)
    if isinstance(model, DenseViT):
        head = find_head(tensors, report.prefix, card.embed_dim, path)
        if head:
            return PrototypeSegmenter(model.net, card, head)
    model.card = card
    filled: FeatureModel = model
    return filled


def _card(base: ModelCard, trained: Trained, revision: str) -> ModelCard:
    training = trained.training
    names = tuple(name.partition("?")[0].partition(":")[0] for name in training.data)
    known = tuple(name for name in dict.fromkeys(names) if name in datasets)
    seen = tuple(name if name in datasets else "own-videos" for name in names)
    return replace(
        base,
        name=f"trained/{training.method}-{base.name.replace('/', '-')}",
        revision=revision,
        pretraining_data=tuple(dict.fromkeys((*base.pretraining_data, *seen))),
        trained_on_eval_data=tuple(dict.fromkeys((*base.trained_on_eval_data, *known))),
        weights_url=None,
        weights_sha256=None,
        notes=(
            f"{base.name} ({trained.base.revision}) tuned by {training.method}:"
            f"{training.recipe_name} for {training.steps} steps, without labels. {base.notes}"
        ),
    )


def _check_code(folder: Path, base: Base) -> None:
    """Refuse a plugin file that came with the folder, or is not the one that was trained with."""
    if not base.reference.startswith("file:"):
        return
    path, _ = split_file(base.reference.removeprefix("file:"))
    if path.resolve().is_relative_to(folder.resolve()):
        raise ModelError(f"{folder} brings code of its own ({path.name}), which is not run")
    if not path.is_file():
        raise ModelError(
            f"{folder} was trained from the plugin {path}, which is not there; put it back"
        )
    if file_sha256(path) != base.code_sha256:
        raise ModelError(
            f"{folder} was trained from the plugin {path}, which has changed since; bring back "
            f"the file of sha256:{(base.code_sha256 or '')[:16]}"
        )
