"""Speed and time left of something that is counted."""

from typing import Any

import pytest

from tvseg_bench.benchmark.cli.pace import Pace


def test_the_time_before_the_first_count_is_left_out(clock: Any) -> None:
    clock.wait(100)
    pace = Pace(8, 208, clock)
    clock.wait(10)
    pace.update(108)
    seen = pace.look()
    assert (seen.done, seen.total, seen.per_s, seen.left_s) == (108, 208, 10.0, 10.0)


def test_nothing_is_said_of_a_speed_from_one_count(clock: Any) -> None:
    pace = Pace(8, 208, clock)
    clock.wait(10)
    seen = pace.look()
    assert (seen.per_s, seen.left_s, seen.idle_s) == (None, None, 10)


def test_the_speed_is_that_of_the_last_looks(clock: Any) -> None:
    pace = Pace(1000, 2000, clock)  # cached ones, which took no time
    done = 1000
    for _ in range(8):
        clock.wait(30)
        done += 30
        pace.update(done)
        seen = pace.look()
    assert seen.per_s == pytest.approx(1)
    for _ in range(8):
        clock.wait(30)
        done += 60
        pace.update(done)
        seen = pace.look()
    assert seen.per_s == pytest.approx(2)
    assert seen.left_s == pytest.approx((2000 - done) / 2)


def test_a_count_that_stands_still_has_no_speed(clock: Any) -> None:
    pace = Pace(0, 100, clock)
    clock.wait(10)
    pace.update(50)
    assert pace.look().per_s == 5
    clock.wait(300)
    seen = pace.look()
    assert (seen.per_s, seen.left_s, seen.idle_s) == (None, None, 300)


def test_without_a_total_only_the_speed_is_known(clock: Any) -> None:
    pace = Pace(1, None, clock)
    clock.wait(4)
    pace.update(9)
    seen = pace.look()
    assert (seen.per_s, seen.left_s) == (2, None)
