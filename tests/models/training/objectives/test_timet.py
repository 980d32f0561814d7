"""The objective of TimeT around a backbone: what is computed, with which gradient, and kept."""

from typing import Any

import pytest
import torch

from tvseg_bench.benchmark.errors import ModelError, UsageError
from tvseg_bench.models.training.objectives.objective_types import ClipBatch, StepLoss
from tvseg_bench.models.training.objectives.timet import PRESETS, TimeTConfig, TimeTObjective

SMALL: dict[str, Any] = {"prototypes": 5, "hidden": (12,), "out": 6, "teacher": "none"}
VARIANTS: list[dict[str, Any]] = [
    {},
    {"teacher": "ema"},
    {"teacher": "ema", "ema_orientation": "published"},
    {"queue": 12, "queue_per_clip": 6},
    {"foreground": "attention"},
    {"assigned": "all-frames", "normalise": "before-step", "n_context": 6},
    {"assigned": "all-frames", "teacher": "ema", "queue": 12, "foreground": "attention"},
    {"window": "none", "topk": 1, "iterations": 0},
    {"carrying": "in-place"},
    {"carrying": "one-frame", "teacher": "ema"},
    {"start": "features", "targets": "soft", "teacher": "ema", "carried_by": "teacher"},
]


def batch(b: int = 2, t: int = 3, height: int = 16, width: int = 24, seed: int = 1) -> ClipBatch:
    images = torch.randn(b, t, 3, height, width, generator=torch.Generator().manual_seed(seed))
    return ClipBatch(images=images, names=[f"{i}" for i in range(b)], frames=[(0, 1, 2)[:t]] * b)


def objective(**changes: Any) -> TimeTObjective:
    torch.manual_seed(3)
    return TimeTObjective(TimeTConfig(**{**SMALL, **changes}), 8)


def train(subject: TimeTObjective, backbone: Any, steps: range, n_steps: int = 20) -> list[float]:
    """Return the losses of some steps on one batch."""
    tuned = [p for p in backbone.parameters() if p.requires_grad]
    own = [p for _, p in subject.named_parameters()]
    optimiser = torch.optim.SGD([*tuned, *own], lr=0.05)
    losses = []
    for step in steps:
        optimiser.zero_grad()
        result = subject(backbone, batch())
        result.value.backward()
        optimiser.step()
        subject.after_step(backbone, step, n_steps)
        losses.append(result.value.item())
    return losses


@pytest.mark.parametrize("changes", VARIANTS)
def test_loss_falls_and_reaches_every_parameter(changes: dict[str, Any], backbone: Any) -> None:
    subject = objective(**changes)
    result = subject(backbone, batch())
    assert isinstance(result, StepLoss)
    assert {"entropy", "empty"} <= set(result.stats)
    assert not any(value.requires_grad for value in result.stats.values())
    result.value.backward()
    for name, parameter in [*subject.named_parameters(), ("block", backbone.block.weight)]:
        assert parameter.grad is not None, name
        assert parameter.grad.any(), name
    losses = train(subject, backbone, range(20))
    assert sum(losses[-3:]) < sum(losses[:3])


def test_only_last_frames_pass_with_a_gradient(backbone: Any) -> None:
    objective()(backbone, batch(b=2, t=3))
    assert backbone.calls == [(2, True), (4, False)]


def test_gradient_is_that_of_the_direct_computation(backbone: Any) -> None:
    """Frames that were taken without gradient would not have carried any."""
    subject, clips = objective(), batch()
    subject(backbone, clips).value.backward()
    ours = backbone.block.weight.grad.clone()
    backbone.zero_grad()
    features = backbone(clips.images.flatten(0, 1)).unflatten(0, (2, 3))
    projected = subject.head(features)
    subject.loss(features, projected[:, :1], projected[:, -1]).value.backward()
    torch.testing.assert_close(backbone.block.weight.grad, ours)


def test_resumed_run_takes_the_same_steps(backbone: Any) -> None:
    changes = {"teacher": "ema", "ema_momentum": 0.5, "queue": 12, "queue_per_clip": 6}
    subject = objective(**changes)
    train(subject, backbone, range(3))
    kept, weights = subject.state_dict(), backbone.state_dict()
    kept = {name: value.clone() for name, value in kept.items()}
    weights = {name: value.clone() for name, value in weights.items()}
    torch.manual_seed(9)
    whole = train(subject, backbone, range(3, 6))
    again = objective(**changes)
    again.load_state_dict(kept)
    backbone.load_state_dict(weights)
    torch.manual_seed(9)
    assert train(again, backbone, range(3, 6)) == whole


def test_teacher_keeps_only_what_is_tuned(backbone: Any) -> None:
    subject = objective(teacher="ema")
    subject(backbone, batch())
    copies = {name for name in subject.state_dict() if name.startswith("teacher.backbone")}
    assert copies == {"teacher.backbone/block/weight", "teacher.backbone/block/bias"}


def test_corrected_teacher_stays_where_the_published_one_runs_along(backbone: Any) -> None:
    moved = {}
    for orientation in ("published", "corrected"):
        subject = objective(teacher="ema", ema_orientation=orientation)
        subject(backbone, batch())
        before = backbone.block.weight.detach().clone()
        with torch.no_grad():
            backbone.block.weight += 1
        subject.after_step(backbone, 0, 10)
        assert subject.teacher is not None
        teacher = subject.teacher.copies("backbone", backbone)["block.weight"]
        moved[orientation] = (teacher - before).mean().item()
    assert moved["published"] == pytest.approx(0.995, abs=1e-5)
    assert moved["corrected"] == pytest.approx(0.005, abs=1e-5)


@pytest.mark.parametrize(("when", "then"), [("after-step", True), ("before-step", False)])
def test_when_prototypes_are_normalised(when: str, then: bool, backbone: Any) -> None:
    subject = objective(normalise=when)
    with torch.no_grad():
        subject.prototypes.weight *= 2
    subject.after_step(backbone, 0, 10)
    unit = torch.ones(5)
    assert torch.allclose(subject.prototypes.weight.norm(dim=1), unit) is then
    subject(backbone, batch())
    assert torch.allclose(subject.prototypes.weight.norm(dim=1), unit)


def test_background_costs_nothing(backbone: Any) -> None:
    """A patch outside the mask neither costs nor moves."""
    subject = objective()
    features = torch.randn(1, 2, 3, 3, 8)
    projected = torch.randn(1, 3, 3, 6, requires_grad=True)
    mask = torch.zeros(1, 3, 3)
    mask[0, 1, 1] = 1
    loss = subject.loss(features, torch.randn(1, 1, 3, 3, 6), projected, mask).value
    loss.backward()
    assert projected.grad is not None
    assert projected.grad.abs().sum(-1).nonzero().tolist() == [[0, 1, 1]]


def test_one_frame_is_refused(backbone: Any) -> None:
    with pytest.raises(UsageError, match=r"clips of 1 frame .* choose 2 frames per clip"):
        objective()(backbone, batch(t=1))


def test_backbone_without_attention_is_refused(backbone: Any) -> None:
    class Blind:
        frozen, tuned, grid = backbone.frozen, backbone.tuned, backbone.grid

    with pytest.raises(ModelError, match="Blind does not have; choose foreground=none"):
        objective(foreground="attention")(Blind(), batch())


def test_presets_are_the_published_constants() -> None:
    published = PRESETS["timet"]
    assert (published.prototypes, published.hidden, published.out) == (200, (1024, 1024, 512), 256)
    assert (published.n_context, published.radius, published.topk) == (7, 6, 5)
    assert (published.epsilon, published.iterations, published.temperature) == (0.05, 10, 0.1)
    clean = PRESETS["timet-clean"]
    assert (clean.assigned, clean.n_context, clean.normalise) == ("all-frames", 6, "before-step")
    assert (published.teacher, published.ema_orientation) == ("ema", "published")
    assert PRESETS["standard"] == published.model_copy(update={"ema_orientation": "corrected"})


def test_one_frame_targets_are_the_last_frames_own(backbone: Any) -> None:
    """What happens before the last frame does not matter then."""
    subject = objective(carrying="one-frame")
    first = batch()
    other = batch(seed=2)
    images = torch.cat([other.images[:, :-1], first.images[:, -1:]], dim=1)
    mixed = ClipBatch(images=images, names=first.names, frames=first.frames)
    assert subject(backbone, mixed).value == subject(backbone, first).value
    carried = objective()
    assert carried(backbone, mixed).value != carried(backbone, first).value


def test_targets_in_place_do_not_depend_on_the_frames_between(backbone: Any) -> None:
    subject = objective(carrying="in-place")
    first = batch()
    images = first.images.clone()
    images[:, 1] = batch(seed=2).images[:, 1]
    mixed = ClipBatch(images=images, names=first.names, frames=first.frames)
    assert subject(backbone, mixed).value == subject(backbone, first).value


def test_a_start_at_the_features_divides_them(backbone: Any) -> None:
    """From the first step on every prototype has patches, in projections around 0."""
    subject = objective(start="features", hidden=())
    result = subject(backbone, batch())
    assert result.stats["empty"] == 0
    clips = backbone.tuned(backbone.frozen(batch().images[:, 0]), (4, 6))
    torch.testing.assert_close(
        subject.head(clips).flatten(0, 2).mean(0), torch.zeros(6), atol=1e-5, rtol=0
    )
    before = subject.prototypes.weight.clone()
    subject(backbone, batch(seed=5))
    assert torch.equal(before, subject.prototypes.weight), "only the first step starts anything"


def test_a_teacher_of_momentum_1_stays_the_start(backbone: Any) -> None:
    fixed = {"teacher": "ema", "ema_momentum": 1.0, "ema_final": 1.0, "start": "features"}
    subject = objective(**fixed, carried_by="teacher", targets="soft")
    subject(backbone, batch())
    teacher = subject.teacher
    assert teacher is not None
    kept = {name: tensor.clone() for name, tensor in teacher.named_buffers()}
    train(subject, backbone, range(3))
    for name, tensor in teacher.named_buffers():
        torch.testing.assert_close(tensor, kept[name])


def test_a_teacher_is_needed_to_carry_by_it() -> None:
    with pytest.raises(UsageError, match=r"add objective\.teacher=ema"):
        objective(carried_by="teacher")


def test_too_few_patches_to_start_from_are_said_so(backbone: Any) -> None:
    with pytest.raises(UsageError, match=r"choose fewer objective\.prototypes"):
        objective(start="features", prototypes=500)(backbone, batch())
