from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tvseg_bench.models.training.data.sampling import choose_frames, clip_order, generator

RULES = st.sampled_from(["uniform", "dense", "regular", "equidistant"])


@given(st.integers(1, 40), st.integers(1, 12), RULES, st.integers(1, 7), st.integers(0, 9))
def test_frames_are_sorted_and_in_the_clip(
    n: int, wanted: int, rule: str, stride: int, seed: int
) -> None:
    frames = choose_frames(n, wanted, rule, generator(seed), stride=stride)
    assert len(frames) == wanted
    assert list(frames) == sorted(frames)
    assert all(0 <= t < n for t in frames)
    assert frames == choose_frames(n, wanted, rule, generator(seed), stride=stride)


@given(st.integers(8, 40), st.integers(1, 8), st.integers(0, 9))
def test_a_long_clip_gives_each_frame_once(n: int, wanted: int, seed: int) -> None:
    for rule in ("uniform", "dense", "equidistant"):
        frames = choose_frames(n, wanted, rule, generator(seed))
        assert len(set(frames)) == wanted
    dense = choose_frames(n, wanted, "dense", generator(seed))
    assert dense[-1] - dense[0] == wanted - 1


def test_regular_frames_are_a_stride_apart_and_the_last_is_repeated() -> None:
    assert choose_frames(5, 4, "regular", generator(0), stride=3) == (0, 3, 4, 4)
    frames = choose_frames(30, 4, "regular", generator(1), stride=3)
    assert {b - a for a, b in pairwise(frames)} == {3}


@given(st.integers(1, 50), st.integers(0, 5), st.integers(0, 5))
def test_an_epoch_shows_every_clip_once(n: int, epoch: int, seed: int) -> None:
    assert sorted(clip_order(n, epoch, seed)) == list(range(n))


def test_epochs_and_seeds_differ() -> None:
    orders = {tuple(clip_order(20, e, s)) for e in range(3) for s in range(3)}
    assert len(orders) == 9
