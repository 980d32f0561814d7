"""Exact and approximate neighbours, and the labels that they hand on."""

import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import normalize

from tvseg_bench.benchmark.errors import MissingExtraError, UsageError
from tvseg_bench.protocols.retrieval.neighbours import (
    InvertedFile,
    content_order,
    nearest,
    recall,
    transfer_labels,
)


def rows(n: int, seed: int, depth: int = 6) -> torch.Tensor:
    drawn = torch.randn(n, depth, generator=torch.Generator().manual_seed(seed))
    return normalize(drawn, dim=-1)


@settings(deadline=None, max_examples=40)
@given(
    st.integers(1, 40),
    st.integers(1, 60),
    st.integers(1, 60),
    st.tuples(st.integers(1, 50), st.integers(1, 70)),
    st.integers(0, 99),
)
def test_the_blocks_change_nothing(
    n: int, size: int, k: int, blocks: tuple[int, int], seed: int
) -> None:
    queries, memory, k = rows(n, seed), rows(size, seed + 1), min(k, size)
    found = nearest(queries, memory, k, blocks=blocks)
    every = (queries @ memory.T).sort(dim=1, descending=True)
    np.testing.assert_allclose(found.similarity, every.values[:, :k], atol=1e-6)
    assert {*map(len, map(set, found.index.tolist()))} <= {k}
    taken = (queries[:, None] * memory[found.index]).sum(-1)
    np.testing.assert_allclose(taken, found.similarity, atol=1e-6)


def test_no_query_has_no_neighbours() -> None:
    assert nearest(rows(3, 0)[:0], rows(4, 1), 2).index.shape == (0, 2)


def test_what_cannot_be_searched_is_said() -> None:
    with pytest.raises(UsageError, match="k=5 neighbours of a memory of 4; give 1 to 4"):
        nearest(rows(1, 0), rows(4, 1), 5)
    with pytest.raises(UsageError, match="do not fit"):
        nearest(rows(1, 0, depth=3), rows(4, 1), 1)


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 8), st.integers(2, 5), st.integers(0, 99))
def test_votes_are_shares(k: int, classes: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.rand(3, k, classes, generator=generator)
    labels /= labels.sum(-1, keepdim=True)
    similarity = torch.rand(3, k, generator=generator) * 2 - 1
    votes = transfer_labels(similarity, labels)
    np.testing.assert_allclose(votes.sum(-1), 1, atol=1e-5)
    order = torch.randperm(k, generator=generator)
    moved = transfer_labels(similarity[:, order], labels[:, order])
    np.testing.assert_allclose(moved, votes, atol=1e-6)
    missing = torch.cat([similarity, torch.full((3, 1), -torch.inf)], 1)
    padded = torch.cat([labels, torch.ones(3, 1, classes)], 1)
    np.testing.assert_allclose(transfer_labels(missing, padded), votes, atol=1e-6)


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 30), st.integers(0, 99))
def test_the_order_of_rows_is_their_own(n: int, seed: int) -> None:
    x = rows(n, seed)
    x = torch.cat([x, x[: n // 2]])
    y = torch.arange(len(x)).remainder(3).float()[:, None]
    shuffled = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))
    first, second = content_order(x, y), content_order(x[shuffled], y[shuffled])
    np.testing.assert_array_equal(x[first], x[shuffled][second])
    np.testing.assert_array_equal(y[first], y[shuffled][second])


def test_an_inverted_file_that_looks_everywhere_is_exact() -> None:
    memory, queries = rows(700, 0), rows(20, 1)
    exact = nearest(queries, memory, 5)
    whole = InvertedFile(memory, cells=8, probes=8, seed=0)
    assert recall(whole.nearest(queries, 5), exact) == 1
    part = InvertedFile(memory, cells=8, probes=1, seed=0)
    assert 0.2 < recall(part.nearest(queries, 5), exact) < 1
    again = InvertedFile(memory, cells=8, probes=1, seed=0)
    np.testing.assert_array_equal(again.nearest(queries, 5).index, part.nearest(queries, 5).index)


def test_an_inverted_file_says_where_it_found_too_few() -> None:
    few = InvertedFile(rows(130, 0), cells=2, probes=1, seed=0).nearest(rows(3, 1), 130)
    assert torch.isinf(few.similarity).any()
    assert (few.index >= 0).all()


def test_without_faiss_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(MissingExtraError, match=r"backend=faiss-ivf.*tvseg-bench\[cpu\]"):
        InvertedFile(rows(130, 0), cells=2, probes=1, seed=0)
