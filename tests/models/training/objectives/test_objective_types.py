"""A batch moves to a device with everything that a step computes with."""

import torch

from tvseg_bench.models.training.objectives.objective_types import ClipBatch


def test_a_batch_moves_with_its_tracks() -> None:
    batch = ClipBatch(
        images=torch.zeros(1, 2, 3, 4, 4),
        names=["a"],
        frames=[(0, 1)],
        tracks=torch.zeros(1, 2, 5, 2),
        repeatable=True,
    )
    assert batch.to(torch.device("cpu")) is batch
    moved = batch.to(torch.device("meta"))
    assert moved.tracks is not None
    assert {moved.images.device.type, moved.tracks.device.type} == {"meta"}
    assert (moved.visible, moved.names, moved.frames) == (None, ["a"], [(0, 1)])
    assert moved.repeatable
