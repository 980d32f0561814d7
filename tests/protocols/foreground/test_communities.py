"""Co-occurrence graphs and their communities: laws and closed forms."""

import sys
from importlib.util import find_spec
from pathlib import Path

import networkx as nx
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tvseg_bench.benchmark.errors import MissingExtraError, UsageError
from tvseg_bench.protocols.foreground.communities import (
    NO_PART,
    cooccurrence,
    greedy_modularity,
    infomap_communities,
    neighbours,
    part_graph,
)

quick = settings(max_examples=40, deadline=None)
seeds = st.integers(0, 2**32 - 1)
K = 4


def maps(seed: int, n: int = 3) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.integers(NO_PART, K, (3 + i, 5)) for i in range(n)]


def symmetric(seed: int, k: int = 7) -> np.ndarray:
    weights = np.random.default_rng(seed).random((k, k))
    weights[weights < 0.5] = 0
    return np.triu(weights, 1) + np.triu(weights, 1).T


def cliques(sizes: list[int], bridge: float = 0.05) -> np.ndarray:
    """Cliques in a row, each linked to the next by one weak edge."""
    weights = np.zeros((sum(sizes), sum(sizes)))
    start = 0
    for size in sizes:
        weights[start : start + size, start : start + size] = 1
        if start:
            weights[start - 1, start] = weights[start, start - 1] = bridge
        start += size
    np.fill_diagonal(weights, 0)
    return weights


def modularity(weights: np.ndarray, member: np.ndarray) -> float:
    share = weights / weights.sum()
    same = member[:, None] == member
    return float((same * (share - np.outer(share.sum(0), share.sum(1)))).sum())


@quick
@given(seeds)
def test_cooccurrence_is_that_of_a_loop(seed: int) -> None:
    total, images = np.zeros((K, K)), np.zeros(K)
    for labels in maps(seed):
        counts = np.zeros((K, K))
        for (y, x), here in np.ndenumerate(labels):
            for dy, dx in neighbours("eight"):
                inside = 0 <= y + dy < labels.shape[0] and 0 <= x + dx < labels.shape[1]
                there = labels[y + dy, x + dx] if inside else NO_PART
                if min(here, there) >= 0 and here != there:
                    counts[here, there] += 1
        seen = counts.sum(1)
        total += counts / np.maximum(seen, 1)[:, None]
        images += seen > 0
    expected = total / np.maximum(images, 1)[:, None]
    np.testing.assert_allclose(cooccurrence(maps(seed), K), expected, atol=1e-12)


@quick
@given(seeds, st.permutations(range(K)))
def test_renamed_parts_and_reordered_images_change_nothing(seed: int, names: list[int]) -> None:
    rename = np.array([*names, NO_PART])
    plain = cooccurrence(maps(seed), K)
    renamed = cooccurrence([rename[m] for m in reversed(maps(seed))], K)
    np.testing.assert_allclose(renamed[np.ix_(names, names)], plain, atol=1e-12)


@quick
@given(seeds)
def test_mirrored_images_change_nothing(seed: int) -> None:
    plain = cooccurrence(maps(seed), K)
    np.testing.assert_allclose(cooccurrence([m[:, ::-1] for m in maps(seed)], K), plain)


@quick
@given(seeds)
def test_rows_are_shares(seed: int) -> None:
    rows = cooccurrence(maps(seed), K).sum(axis=1)
    assert all(row == 0 or row == pytest.approx(1) for row in rows)


@pytest.mark.parametrize("shape", [(1, 1), (1, 3), (2, 1)])
def test_images_smaller_than_the_distance(shape: tuple[int, int]) -> None:
    assert cooccurrence([np.zeros(shape, int)], 2).tolist() == [[0, 0], [0, 0]]


def test_only_one_offset_differs_from_what_was_meant() -> None:
    both = (neighbours(angles) for angles in ("eight", "published"))
    differing = [pair for pair in zip(*both, strict=True) if pair[0] != pair[1]]
    assert differing == [((-1, -1), (-2, -1))]
    with pytest.raises(UsageError, match="did you mean 'eight'"):
        neighbours("eigt")  # type: ignore[arg-type]


@quick
@given(seeds, st.floats(0, 1))
def test_a_graph_is_symmetric_and_shrinks_with_its_threshold(seed: int, least: float) -> None:
    occurrence = cooccurrence(maps(seed), K)
    graph = part_graph(occurrence, least)
    np.testing.assert_array_equal(graph, graph.T)
    assert ((graph == 0) | (graph >= least)).all()
    assert (graph <= part_graph(occurrence, 0.0)).all()


# ------------------------------------------------------------------------------- communities


def test_cliques_are_communities() -> None:
    weights = cliques([3, 4, 2])
    assert greedy_modularity(weights, 3).tolist() == [0] * 3 + [1] * 4 + [2] * 2


@quick
@given(seeds, st.integers(1, 7))
def test_there_are_as_many_as_asked_for_even_without_edges(seed: int, n: int) -> None:
    for weights in (symmetric(seed), np.zeros((7, 7))):
        member = greedy_modularity(weights, n)
        assert sorted(set(member.tolist())) == list(range(n))
        assert member[0] == 0


@quick
@given(seeds, st.integers(1, 7))
def test_a_connected_graph_has_the_communities_that_networkx_finds(seed: int, n: int) -> None:
    weights = symmetric(seed)
    graph = nx.from_numpy_array(weights)
    assume(nx.is_connected(graph))
    theirs = nx.community.greedy_modularity_communities(graph, "weight", cutoff=n, best_n=n)
    ours = greedy_modularity(weights, n)
    found = {frozenset(np.flatnonzero(ours == i).tolist()) for i in range(n)}
    assert found == set(map(frozenset, theirs))


@quick
@given(seeds, st.integers(1, 6))
def test_of_mergers_the_one_best_for_modularity_comes_first(seed: int, n: int) -> None:
    weights = symmetric(seed)
    if not weights.any():
        return
    before, after = greedy_modularity(weights, n + 1), greedy_modularity(weights, n)
    best = modularity(weights, after)
    for i in range(n + 1):
        for j in range(i):
            assert modularity(weights, np.where(before == i, j, before)) <= best + 1e-12


def test_no_part_has_no_community() -> None:
    assert greedy_modularity(np.zeros((0, 0)), 2).tolist() == []


def test_infomap_finds_cliques() -> None:
    if find_spec("infomap") is None:  # never imported here: it and faiss crash each other
        pytest.skip("the extra `communities` is not installed")
    runs = infomap_communities(cliques([4, 4, 4]), communities=3, markov_time=1.0, seeds=[0, 3])
    assert [run.tolist() for run in runs] == [[0] * 4 + [1] * 4 + [2] * 4] * 2
    none = infomap_communities(np.zeros((0, 0)), communities=3, markov_time=1.0, seeds=[0])
    assert [run.tolist() for run in none] == [[]]


FAKE = """
class Infomap:
    def __init__(self, options):
        self.options, self.nodes, self.links = options.split(), [], []
    def add_node(self, part):
        self.nodes.append(part)
    def add_link(self, i, j, weight):
        self.links.append((i, j, weight))
    def run(self):
        assert "--two-level" in self.options, self.options
        assert self.links == [(0, 1, 0.5)], self.links
        return self
    def modules(self):
        seed = int(self.options[self.options.index("--seed") + 1])
        return {part: 9 - part // seed for part in self.nodes}
"""


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a package `infomap` on the path that joins as many parts as its seed is large."""
    (tmp_path / "infomap.py").write_text(FAKE, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return tmp_path / "infomap.py"


def test_infomap_is_asked_once_per_seed_and_counts_from_one(fake: Path) -> None:
    weights = np.zeros((4, 4))
    weights[0, 1] = weights[1, 0] = 0.5
    runs = infomap_communities(weights, communities=2, markov_time=2.0, seeds=[0, 1])
    assert [run.tolist() for run in runs] == [[0, 1, 2, 3], [0, 0, 1, 1]]


def test_why_infomap_failed_stands_in_the_error(fake: Path) -> None:
    with pytest.raises(UsageError, match="in the package infomap: AssertionError"):
        infomap_communities(cliques([3]), communities=2, markov_time=2.0, seeds=[0])


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "infomap", None)
    with pytest.raises(MissingExtraError, match=r"'infomap'.*tvseg-bench\[communities\]"):
        infomap_communities(cliques([2, 2]), communities=2, markov_time=1.0, seeds=[0])
