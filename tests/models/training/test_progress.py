"""What a training shows where there is no terminal."""

from datetime import datetime

import pytest

from tvseg_bench.benchmark.cli.console import progress_console
from tvseg_bench.models.training.progress import LinesOfTraining, training_progress


class FakeClock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def row(step: int, **more: float) -> dict[str, float | None]:
    return {"step": step, "epoch": step // 10, "loss": 1.25, "clips_per_s": 8.0, **more}


def test_lines_say_step_epoch_loss_speed_and_time_left(
    capsys: pytest.CaptureFixture[str],
) -> None:
    clock = FakeClock()
    lines = LinesOfTraining(
        progress_console("lines"), clock, lambda: datetime(2026, 5, 4, 12, 0, 7)
    )
    clock.seconds = 30
    lines.beat()
    lines.on_start(10, 100, 7)
    lines.beat()
    for step in range(10, 40):
        clock.seconds += 1
        lines.on_step(step, row(step))
    lines.beat()
    clock.seconds += 90  # a validation
    lines.beat()
    lines.on_validation(40, {"kmeans-clip/miou": 0.5})
    for step in range(40, 100):
        lines.on_step(step, row(step, entropy=0.5))
    assert capsys.readouterr().err.splitlines() == [
        "[12:00:07, 30 s in] the backbone and the clips are opened",
        "7 clips, 100 steps from step 10",
        "[12:00:07, 30 s in] 10 of 100 steps (10 %)",
        "[12:00:07, 60 s in] 40 of 100 steps (40 %), 1 steps/s, 60 s left; "
        "epoch 3, loss 1.25, clips_per_s 8",
        "[12:00:07, 2 min 30 s in] 40 of 100 steps (40 %), none for 90 s; "
        "epoch 3, loss 1.25, clips_per_s 8",
        "after step 40: kmeans-clip/miou 0.5000",
        "[12:00:07, 2 min 30 s in] all 100 steps; epoch 9, loss 1.25, entropy 0.5, clips_per_s 8",
    ]


@pytest.mark.parametrize(
    ("wanted", "printed"), [(None, ""), ("none", "3 clips, 9 steps\n"), ("bar", "training")]
)
def test_what_is_shown(
    wanted: str | None, printed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with training_progress(wanted) as callbacks:
        callbacks.on_start(0, 9, 3)
        callbacks.on_step(0, row(0))
    shown = capsys.readouterr().err
    assert printed in shown
    assert ("\x1b" in shown) == (wanted == "bar")
    assert (shown == "") == (wanted is None)
