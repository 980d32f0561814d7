"""A teacher: copies of what is tuned that follow it as an exponential mean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.func import functional_call

Orientation = Literal["published", "corrected"]
"""published: teacher = (1 - m) · teacher + m · student, as in TimeT's release, where m is near 1
and the teacher is the student of a step ago. corrected: teacher = m · teacher + (1 - m) · student,
as in the paper and in MoSiC's release."""


@torch.no_grad()
def follow(teacher: Tensor, student: Tensor, momentum: float, orientation: Orientation) -> None:
    """Move a teacher's tensor towards its student's, in place.

    Args:
        teacher: of any shape.
        student: of the same shape.
        momentum: m, within 0..1.
        orientation: which of the two m weighs.

    Source: SMSD75/Timetuning time_tuning.py (update_momentum_teacher).

    Example:
        >>> teacher, student = torch.zeros(1), torch.ones(1)
        >>> follow(teacher, student, 0.75, "corrected")
        >>> teacher.item()
        0.25
        >>> follow(teacher, student, 1.0, "published")
        >>> teacher.item()
        1.0
    """
    share = momentum if orientation == "published" else 1 - momentum
    teacher.lerp_(student.to(teacher.dtype), share)


class Teacher(nn.Module):
    """Copies of the tuned parameters of some modules, by the name of the module's role.

    Only what is tuned is copied and saved; frozen parameters and buffers are the student's. The
    copies are made when a role is first used, or come from a state that was loaded before.
    """

    def __init__(self, orientation: Orientation) -> None:
        super().__init__()
        self._orientation: Orientation = orientation

    def copies(self, role: str, student: nn.Module) -> dict[str, Tensor]:
        """Return the teacher's parameters under the names that they have in the student."""
        found = {}
        for name, parameter in student.named_parameters():
            if not parameter.requires_grad:
                continue
            key = f"{role}/{name}".replace(".", "/")
            if key not in self._buffers:
                self.register_buffer(key, parameter.detach().clone())
            found[name] = self.get_buffer(key)
            if found[name].device != parameter.device:
                found[name] = self._buffers[key] = found[name].to(parameter.device)
        return found

    @torch.no_grad()
    def run(self, role: str, student: nn.Module, *args: Any) -> Any:
        """Call a module with the teacher's parameters in place of its own; without gradient."""
        return functional_call(student, self.copies(role, student), args)

    @torch.no_grad()
    def tuned(self, backbone: Any, state: Tensor, grid: tuple[int, int]) -> Tensor:
        """Do what `backbone.tuned` does, with the teacher's parameters; without gradient."""
        copies = self.copies("backbone", backbone)
        inner = {f"backbone.{name}": tensor for name, tensor in copies.items()}
        out: Tensor = functional_call(_Tuned(backbone), inner, (state, grid))
        return out

    def follow(self, students: Mapping[str, nn.Module], momentum: float) -> None:
        """Move the copies of each role towards its student."""
        for role, student in students.items():
            copies = self.copies(role, student)
            for name, parameter in student.named_parameters():
                if name in copies:
                    follow(copies[name], parameter, momentum, self._orientation)

    def _load_from_state_dict(
        self, state_dict: Mapping[str, Any], prefix: str, *args: Any, **kwargs: Any
    ) -> None:
        """Make room for copies that have not been used yet; then load as always."""
        for key, value in state_dict.items():
            name = key.removeprefix(prefix)
            if key.startswith(prefix) and name not in self._buffers:
                self.register_buffer(name, torch.empty_like(value))
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)


class _Tuned(nn.Module):
    """A backbone of which `tuned` is what is called."""

    def __init__(self, backbone: Any) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, state: Tensor, grid: tuple[int, int]) -> Tensor:
        out: Tensor = self.backbone.tuned(state, grid)
        return out
