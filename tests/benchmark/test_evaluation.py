"""What the contract of a protocol brings of its own."""

from collections.abc import Callable

from tvseg_bench.benchmark.evaluation import SharedCache


def test_what_fits_is_made_once_and_the_rest_every_time() -> None:
    made: list[str] = []
    shared = SharedCache(limit=10)

    def make(name: str) -> Callable[[], str]:
        return lambda: made.append(name) or name  # type: ignore[func-returns-value]

    for _ in range(3):
        assert shared.get("a", make("a"), lambda _: 6) == "a"
        assert shared.get("b", make("b"), lambda _: 6) == "b"
        assert shared.get("c", make("c"), lambda _: 4) == "c"
    assert made == ["a", "b", "c", "b", "b"]
    assert shared.used == 10
    assert "b" not in shared
