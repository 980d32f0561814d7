"""Two processes that hold half of a step's clips each, against one that holds all."""

import subprocess
import sys
from pathlib import Path

import torch

from tvseg_bench.models.training.losses.collectives import (
    gathered,
    largest,
    n_processes,
    process_group,
    summed,
)
from tvseg_bench.tests.models.training import objective_process


def test_two_processes_take_the_step_of_one(tmp_path: Path) -> None:
    command = [sys.executable, objective_process.__file__]
    running = [subprocess.Popen([*command, str(i), "2", str(tmp_path)]) for i in range(2)]
    single = objective_process.results(0, 1)
    assert [process.wait(120) for process in running] == [0, 0]
    for rank in range(2):
        found = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        assert found.keys() == single.keys()
        for name, value in found.items():
            torch.testing.assert_close(
                value, single[name], rtol=1e-4, atol=1e-6, msg=lambda m, n=name: f"{n}: {m}"
            )


def test_a_single_process_has_nothing_to_exchange() -> None:
    values = torch.randn(3)
    assert process_group() is None
    assert n_processes(None) == 1
    assert summed(values, None) is values
    assert largest(values, None) is values
    assert torch.equal(gathered(values, None), values)
