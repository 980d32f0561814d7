"""The objectives by name; a new one takes its file and one line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel

from tvseg_bench.benchmark.errors import UsageError, did_you_mean
from tvseg_bench.models.training.objectives import (
    contrast,
    instances,
    mosic,
    selfdistil,
    timet,
)
from tvseg_bench.models.training.objectives.objective_types import Objective


@dataclass(frozen=True)
class ObjectiveEntry:
    """An objective that can be trained with."""

    config: type[BaseModel]
    """Its constants; the defaults are our own choice, with the known faults fixed."""
    build: Callable[[Any, int], Objective]
    """The class, made of a config and the channels of the backbone's features."""
    presets: Mapping[str, BaseModel]
    """Configs by name, as recipes use them: the published ones and ours."""


OBJECTIVES: Mapping[str, ObjectiveEntry] = MappingProxyType(
    {
        "timet": ObjectiveEntry(timet.TimeTConfig, timet.TimeTObjective, timet.PRESETS),
        "contrast": ObjectiveEntry(
            contrast.ContrastConfig, contrast.ContrastObjective, contrast.PRESETS
        ),
        "selfdistil": ObjectiveEntry(
            selfdistil.SelfDistilConfig, selfdistil.SelfDistil, selfdistil.PRESETS
        ),
        "instances": ObjectiveEntry(
            instances.InstanceConfig, instances.InstanceObjective, instances.PRESETS
        ),
        "mosic": ObjectiveEntry(mosic.MoSiCConfig, mosic.MoSiCObjective, mosic.PRESETS),
    }
)


def objective_entry(name: str) -> ObjectiveEntry:
    """Return an objective by name.

    Raises:
        UsageError: There is none of this name.

    Example:
        >>> objective_entry("timet").config().prototypes
        200
    """
    if name not in OBJECTIVES:
        raise UsageError(did_you_mean("objective", name, OBJECTIVES))
    return OBJECTIVES[name]
