import threading
from collections.abc import Generator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tvseg_bench.benchmark.features.prefetch import prefetched


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 5), max_size=30), st.integers(0, 12))
def test_every_item_comes_once_and_in_order(items, limit):
    def weigh(item: int) -> int:
        return item

    assert list(prefetched(lambda stop: (item for item in items), weigh, limit)) == items


@pytest.mark.parametrize(("limit", "ahead"), [(0, 1), (1, 1), (4, 4), (5, 5)])
def test_no_more_is_drawn_ahead_than_the_limit_allows(limit, ahead):
    drawn: list[int] = []
    enough = threading.Event()

    def items(stop: threading.Event) -> Generator[int, None, None]:
        for i in range(100):
            drawn.append(i)
            if i == 1 + ahead:
                enough.set()
            yield i

    results = prefetched(items, lambda item: 1, limit)
    assert next(results) == 0
    assert enough.wait(timeout=60)  # the items that wait, and one in the hand
    assert len(drawn) == 2 + ahead
    results.close()


def test_an_error_comes_unchanged_after_the_items_before_it():
    error = ValueError("third")

    def items(stop: threading.Event) -> Generator[int, None, None]:
        yield 1
        yield 2
        raise error

    seen: list[int] = []
    with pytest.raises(ValueError) as raised:
        seen.extend(prefetched(items, lambda item: 1, 10))
    assert raised.value is error
    assert seen == [1, 2]


def test_closing_stops_and_closes_the_generator_in_its_own_thread():
    closed_in: list[threading.Thread] = []
    stopped: list[bool] = []

    def items(stop: threading.Event) -> Generator[int, None, None]:
        try:
            yield from range(10**9)
        finally:
            closed_in.append(threading.current_thread())
            stopped.append(stop.is_set())

    before = set(threading.enumerate())
    results = prefetched(items, lambda item: 1, 3)
    assert next(results) == 0
    results.close()
    assert stopped == [True]
    assert closed_in[0] is not threading.current_thread()
    assert set(threading.enumerate()) == before


def test_nothing_runs_before_the_first_item_is_asked_for():
    def items(stop: threading.Event) -> Generator[int, None, None]:
        raise AssertionError
        yield

    before = set(threading.enumerate())
    results = prefetched(items, lambda item: 1, 3)
    assert set(threading.enumerate()) == before
    results.close()
