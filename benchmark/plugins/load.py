"""From what a user types after `--model` to a model that is ready to extract features.

`benchmark.plugins.resolve` lists what may be typed. Importing this module loads no torch.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

from tvseg_bench.benchmark.errors import ModelError, UsageError
from tvseg_bench.benchmark.plugins.resolve import Origin, ResolvedModel, find_model, guarded
from tvseg_bench.benchmark.registry import parameters_of
from tvseg_bench.benchmark.types import FeatureModel, ModelCard, Segmenter

if TYPE_CHECKING:
    import torch

M = TypeVar("M")


@runtime_checkable
class _Movable(Protocol):
    """A model that moves itself, as torch modules do."""

    def to(self, device: str | torch.device, dtype: torch.dtype) -> Any: ...


CARD_NAME = re.compile(r"[a-z0-9][a-z0-9._+-]*(/[a-z0-9][a-z0-9._+-]*)+")


@dataclass(frozen=True, kw_only=True)
class LoadedModel:
    """A model that is built, checked and frozen, with what a result records about it."""

    reference: str
    """As typed."""
    model: FeatureModel | Segmenter
    """Its own `card` is this `card`."""
    card: ModelCard
    """Complete: the revision is never empty."""
    origin: Origin
    """`package`, `version` and `file_sha256` of the code."""


def load_model(reference: str, *, weights: Path | None = None) -> LoadedModel:
    """Build the model of a reference, check it, freeze it and complete its card.

    Code that no installed distribution vouches for (a `file:`, a module on `PYTHONPATH`) adds
    the hash of its file to the revision, so that changed code is another model.

    Args:
        reference: a registered name, `timm:NAME`, `file:PATH.py:build` or `pkg.module:build`,
            with an optional `@sha256:…`.
        weights: file for models that take one; without it they look at the place where their
            weights belong, never on a network.

    Raises:
        UsageError: if the reference names nothing or the model takes no weights.
        ModelError: if the model cannot be imported or built, is not what a plugin must be, or
            its weights are not the pinned ones.
    """
    found = find_model(reference)
    model = _build(found, weights)
    card = _complete_card(found, model)
    if found.pin is not None and not card.revision.startswith(f"sha256:{found.pin}"):
        raise ModelError(
            f"the weights of {found.target!r} have the revision {card.revision}, expected "
            f"sha256:{found.pin}; give the wanted file with --weights or leave out the pin"
        )
    _install_card(found.target, model, card)
    _freeze(model)
    return LoadedModel(reference=reference, model=model, card=card, origin=found.origin)


def to_device(model: M, device: str | torch.device, dtype: torch.dtype) -> M:
    """Move a model's tensors: by its own `to(device, dtype)`, else every torch module it holds.

    Returns:
        What is to be used from now on: what the model's own `to` returns, else the same object.
    """
    if isinstance(model, _Movable):
        moved = model.to(device, dtype)
        return model if moved is None else moved
    for module in _modules(model):
        module.to(device, dtype)
    return model


def _freeze(model: object) -> None:
    """Put every torch module of a model into eval mode, without gradients."""
    for module in _modules(model):
        module.eval().requires_grad_(False)


def _modules(model: object) -> Iterator[torch.nn.Module]:
    """Yield the model if it is a torch module, else the modules among its attributes."""
    import torch

    if isinstance(model, torch.nn.Module):
        yield model
    else:
        held = getattr(model, "__dict__", {}).values()
        yield from (value for value in held if isinstance(value, torch.nn.Module))


def _build(found: ResolvedModel, weights: Path | None) -> Any:
    entry = found.entry
    if weights is None:
        parameter = parameters_of(entry.build).get("weights")
        if parameter is not None and parameter.default is parameter.empty:
            raise ModelError(f"the model {found.target!r} needs a file; type --weights FILE")
        return guarded(found.target, "built", entry.build)
    if not entry.takes_weights:
        raise UsageError(
            f"the model {found.target!r} takes no weights file, but {weights} was given; leave "
            "--weights out, or give the model's build function a parameter `weights`"
        )
    return guarded(found.target, "built", partial(entry.build, weights=weights))


def _complete_card(found: ResolvedModel, model: Any) -> ModelCard:
    """Check that the object is what a plugin must be, and return its card with a revision."""
    target = found.target
    card = getattr(model, "card", None)
    if isinstance(model, type) or not isinstance(card, ModelCard):
        raise ModelError(
            f"the model {target!r} was built as {_described(model)}, without a ModelCard in its "
            "attribute `card`; see ModelCard in tvseg_bench.benchmark.types"
        )
    if not any(callable(getattr(model, name, None)) for name in ("extract", "segment")):
        raise ModelError(
            f"the model {target!r} was built as {_described(model)}, which has neither "
            "extract(images) -> PatchFeatures nor segment(images) -> ids; add one"
        )
    _check_card(target, card)
    if found.registered and card.name != target:
        raise ModelError(
            f"the model registered as {target!r} has the name {card.name!r} on its card; give "
            "both the same name"
        )
    code = found.origin["file_sha256"]
    parts = [card.revision, f"code:{code[:16]}" if code else ""]
    revision = "+".join(part for part in parts if part)
    if not revision:
        raise ModelError(
            f"the card of the model {target!r} has no revision; set "
            "ModelCard(revision='sha256:…') to the sha256 of the weights, or to any text that "
            "changes whenever the features may"
        )
    return dataclasses.replace(card, revision=revision)


def _check_card(target: str, card: ModelCard) -> None:
    try:
        wrong = _wrong_value(card)
    except TypeError as error:
        wrong = f"a value of the wrong type ({error})"
    if wrong:
        raise ModelError(f"the card of the model {target!r} has {wrong}")


def _wrong_value(card: ModelCard) -> str | None:
    if not CARD_NAME.fullmatch(card.name):
        return f"the name {card.name!r}, expected family/arch in lower case"
    if card.patch_size < 1 or card.embed_dim < 1:
        return f"patch_size {card.patch_size} and embed_dim {card.embed_dim}, expected both > 0"
    if len(card.mean) != 3 or len(card.std) != 3 or min(card.std) <= 0:
        return f"mean {card.mean} and std {card.std}, expected three each and std > 0"
    return None


def _install_card(target: str, model: Any, card: ModelCard) -> None:
    """Let the model's own card be the complete one, whoever asks."""
    if model.card == card:
        return
    try:
        model.card = card
    except (AttributeError, TypeError) as error:
        raise ModelError(
            f"the card of the model {target!r} cannot be completed with its revision: make "
            "`card` a plain attribute"
        ) from error


def _described(model: object) -> str:
    return f"the class {model.__name__}" if isinstance(model, type) else type(model).__name__
