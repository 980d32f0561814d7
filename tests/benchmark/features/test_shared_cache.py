from __future__ import annotations

from types import SimpleNamespace

from tvseg_bench.benchmark.features.shared_cache import SharedCache, memo_of


def test_what_fits_is_made_once_and_the_rest_every_time():
    memo, made = SharedCache(limit=10), []

    def make(name):
        return lambda: made.append(name) or name

    for _ in range(3):
        assert memo.get("a", make("a"), lambda _: 6) == "a"
        assert memo.get("b", make("b"), lambda _: 6) == "b"
        assert memo.get("c", make("c"), lambda _: 4) == "c"
    assert made == ["a", "b", "c", "b", "b"]
    assert memo.used == 10
    assert "b" not in memo


def test_features_bring_their_memo_or_get_one_that_keeps_nothing():
    memo = SharedCache()
    assert memo_of(SimpleNamespace(memo=memo)) is memo
    alone = memo_of(object())
    assert alone.get("x", lambda: 1, lambda _: 1) == 1
    assert "x" not in alone
    assert memo_of(object(), 5).limit == 5
