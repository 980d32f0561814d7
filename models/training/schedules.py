"""How a value moves over the steps of a run: learning rates, weight decay, momenta.

A schedule is a function of the step; a run that is resumed asks for the step it is at, so there is
no state to save.
"""

from __future__ import annotations

import math
from typing import Literal, get_args

from tvseg_bench.benchmark.errors import UsageError, did_you_mean

ScheduleName = Literal["constant", "cosine", "cosine-stepped-twice"]
SCHEDULES: tuple[str, ...] = get_args(ScheduleName)


def value_at(
    step: int,
    n_steps: int,
    base: float,
    final: float,
    *,
    name: ScheduleName = "cosine",
    warmup: int = 0,
) -> float:
    """Return the value of a schedule at a step.

    Args:
        step: from 0; steps from `n_steps` on have the last one's successor, `final` for a cosine.
        n_steps: of the whole run, 1 or more.
        base: value at the first step, or at the first after the warm-up.
        final: value at step `n_steps`, which no run reaches.
        name: constant: `base` throughout, what TimeT's learning rate does when the name of its
            schedule comes from the command line. cosine: half a wave. cosine-stepped-twice: a
            whole wave, `final` half way and `base` again at the end, what TimeT_clean's learning
            rate does since its scheduler is stepped twice per iteration.
        warmup: first steps, in which the value rises on a line from 0 to `base`.

    Raises:
        UsageError: An unknown name, or steps that mean nothing.

    Sources: SMSD75/Timetuning my_utils.py (cosine_scheduler), the same as in facebookresearch/dino
        utils.py; SMSD75/TimeT_clean optimizer.py.

    Example:
        >>> [round(value_at(i, 4, 1.0, 0.0), 3) for i in range(5)]
        [1.0, 0.854, 0.5, 0.146, 0.0]
        >>> [round(value_at(i, 4, 1.0, 0.0, name="cosine-stepped-twice"), 3) for i in range(5)]
        [1.0, 0.5, 0.0, 0.5, 1.0]
        >>> [value_at(i, 4, 1.0, 0.0, warmup=2) for i in range(5)]
        [0.0, 0.5, 1.0, 0.5, 0.0]
    """
    if name not in SCHEDULES:
        raise UsageError(did_you_mean("schedule", name, SCHEDULES))
    if n_steps < 1 or step < 0 or not 0 <= warmup <= n_steps:
        raise UsageError(
            f"a schedule of {n_steps} steps, {warmup} of them warm-up, has no value at step "
            f"{step}; expected 1 step or more, a warm-up within them and steps from 0"
        )
    if step < warmup:
        return base * step / warmup
    if name == "constant":
        return base
    progress = min(step - warmup, n_steps - warmup) / max(n_steps - warmup, 1)
    waves = 1.0 if name == "cosine" else 2.0
    return final + 0.5 * (base - final) * (1 + math.cos(math.pi * waves * progress))
