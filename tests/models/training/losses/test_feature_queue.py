"""The queue against a list."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from tvseg_bench.models.training.losses.feature_queue import FeatureQueue, drawn_rows


@given(st.integers(1, 8), st.lists(st.integers(0, 10), max_size=6))
def test_newest_first(size: int, pushes: list[int]) -> None:
    queue, newest, value = FeatureQueue(size, 2), [], 0
    for n in pushes:
        rows = torch.arange(value + 1, value + n + 1).float()[:, None].expand(-1, 2)
        value += n
        queue.push(rows)
        newest = [*rows[:, 0].tolist(), *newest][:size]
        assert queue.rows[: len(newest), 0].tolist() == newest
        assert queue.full == (len(newest) == size)


@given(st.integers(1, 9), st.integers(0, 12))
def test_no_row_is_drawn_twice(n: int, drawn: int) -> None:
    rows = drawn_rows(torch.arange(n).float()[:, None], drawn)
    assert len(rows) == min(n, drawn)
    assert len(set(rows.flatten().tolist())) == len(rows)


def test_draws_follow_the_seed() -> None:
    rows = torch.arange(50.0)[:, None]
    torch.manual_seed(4)
    first = drawn_rows(rows, 10)
    torch.manual_seed(4)
    assert torch.equal(drawn_rows(rows, 10), first)


def test_is_part_of_the_state() -> None:
    queue = FeatureQueue(3, 2)
    queue.push(torch.randn(2, 2))
    again = FeatureQueue(3, 2)
    again.load_state_dict(queue.state_dict())
    assert torch.equal(again.rows, queue.rows)
