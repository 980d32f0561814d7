"""Schedules as functions of the step, against the schedulers they stand for."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tvseg_bench.benchmark.errors import UsageError
from tvseg_bench.models.training.schedules import SCHEDULES, value_at

VALUES = st.floats(0, 1)


@given(st.integers(1, 50), VALUES, VALUES)
def test_cosine_goes_from_one_to_the_other(n: int, base: float, final: float) -> None:
    values = [value_at(i, n, base, final) for i in range(n + 1)]
    assert values[0] == pytest.approx(base)
    assert values[-1] == pytest.approx(final)
    assert values == sorted(values, reverse=base > final)


@given(st.integers(1, 50), st.integers(0, 50), st.sampled_from(SCHEDULES))
def test_never_outside_its_ends(n: int, step: int, name: Any) -> None:
    assert -1e-12 <= value_at(step, n, 1.0, 0.0, name=name) <= 1 + 1e-12


@pytest.mark.parametrize(("name", "steps"), [("cosine", 1), ("cosine-stepped-twice", 2)])
def test_same_as_the_scheduler_that_the_releases_use(name: Any, steps: int) -> None:
    optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.3)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, T_max=20)
    for i in range(20):
        assert value_at(i, 20, 0.3, 0.0, name=name) == pytest.approx(
            scheduler.get_last_lr()[0], abs=1e-9
        )
        optimiser.step()
        for _ in range(steps):
            scheduler.step()


def test_warmup_rises_to_where_the_cosine_begins() -> None:
    values = [value_at(i, 50, 1.0, 0.0, warmup=20) for i in range(50)]
    np.testing.assert_allclose(values[:20], np.linspace(0, 1, 20, endpoint=False))
    np.testing.assert_allclose(values[20:], [value_at(i, 30, 1.0, 0.0) for i in range(30)])


def test_constant_stays() -> None:
    assert {value_at(i, 9, 0.5, 0.0, name="constant") for i in range(12)} == {0.5}


@pytest.mark.parametrize(
    ("step", "n", "changes", "sentence"),
    [
        (0, 1, {"name": "cosin"}, r"unknown schedule 'cosin'; did you mean 'cosine'"),
        (-1, 4, {}, r"no value at step -1; expected"),
        (0, 0, {}, r"a schedule of 0 steps"),
        (0, 4, {"warmup": 5}, r"4 steps, 5 of them warm-up"),
    ],
)
def test_what_means_nothing_is_refused(
    step: int, n: int, changes: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(UsageError, match=sentence):
        value_at(step, n, 1.0, 0.0, **changes)
