"""The thread behind a line every half minute: it calls, it ends, and it hides nothing."""

import subprocess
import sys
import threading

import pytest

from tvseg_bench.benchmark.cli.heartbeat import Heartbeat


def thread_of(heartbeat: Heartbeat) -> threading.Thread:
    return heartbeat._thread


def test_it_calls_again_and_again_until_the_block_ends() -> None:
    calls: list[int] = []
    third = threading.Event()

    def beat() -> None:
        calls.append(len(calls))
        if len(calls) == 3:
            third.set()

    with Heartbeat(beat, interval_s=0.001) as heartbeat:
        assert third.wait(60)
    thread_of(heartbeat).join(60)
    assert not thread_of(heartbeat).is_alive()
    assert calls == list(range(len(calls)))


def test_it_does_not_call_before_the_first_interval_is_over() -> None:
    calls: list[int] = []
    with Heartbeat(lambda: calls.append(0), interval_s=3600) as heartbeat:
        assert thread_of(heartbeat).is_alive()
    assert calls == []
    assert not thread_of(heartbeat).is_alive()


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError, SystemExit])
def test_an_error_ends_it_and_goes_on(error: type[BaseException]) -> None:
    heartbeat = Heartbeat(lambda: None, interval_s=3600)
    with pytest.raises(error), heartbeat:
        raise error
    assert not thread_of(heartbeat).is_alive()


def test_a_closed_pipe_ends_it() -> None:
    def beat() -> None:
        raise BrokenPipeError

    heartbeat = Heartbeat(beat, interval_s=0.001)
    with heartbeat:
        thread_of(heartbeat).join(60)
        assert not thread_of(heartbeat).is_alive()


def test_it_keeps_no_process_alive() -> None:
    code = (
        "from tvseg_bench.benchmark.cli.heartbeat import Heartbeat\n"
        "Heartbeat(lambda: None, 3600).__enter__()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stderr) == (0, "")
