"""The training step of TimeT (time_tuning.py): targets, loss, gradients, queue, teacher."""

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tvseg_bench.models.training.objectives import timet
from tvseg_bench.models.training.objectives.heads import Prototypes
from tvseg_bench.models.training.objectives.teacher import Teacher
from tvseg_bench.models.training.schedules import value_at

pytestmark = pytest.mark.conformance

MANIFEST = "timet_loss"
FIELDS = (
    *("case", "name", "bs", "frames", "grid", "backbone_dim", "head_dim", "prototypes"),
    *("teacher", "mask_features", "queue", "loss"),
)
ARRAYS = (
    *("head", "backbone", "prototypes", "teacher_head", "teacher_prototypes", "attention_mask"),
    *("queue_before", "queue_after", "q_first_frame", "hard_target"),
    *("loss", "grad_head", "grad_prototypes"),
)
QUEUED_PER_CLIP = 10
SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"


def test_loss(case: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = case.fields(*FIELDS)
    found = {k: torch.from_numpy(v) for k, v in case.arrays(*ARRAYS).items() if v.ndim}
    objective = prepared(entry, found)
    clips = (entry["bs"], entry["frames"], entry["grid"], entry["grid"])
    head = found["head"].clone().requires_grad_()
    source = found["teacher_head" if entry["teacher"] else "head"].view(*clips, -1)[:, :1]
    mask = found["attention_mask"].view(clips) if entry["mask_features"] else None
    if mask is not None:
        source = source * mask[:, :1, ..., None]
    if entry["queue"]:
        monkeypatch.setattr(timet, "drawn_rows", as_published(found))
    features = found["backbone"].view(*clips, -1)
    last = None if mask is None else mask[:, -1]
    value = objective.loss(features, source, head.view(*clips, -1)[:, -1], last).value
    value.backward()
    np.testing.assert_allclose(value.item(), entry["loss"], rtol=0, atol=1e-6)
    close(head.grad, found["grad_head"])
    close(objective.prototypes.weight.grad, found["grad_prototypes"])
    if objective.queue is not None:
        np.testing.assert_array_equal(objective.queue.rows, found["queue_after"])


def test_targets(case: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = case.fields(*FIELDS)
    found = {k: torch.from_numpy(v) for k, v in case.arrays(*ARRAYS).items() if v.ndim}
    objective = prepared(entry, found)
    clips = (entry["bs"], entry["frames"], entry["grid"], entry["grid"])
    source = found["teacher_head" if entry["teacher"] else "head"].view(*clips, -1)[:, :1]
    if entry["mask_features"]:
        source = source * found["attention_mask"].view(clips)[:, :1, ..., None]
    if entry["queue"]:
        monkeypatch.setattr(timet, "drawn_rows", as_published(found))
    assigned = objective.assign(source)
    close(assigned.flatten(1, 2), found["q_first_frame"])
    carried = timet.forwarded(found["backbone"].view(*clips, -1), assigned, objective.rule)
    np.testing.assert_array_equal(carried.argmax(-1), found["hard_target"])


def prepared(entry: Any, found: dict[str, Tensor]) -> timet.TimeTObjective:
    """Return the objective of the release, with the case's prototypes and queue."""
    config = timet.TIMET.model_copy(
        update={
            "prototypes": entry["prototypes"],
            "hidden": (),
            "out": entry["head_dim"],
            "teacher": "ema" if entry["teacher"] else "none",
            "queue": len(found["queue_before"]) if entry["queue"] else 0,
            "queue_per_clip": QUEUED_PER_CLIP,
        }
    )
    objective = timet.TimeTObjective(config, entry["backbone_dim"])
    state = {**objective.state_dict(), "prototypes.weight": found["prototypes"]}
    if entry["teacher"]:
        state["teacher.prototypes/weight"] = found["teacher_prototypes"]
    if entry["queue"]:
        state["queue.rows"] = found["queue_before"]
    objective.load_state_dict(state)
    return objective


def as_published(found: dict[str, Tensor]) -> Callable[[Tensor, int], Tensor]:
    """Return what draws the rows that the published run drew, after a look at where from."""

    def draw(rows: Tensor, n: int) -> Tensor:
        drawn = found["queue_after"][:n]
        assert bool((drawn[:, None] == rows).all(-1).any(-1).all())
        return drawn

    return draw


def test_direct_implementation(case: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the trainer's speed is compared with is the release's step too."""
    entry = case.fields(*FIELDS)
    if entry["teacher"] or entry["mask_features"] or entry["queue"]:
        pytest.skip("the speed is compared without teacher, mask and queue")
    monkeypatch.syspath_prepend(str(SCRIPTS))
    direct = importlib.import_module("published_timet")
    found = {k: torch.from_numpy(v) for k, v in case.arrays(*ARRAYS).items() if v.ndim}
    head = found["head"].clone().requires_grad_()
    prototypes = found["prototypes"].clone().requires_grad_()
    near = direct.window(entry["grid"], entry["grid"], head.device)
    clips = (entry["bs"], entry["frames"])
    value = direct.loss(head, found["backbone"], prototypes, near, clips)
    value.backward()
    np.testing.assert_allclose(value.item(), entry["loss"], rtol=0, atol=1e-6)
    close(head.grad, found["grad_head"])
    close(prototypes.grad, found["grad_prototypes"])


def close(ours: Tensor | None, published: Tensor) -> None:
    assert ours is not None
    np.testing.assert_allclose(ours.detach(), published, rtol=0, atol=1e-6)


def test_published_teacher(stored: Callable[..., list[np.ndarray]]) -> None:
    """One update as released: the momentum weighs the student."""
    names = ("student", "teacher_before", "teacher_after")
    student, before, after = map(torch.from_numpy, stored(*(f"ema_{name}" for name in names)))
    (momenta,) = stored("ema_schedule")
    teacher, module = Teacher("published"), nn.ParameterList([before.clone()])
    teacher.copies("head", module)
    module[0].data.copy_(student)
    teacher.follow({"head": module}, float(momenta[1]))
    close(teacher.copies("head", module)["0"], after)


def test_published_teacher_of_prototypes(stored: Callable[..., list[np.ndarray]]) -> None:
    names = ("student_proto", "teacher_proto_before", "teacher_proto_after")
    student, before, after = map(torch.from_numpy, stored(*(f"ema_{name}" for name in names)))
    (momenta,) = stored("ema_schedule")
    config = timet.TIMET.model_copy(
        update={"teacher": "ema", "ema_orientation": "published", "prototypes": len(student)}
    ).model_copy(update={"hidden": (), "out": student.shape[1]})
    objective = timet.TimeTObjective(config, 2)
    assert objective.teacher is not None
    objective.prototypes.weight.data.copy_(before)
    objective.teacher.copies("prototypes", objective.prototypes)
    objective.prototypes.weight.data.copy_(student)
    objective.after_step(nn.Identity(), 1, len(momenta))
    close(objective.teacher.copies("prototypes", objective.prototypes)["weight"], after)


def test_momentum(stored: Callable[..., list[np.ndarray]]) -> None:
    (published,) = stored("ema_schedule")
    n = len(published)
    ours = [value_at(i, n, 0.995, 1.0) for i in range(n)]
    np.testing.assert_allclose(ours, published)


def test_normalised(stored: Callable[..., list[np.ndarray]]) -> None:
    student, published = map(torch.from_numpy, stored("ema_student_proto", "proto_normalised"))
    prototypes = Prototypes(*student.shape)
    prototypes.weight.data.copy_(student)
    prototypes.normalise()
    close(prototypes.weight, published)
