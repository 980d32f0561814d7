"""The register: everything in it can be built, stepped and saved."""

from typing import Any

import pytest
import torch
from pydantic import ValidationError

from tvseg_bench.benchmark.errors import UsageError
from tvseg_bench.models.training.objectives.catalogue import OBJECTIVES, objective_entry
from tvseg_bench.models.training.objectives.objective_types import ClipBatch

PRESETS = [(name, preset) for name, entry in OBJECTIVES.items() for preset in entry.presets]


def batch() -> ClipBatch:
    return ClipBatch(
        images=torch.randn(1, 3, 3, 32, 32),
        names=["a"],
        frames=[(0, 1, 2)],
        tracks=torch.rand(1, 3, 6, 2) * 32,
        visible=torch.ones(1, 3, 6, dtype=torch.bool),
    )


@pytest.mark.parametrize(("name", "preset"), PRESETS)
def test_preset_takes_a_step(name: str, preset: str, backbone: Any) -> None:
    entry = objective_entry(name)
    config = entry.presets[preset]
    assert isinstance(config, entry.config)
    objective = entry.build(config, backbone.dim)
    result = objective.forward(backbone, batch())
    result.value.backward()
    objective.after_step(backbone, 0, 5)
    assert bool(result.value.isfinite())
    assert dict(objective.named_parameters())
    assert backbone.block.weight.grad.any()


@pytest.mark.parametrize(("name", "preset"), PRESETS)
def test_preset_takes_a_step_in_half_precision(name: str, preset: str, backbone: Any) -> None:
    entry = objective_entry(name)
    objective = entry.build(entry.presets[preset], backbone.dim)
    with torch.autocast("cpu", torch.bfloat16):
        result = objective.forward(backbone, batch())
    assert result.value.dtype == torch.float32
    result.value.backward()
    gradients = [p.grad for _, p in objective.named_parameters() if p.grad is not None]
    assert gradients
    assert all(bool(g.isfinite().all()) for g in gradients)
    assert backbone.block.weight.grad.isfinite().all()


@pytest.mark.parametrize("name", OBJECTIVES)
def test_default_is_one_of_the_presets(name: str) -> None:
    entry = objective_entry(name)
    assert entry.config() in entry.presets.values()


@pytest.mark.parametrize("name", OBJECTIVES)
def test_every_constant_says_what_it_is(name: str) -> None:
    fields = objective_entry(name).config.model_fields
    assert [key for key, field in fields.items() if not field.description] == []


@pytest.mark.parametrize("name", OBJECTIVES)
def test_unknown_constant_is_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="extra_forbidden"):
        objective_entry(name).config(no_such_constant=1)


def test_unknown_name() -> None:
    with pytest.raises(UsageError, match="unknown objective 'timt'; did you mean 'timet'"):
        objective_entry("timt")
