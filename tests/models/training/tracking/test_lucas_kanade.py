"""The built-in tracker against movements that are known exactly."""

import pytest
import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from tvseg_bench.benchmark.data.moving_shapes import generator
from tvseg_bench.models.training.tracking.lucas_kanade import LucasKanade
from tvseg_bench.models.training.tracking.trackers import TRACKERS, grid_queries

SIZE = (64, 80)


def scene(seed: int = 0, side: int = 24) -> Tensor:
    """Return a smooth random texture [1, 3, side, side]."""
    return torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(seed))


def moving(speed: tuple[float, float], n: int = 4) -> Tensor:
    """Return a clip [1, n, 3, H, W] of a texture that moves by `speed` (x, y) pixels a frame."""
    y, x = torch.meshgrid(*(torch.arange(side).float() for side in SIZE), indexing="ij")
    frames = []
    for t in range(n):
        places = torch.stack([x - t * speed[0], y - t * speed[1]], -1) / 48 - 0.7
        frames.append(grid_sample(scene(), places[None], mode="bicubic", align_corners=False))
    return torch.stack(frames, 1)


def test_constant_movement_is_found() -> None:
    speeds = [(1.5, -0.75), (-4.0, 3.0), (0.0, 0.0)]
    clips = torch.cat([moving(speed) for speed in speeds])
    queries = grid_queries(3, 4, (40, 48), torch.device("cpu")) + 12
    tracks, visible = LucasKanade().track(clips, queries)
    assert tracks.shape == (3, 4, 16, 2)
    assert visible.shape == (3, 4, 16)
    steps = torch.arange(4).view(1, 4, 1, 1)
    truth = queries[:, None] + steps * torch.tensor(speeds)[:, None, None]
    assert visible.float().mean() > 0.95
    assert (tracks - truth)[visible].norm(dim=-1).max() < 0.2


def test_clips_do_not_know_of_each_other() -> None:
    clips = torch.cat([moving((1.0, 0.0)), moving((-2.0, 1.0))])
    queries = grid_queries(2, 3, SIZE, clips.device)
    tracks, visible = LucasKanade().track(clips, queries)
    for i in range(2):
        alone = LucasKanade().track(clips[i : i + 1], queries[i : i + 1])
        torch.testing.assert_close(alone[0][0], tracks[i], rtol=0, atol=1e-3)
        assert torch.equal(alone[1][0], visible[i])


def test_what_vanishes_is_not_visible() -> None:
    clip = moving((0.0, 0.0))
    clip[:, 2:] = torch.randn(1, 2, 3, *SIZE, generator=torch.Generator().manual_seed(1))
    queries = grid_queries(1, 5, SIZE, clip.device)
    _, visible = LucasKanade().track(clip, queries)
    assert visible[:, 1].float().mean() > 0.9
    assert visible[:, 2:].float().mean() < 0.2


def test_lost_stays_lost() -> None:
    _, visible = LucasKanade().track(
        moving((9.0, 9.0), 6), grid_queries(1, 5, SIZE, torch.device("cpu"))
    )
    later, earlier = visible[:, 1:], visible[:, :-1]
    assert not bool((later & ~earlier).any())
    assert not bool(visible[:, -1].all())


def test_plain_image_stays() -> None:
    """Where there is no structure, no inverse is taken of nothing."""
    queries = grid_queries(1, 2, SIZE, torch.device("cpu"))
    tracks, visible = LucasKanade().track(torch.ones(1, 3, 3, *SIZE), queries)
    assert torch.equal(tracks, queries[:, None].expand_as(tracks))
    assert bool(visible.all())


def test_named() -> None:
    assert isinstance(TRACKERS["lucas-kanade"](), LucasKanade)


@pytest.mark.parametrize("seed", [300, 302])
def test_points_stay_on_their_shape(seed: int) -> None:
    """Whatever is still visible after six frames of a drawn clip lies on the same object."""
    clip, n = generator.clip(seed), 6
    images = torch.stack([torch.from_numpy(clip.image(t)) for t in range(n)])
    clips = images.permute(0, 3, 1, 2)[None].float() / 255
    assert clip.instance is not None
    objects = torch.stack([torch.from_numpy(clip.instance(t)).long() for t in range(n)])
    queries = grid_queries(1, 16, (clips.shape[-2], clips.shape[-1]), clips.device)
    tracks, visible = LucasKanade().track(clips, queries)

    def under(points: Tensor, t: int) -> Tensor:
        x, y = points.round().long().unbind(-1)
        return objects[t, y, x]

    begin = under(queries[0], 0)
    seen = visible[0, -1] & (begin > 0)
    assert seen.sum() >= 10
    kept = (under(tracks[0, -1][seen], n - 1) == begin[seen]).float().mean()
    shape = begin > 0
    unmoved = (under(queries[0][shape], n - 1) == begin[shape]).float().mean()
    assert kept > 0.95
    assert kept > unmoved + 0.2
