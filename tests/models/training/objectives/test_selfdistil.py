"""selfdistil: views that depend on nothing but their names, a loss that falls, no collapse."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from tvseg_bench.models.training.data.views import (
    ViewVariation,
    correspond,
    cut,
    draws,
    placements,
    relight,
)
from tvseg_bench.models.training.objectives.catalogue import objective_entry
from tvseg_bench.models.training.objectives.objective_types import ClipBatch
from tvseg_bench.models.training.objectives.selfdistil import SelfDistil, SelfDistilConfig, hide

TINY = SelfDistilConfig(view=32, prototypes=8, hidden=32, bottleneck=16, momentum=0.9)


class Conv(nn.Module):
    """A backbone of one convolution with a patch of 8 and a layer on top."""

    def __init__(self, dim: int = 16) -> None:
        super().__init__()
        self.dim = dim
        self.stem = nn.Conv2d(3, dim, 8, 8)
        self.top = nn.Linear(dim, dim)

    def frozen(self, images: Tensor) -> Tensor:
        return images

    def tuned(self, state: Tensor, grid: tuple[int, int]) -> Tensor:
        return self.top(self.stem(state).permute(0, 2, 3, 1).relu())

    def forward(self, images: Tensor) -> Tensor:
        return self.tuned(self.frozen(images), self.grid(*images.shape[-2:]))

    def grid(self, height: int, width: int) -> tuple[int, int]:
        return height // 8, width // 8


def batch(n: int = 6) -> ClipBatch:
    """Images of two halves of different colour and texture each."""
    generator = torch.Generator().manual_seed(1)
    colours = torch.randn(n, 1, 3, 1, 2, generator=generator).repeat_interleave(32, -1)
    noise = 0.2 * torch.randn(n, 1, 3, 48, 64, generator=generator)
    names = [f"clip{i}" for i in range(n)]
    return ClipBatch(images=colours + noise, names=names, frames=[(0,)] * n)


def make(config: SelfDistilConfig = TINY) -> tuple[Conv, SelfDistil]:
    torch.manual_seed(0)
    return Conv(), SelfDistil(config, 16)


def train(steps: int, config: SelfDistilConfig = TINY) -> tuple[Conv, SelfDistil, list[float]]:
    backbone, objective = make(config)
    own = [p for _, p in objective.named_parameters()]
    optimiser = torch.optim.AdamW([*backbone.parameters(), *own], lr=3e-3)
    losses = []
    for step in range(steps):
        out = objective(backbone, batch())
        optimiser.zero_grad()
        out.value.backward()
        optimiser.step()
        objective.after_step(backbone, step, steps)
        losses.append(out.value.item())
    return backbone, objective, losses


# ------------------------------------------------------------------------------ views


def test_a_view_depends_on_its_name_and_step_only() -> None:
    alone = draws(["b"], seed=0, step=2, view=0)
    among = draws(["a", "b", "c"], seed=0, step=2, view=0)
    assert torch.equal(alone[0], among[1])
    assert not torch.equal(alone, draws(["b"], seed=0, step=3, view=0))
    assert not torch.equal(alone, draws(["b"], seed=0, step=2, view=1))


@pytest.mark.parametrize("side", [16, 40, 400])
def test_views_stay_inside_the_image(side: int) -> None:
    u = torch.rand(64, 16, generator=torch.Generator().manual_seed(0))
    maps = placements(u, (48, 80), side, (0.5, 2.0))
    corners = torch.tensor([[-1.0, -1.0, 1.0], [1.0, 1.0, 1.0]])
    assert (torch.einsum("nij,kj->nki", maps, corners).abs() <= 1 + 1e-5).all()


def test_a_view_of_zoom_one_that_is_not_mirrored_is_a_part_of_the_image() -> None:
    image = torch.arange(3 * 8 * 8).reshape(1, 3, 8, 8).float()
    u = torch.full((1, 16), 0.5)
    maps = placements(u, (8, 8), 4, (1.0, 1.0))
    torch.testing.assert_close(cut(image, maps, 4), image[..., 2:6, 2:6])


def test_places_correspond() -> None:
    """An image of its own coordinates shows where each patch of each view comes from."""
    ys, xs = torch.meshgrid(torch.linspace(-1, 1, 65), torch.linspace(-1, 1, 97), indexing="ij")
    image = torch.stack([xs, ys, xs * 0])[None]
    u = torch.rand(2, 8, 16, generator=torch.Generator().manual_seed(3))
    here, there = (placements(row, (65, 97), 48, (0.8, 1.3)) for row in u)
    points, inside = correspond(here, there, 6)
    sampled = [
        nn.functional.grid_sample(image.expand(8, -1, -1, -1), at, align_corners=True)
        for at in (
            nn.functional.affine_grid(here, [8, 3, 6, 6], align_corners=False),
            torch.einsum("nij,nhwj->nhwi", there[:, :, :2], points) + there[:, None, None, :, 2],
        )
    ]
    assert 0 < inside.float().mean() < 1
    torch.testing.assert_close(
        sampled[0].permute(0, 2, 3, 1)[inside], sampled[1].permute(0, 2, 3, 1)[inside]
    )


def test_relighting_by_nothing_changes_nothing() -> None:
    images = torch.randn(2, 3, 4, 4)
    same = ViewVariation(gain=0, offset=0, tint=0, slope=0, hue=0, grey=0)
    torch.testing.assert_close(relight(images, torch.rand(2, 16), same), images)


def test_a_slope_leaves_the_middle_as_it_is() -> None:
    images = torch.zeros(3, 3, 5, 5)
    lit = relight(images, torch.rand(3, 16), ViewVariation(offset=0, slope=1.0))
    torch.testing.assert_close(lit[..., 2, 2], torch.zeros(3, 3))
    assert (lit[..., 0, 0] + lit[..., 4, 4]).abs().max() < 1e-6
    assert lit.abs().max() > 0


def test_grey_views_have_no_colour() -> None:
    grey = relight(torch.randn(2, 3, 4, 4), torch.rand(2, 16), ViewVariation(grey=1.0, tint=0.0))
    torch.testing.assert_close(grey[:, 0], grey[:, 2])


def test_hidden_patches_are_the_mean_colour() -> None:
    hidden = torch.zeros(1, 2, 2, dtype=torch.bool)
    hidden[0, 0, 1] = True
    shown = hide(torch.ones(1, 3, 8, 8), hidden)
    assert shown[..., :4, 4:].sum() == 0
    assert shown.sum() == 3 * 48


# -------------------------------------------------------------------------- objective


def test_the_loss_falls_and_nothing_collapses() -> None:
    backbone, objective, losses = train(40)
    assert losses[-1] < 0.8 * losses[0]
    stats = objective(backbone, batch()).stats
    assert stats["entropy"] > 0.5
    features = backbone(batch().images.flatten(0, 1)).flatten(0, 2)
    assert (features.std(0) > 1e-3).any()


def test_the_teacher_is_a_moving_average() -> None:
    backbone, objective = make()
    objective(backbone, batch())
    before = objective.teacher.copies("backbone", backbone)["top.weight"].clone()
    with torch.no_grad():
        backbone.top.weight.add_(1.0)
    objective.after_step(backbone, 0, 10)
    after = objective.teacher.copies("backbone", backbone)["top.weight"]
    torch.testing.assert_close(after, before + (1 - TINY.momentum))


def test_at_the_end_the_backbone_is_the_teacher() -> None:
    backbone, objective, _ = train(3)
    copies = objective.teacher.copies("backbone", backbone)
    assert all(torch.equal(copies[name], p) for name, p in backbone.named_parameters())


def test_the_teacher_gets_no_gradient_and_the_student_does() -> None:
    backbone, objective = make()
    objective(backbone, batch()).value.backward()
    assert backbone.stem.weight.grad is not None
    assert all(not copy.requires_grad for copy in objective.teacher.buffers())


def test_a_saved_state_goes_on_with_the_same_loss() -> None:
    backbone, objective, _ = train(3)
    other = SelfDistil(TINY, 16)
    other.load_state_dict(objective.state_dict())
    assert other(backbone, batch()).value == objective(backbone, batch()).value


def test_a_batch_does_not_depend_on_its_order() -> None:
    backbone, objective = make()
    given = batch()
    turned = ClipBatch(
        images=given.images.flip(0), names=[*given.names][::-1], frames=given.frames
    )
    torch.testing.assert_close(objective(backbone, given).value, objective(backbone, turned).value)


def test_small_views_join_the_loss() -> None:
    config = TINY.model_copy(update={"n_local": 2, "local_view": 16})
    _, plain = make()
    backbone, objective = make(config)
    more = objective(backbone, batch()).stats["image"]
    assert more > plain(backbone, batch()).stats["image"]


def test_it_is_an_objective_by_name() -> None:
    entry = objective_entry("selfdistil")
    assert isinstance(entry.build(entry.presets["standard"], 16), SelfDistil)
