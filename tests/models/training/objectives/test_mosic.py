"""The objective over tracked points around a backbone."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from tvseg_bench.benchmark.errors import UsageError
from tvseg_bench.models.training.objectives.mosic import PRESETS, MoSiCConfig, MoSiCObjective
from tvseg_bench.models.training.objectives.objective_types import ClipBatch

SMALL: dict[str, Any] = {"prototypes": 5, "hidden": (12,), "out": 6, "points": 4}
VARIANTS: list[dict[str, Any]] = [
    {},
    {"teacher": "none"},
    {"loss": "symmetric"},
    {"loss": "symmetric", "teacher": "none", "targets": "soft"},
    {"sampling": "bilinear", "track_order": "published", "counted": "visible"},
    {"sampling": "latent"},
]


def batch(b: int = 2, t: int = 3) -> ClipBatch:
    images = torch.randn(b, t, 3, 32, 48, generator=torch.Generator().manual_seed(1))
    names = [f"{i}" for i in range(b)]
    return ClipBatch(images=images, names=names, frames=[tuple(range(t))] * b)


def tracked(p: int = 7) -> ClipBatch:
    dice = torch.Generator().manual_seed(2)
    tracks = torch.rand(2, 3, p, 2, generator=dice) * torch.tensor([48.0, 32.0])
    visible = torch.rand(2, 3, p, generator=dice) < 0.7
    return replace(batch(), tracks=tracks, visible=visible)


def objective(**changes: Any) -> MoSiCObjective:
    torch.manual_seed(3)
    return MoSiCObjective(MoSiCConfig(**{**SMALL, **changes}), 8)


@pytest.mark.parametrize("changes", VARIANTS)
def test_loss_falls_and_reaches_every_parameter(changes: dict[str, Any], backbone: Any) -> None:
    subject, clips = objective(**changes), tracked()
    own = dict(subject.named_parameters())
    tuned = {**own, "block": backbone.block.weight, "bias": backbone.block.bias}
    optimiser = torch.optim.SGD(tuned.values(), lr=0.02)
    losses = []
    for step in range(15):
        optimiser.zero_grad()
        result = subject(backbone, clips)
        result.value.backward()
        assert all(p.grad is not None and bool(p.grad.any()) for p in tuned.values())
        optimiser.step()
        subject.after_step(backbone, step, 15)
        losses.append(result.value.item())
    assert sum(losses[-3:]) < sum(losses[:3])


@pytest.mark.parametrize(
    ("changes", "calls"),
    [
        ({}, [(2, True), (6, False)]),
        ({"teacher": "none"}, [(2, True), (4, False)]),
        ({"loss": "symmetric"}, [(6, True), (6, False)]),
        ({"loss": "symmetric", "teacher": "none"}, [(6, True)]),
    ],
)
def test_every_frame_passes_no_more_than_it_must(
    changes: dict[str, Any], calls: list[tuple[int, bool]], backbone: Any
) -> None:
    objective(**changes)(backbone, tracked())
    assert backbone.calls == calls


def test_hidden_points_cost_nothing(backbone: Any) -> None:
    """What a hidden point is assigned to makes no difference."""
    subject = objective(counted="visible", teacher="none")
    own = torch.randn(1, 1, 4, 4, 8)
    tracks = torch.rand(1, 2, 6, 2) * 16
    visible = torch.ones(1, 2, 6, dtype=torch.bool)
    visible[0, 1, 3] = False
    features = torch.cat([own, torch.randn(1, 1, 4, 4, 8)], 1)
    alone = subject.loss(own, features, tracks, visible, (16, 16)).value
    with torch.no_grad():
        read = subject._read(features, tracks, (16, 16))
        read = subject._assign(read)
    swapped = read.clone()
    swapped[0, 1, 3] = read[0, 1, 3].flip(0)
    subject._assign = lambda _: swapped  # type: ignore[method-assign]
    torch.testing.assert_close(subject.loss(own, features, tracks, visible, (16, 16)).value, alone)


def test_supplied_tracker_is_asked(backbone: Any) -> None:
    class Still:
        def track(self, clips: Tensor, queries: Tensor) -> tuple[Tensor, Tensor]:
            tracks = queries[:, None].expand(-1, clips.shape[1], -1, -1)
            return tracks, torch.ones_like(tracks[..., 0], dtype=torch.bool)

    torch.manual_seed(3)
    subject = MoSiCObjective(MoSiCConfig(**SMALL), 8, Still())
    found, _ = subject._tracks(batch())
    assert found.shape == (2, 3, 16, 2)
    given = replace(batch(), tracks=found)
    torch.testing.assert_close(subject(backbone, batch()).value, subject(backbone, given).value)


def test_builtin_tracker_works_from_the_batch_alone(backbone: Any) -> None:
    result = objective()(backbone, batch())
    assert bool(result.value.isfinite())
    assert 0 <= result.stats["visible"].item() <= 1


def test_no_tracks_is_a_sentence(backbone: Any) -> None:
    with pytest.raises(UsageError, match=r"tracker=given, but .* choose tracker=lucas-kanade"):
        objective(tracker="given")(backbone, batch())


def test_state_returns(backbone: Any) -> None:
    subject = objective()
    subject(backbone, tracked())
    subject.after_step(backbone, 0, 9)
    again = objective()
    again.load_state_dict({k: v.clone() for k, v in subject.state_dict().items()})
    ours, theirs = subject(backbone, tracked()).value, again(backbone, tracked()).value
    assert torch.equal(ours, theirs)


def test_presets() -> None:
    published = PRESETS["mosic"]
    assert (published.prototypes, published.ema_momentum, published.points) == (100, 0.99, 16)
    assert (published.track_order, published.tracker) == ("published", "given")
    assert PRESETS["standard"].track_order == "xy"
