"""Laws of the exponential mean, and what a teacher runs and keeps."""

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from tvseg_bench.models.training.objectives.teacher import Teacher, follow

ORIENTATIONS: Any = ["published", "corrected"]


@given(st.floats(0, 1), st.sampled_from(ORIENTATIONS))
def test_who_is_there_stays(momentum: float, orientation: Any) -> None:
    student = torch.randn(4)
    teacher = student.clone()
    follow(teacher, student, momentum, orientation)
    torch.testing.assert_close(teacher, student)


@given(st.floats(0, 1))
def test_orientations_are_each_others_complement(momentum: float) -> None:
    student, one = torch.randn(5, dtype=torch.float64), torch.randn(5, dtype=torch.float64)
    other = one.clone()
    follow(one, student, momentum, "published")
    follow(other, student, 1 - momentum, "corrected")
    torch.testing.assert_close(one, other)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_ends_at_a_student_that_waits(orientation: Any) -> None:
    student, teacher = torch.ones(3), torch.zeros(3)
    for _ in range(200):
        follow(teacher, student, 0.9, orientation)
    torch.testing.assert_close(teacher, student)


def test_runs_with_its_own_weights_and_no_gradient() -> None:
    module, x = nn.Linear(3, 3), torch.randn(2, 3)
    teacher = Teacher("corrected")
    begin = module(x).detach()
    torch.testing.assert_close(teacher.run("head", module, x), begin)
    with torch.no_grad():
        module.weight += 1
    seen = teacher.run("head", module, x)
    torch.testing.assert_close(seen, begin)
    assert not seen.requires_grad
    assert module.weight.requires_grad
    teacher.follow({"head": module}, 0.0)
    torch.testing.assert_close(teacher.run("head", module, x), module(x).detach())


def test_copies_only_what_is_tuned(backbone: Any) -> None:
    teacher = Teacher("corrected")
    names = set(teacher.copies("backbone", backbone))
    assert names == {"block.weight", "block.bias"}
    assert not list(teacher.parameters())


def test_student_that_waits_for_its_backward_is_not_disturbed(backbone: Any) -> None:
    """The teacher may run between a student's forward and backward."""
    state = backbone.frozen(torch.randn(2, 3, 8, 8))
    backbone.tuned(state, (2, 2)).square().sum().backward()
    expected = backbone.block.weight.grad.clone()
    backbone.zero_grad()
    teacher = Teacher("corrected")
    teacher.copies("backbone", backbone)
    teacher.follow({"backbone": nn.Identity()}, 0.5)
    loss = backbone.tuned(state, (2, 2)).square().sum()
    teacher.tuned(backbone, state, (2, 2))
    loss.backward()
    assert torch.equal(backbone.block.weight.grad, expected)


def test_state_comes_before_the_first_use() -> None:
    module, teacher = nn.Linear(2, 2), Teacher("corrected")
    kept = teacher.copies("head", module)
    kept["weight"].fill_(5)
    again = Teacher("corrected")
    again.load_state_dict({k: v.clone() for k, v in teacher.state_dict().items()})
    assert torch.equal(again.copies("head", nn.Linear(2, 2))["weight"], torch.full((2, 2), 5.0))
