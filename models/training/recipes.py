"""Recipes: everything about a run that is not the objective's, as named values.

A method is an objective; `timet` alone is `timet:standard`, `timet:timet` reproduces the release.
The `config.json` of a run holds the resolved recipe, so that it is known how the
weights were made.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tvseg_bench.benchmark.errors import UsageError, did_you_mean
from tvseg_bench.models.training.data.augment import Augmentation
from tvseg_bench.models.training.data.sampling import Sampling
from tvseg_bench.models.training.objectives.catalogue import objective_entry
from tvseg_bench.models.training.schedules import ScheduleName


class Recipe(BaseModel):
    """How clips are drawn and augmented, and how the optimiser steps."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    tune: str = "last:2"
    """What is tuned: `last:2`, `all`, `blocks.10,blocks.11`, `lora:8,last:4`. The final norm stays
    frozen, as in TimeT, unless it is named or everything is tuned."""
    frames: int = Field(default=4, ge=1)
    """Of a clip."""
    size: int = Field(default=224, ge=16)
    """Sides of what the model is shown, in pixels; a multiple of its patch."""
    sampling: Sampling = "uniform"
    """Which frames. uniform: a random sorted subset of the clip. dense: neighbours. regular: every
    `stride`-th from a random one on. equidistant: the same every time. Past the clip's end the
    last frame is repeated."""
    stride: int = Field(default=3, ge=1)
    """Of `regular`."""
    augmentation: Augmentation = "standard"
    """none: resized, the same pixels every time. standard: TimeT's, with its faults fixed. timet:
    the release's, where only the last of the four colour changes acts and nothing is mirrored.
    mosic: crop and mirror, no colour."""
    statistics: Literal["card", "timet"] = "card"
    """Normalisation: the model's own, or the release's (std .228)."""

    epochs: int = Field(default=100, ge=1)
    """Times that every clip is drawn."""
    steps: int | None = Field(default=None, ge=1)
    """Of the whole run; None = as many as `epochs` need."""
    batch: int = Field(default=128, ge=1)
    """Clips of a step, over all processes."""
    head_rate: float = Field(default=1e-4, ge=0)
    """Learning rate of what the objective brings: head, prototypes."""
    backbone_rate: float = Field(default=1e-5, ge=0)
    """Learning rate of the backbone."""
    rate_schedule: ScheduleName = "cosine"
    """Of both learning rates; ends at 0."""
    warmup: float = Field(default=0.0, ge=0, lt=1)
    """Share of the steps in which the learning rates rise from 0."""
    weight_decay: float = Field(default=0.04, ge=0)
    """At the first step; of matrices only, never of biases, norms and other vectors."""
    weight_decay_end: float = Field(default=0.4, ge=0)
    """At the end, reached by a cosine."""
    clip_gradient: float | None = Field(default=None, gt=0)
    """Largest norm of the gradient; None = not clipped, as published."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """bf16: autocast."""

    checkpoint_every: int = Field(default=50, ge=1)
    """Steps between checkpoints."""
    validate_every: int = Field(default=10, ge=1)
    """Epochs between validations, where one is asked for."""
    selection: Literal["last", "published"] = "last"
    """Which weights are the result. last: those of the last step; labels choose nothing.
    published: those of the best validation, as the release chose its weights by the labels of
    PASCAL VOC's validation images."""


PUBLISHED = Recipe(
    tune="blocks.10,blocks.11", augmentation="timet", statistics="timet", selection="published"
)
"""SMSD75/Timetuning time_tuning.py: its effective constants."""
CLEAN = Recipe(
    tune="blocks.10,blocks.11",
    augmentation="timet",
    statistics="timet",
    sampling="dense",
    epochs=800,
    rate_schedule="cosine-stepped-twice",
)
"""SMSD75/TimeT_clean exp_time_tuning_v2.py."""
STANDARD = Recipe()
"""Ours: TimeT's constants; colours as they were meant, the mirror works, the learning rate falls
to 0, and labels never choose the weights."""
MOSIC = Recipe(
    tune="blocks.10,blocks.11",
    frames=12,
    sampling="regular",
    stride=6,
    augmentation="mosic",
    epochs=8,
    batch=64,
    weight_decay=0.01,
    weight_decay_end=0.01,
)
"""SMSD75/MoSiC exp_mosic_multigpu.py with the values of train.sh."""

RECIPES: Mapping[str, Mapping[str, Recipe]] = MappingProxyType(
    {
        "timet": {"standard": STANDARD, "timet": PUBLISHED, "timet-clean": CLEAN},
        "mosic": {"standard": MOSIC.model_copy(update={"tune": "last:2"}), "mosic": MOSIC},
        "contrast": {"standard": STANDARD},
    }
)
"""Method -> name -> recipe; other methods have STANDARD under the name `standard`."""


@dataclass(frozen=True, kw_only=True)
class TrainingPlan:
    """A method with every constant resolved."""

    method: str
    name: str
    recipe: Recipe
    objective: BaseModel


def make_plan(reference: str, overrides: Mapping[str, Any] | None = None) -> TrainingPlan:
    """Resolve `METHOD[:RECIPE]` and overrides such as `recipe.epochs` and `objective.epsilon`.

    Raises:
        UsageError: an unknown method, recipe or key, or a value that does not fit.

    Example:
        >>> make_plan("timet:timet").recipe.selection
        'published'
        >>> make_plan("timet", {"recipe.epochs": 3, "objective.prototypes": 50}).recipe.epochs
        3
    """
    method, _, name = reference.partition(":")
    entry = objective_entry(method)
    recipes = RECIPES.get(method, {"standard": STANDARD})
    names = dict.fromkeys([*recipes, *entry.presets])
    name = name or "standard"
    if name not in names:
        raise UsageError(did_you_mean(f"recipe of {method}", name, names))
    recipe: BaseModel = recipes.get(name, recipes["standard"])
    objective = entry.presets.get(name) or entry.presets["standard"]
    for key, value in (overrides or {}).items():
        owner, _, field = key.partition(".")
        if owner == "recipe":
            recipe = _with(recipe, "recipe", field, value)
        elif owner == "objective":
            objective = _with(objective, "objective", field, value)
        else:
            known = [f"recipe.{f}" for f in Recipe.model_fields]
            known += [f"objective.{f}" for f in entry.config.model_fields]
            raise UsageError(did_you_mean("key", key, known))
    assert isinstance(recipe, Recipe)
    return TrainingPlan(method=method, name=name, recipe=recipe, objective=objective)


def _with(values: BaseModel, owner: str, field: str, value: Any) -> BaseModel:
    """Return the values with one changed and all checked again."""
    fields = type(values).model_fields
    if field not in fields:
        raise UsageError(did_you_mean(f"key of {owner}", field, fields))
    try:
        return type(values).model_validate({**values.model_dump(), field: value})
    except ValidationError as error:
        reason = error.errors()[0]["msg"]
        raise UsageError(f"{owner}.{field}={value!r} does not fit: {reason}") from None
