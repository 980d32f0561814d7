"""Several processes leave a run together, and one that fails keeps no other waiting."""

import os
import socket
import subprocess
import sys
from collections.abc import Sequence

import pytest
from torch import distributed

from tvseg_bench.models.training.processes import Processes, processes

SCRIPT = """
import sys

from tvseg_bench.models.training.processes import processes

with processes("cpu") as ranks:
    ranks.merged({str(ranks.rank): "here"})
    if ranks.first and sys.argv[1] == "fails":
        raise SystemExit("the first fails")
print(f"process {ranks.rank} has left")
"""


def both(what: str) -> Sequence[tuple[int, str]]:
    """Return exit code and output of two processes."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", SCRIPT, what],
            env={**shared, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in range(2)
    ]
    try:
        printed = [run.communicate(timeout=600)[0] for run in runs]
    finally:
        for run in runs:
            run.kill()
    return [(run.returncode, text) for run, text in zip(runs, printed, strict=True)]


@pytest.mark.slow
def test_two_processes_leave_and_end() -> None:
    for rank, (code, text) in enumerate(both("ends")):
        assert code == 0, text
        assert f"process {rank} has left" in text


@pytest.mark.slow
def test_one_that_fails_keeps_no_other_waiting() -> None:
    first, second = both("fails")
    assert first[0] == 1
    assert "the first fails" in first[1]
    assert second[0] == 0, second[1]
    assert "process 1 has left" in second[1]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Be the second of two processes, of which only the calls are real."""
    called: list[str] = []
    for name, value in (("WORLD_SIZE", "2"), ("LOCAL_RANK", "1")):
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(
        distributed, "init_process_group", lambda kind, timeout: called.append(kind)
    )
    monkeypatch.setattr(distributed, "get_rank", lambda: 1)
    for name in ("barrier", "destroy_process_group"):
        monkeypatch.setattr(distributed, name, lambda name=name: called.append(name))
    return called


def test_a_process_waits_for_the_others_before_it_leaves(calls: list[str]) -> None:
    with processes("cpu") as ranks:
        assert ranks == Processes(1, 2, 1)
        assert calls == ["gloo"]
    assert calls == ["gloo", "barrier", "destroy_process_group"]


def test_a_process_that_fails_leaves_at_once(calls: list[str]) -> None:
    with pytest.raises(OSError, match="disk"), processes("cpu"):
        raise OSError("disk")
    assert calls == ["gloo", "destroy_process_group"]


def test_the_failure_of_another_at_the_end_is_its_own(
    calls: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def closed() -> None:
        raise RuntimeError("Connection closed by peer")

    monkeypatch.setattr(distributed, "barrier", closed)
    with processes("cpu"):
        pass
    assert calls == ["gloo", "destroy_process_group"]


def test_one_process_alone_waits_for_none(
    calls: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WORLD_SIZE")
    with processes("cpu") as ranks:
        assert ranks == Processes()
        ranks.wait()
    assert calls == []
