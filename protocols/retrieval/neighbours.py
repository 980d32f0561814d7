"""Nearest neighbours by inner product: exact, blocked, in bounded memory; faiss where it helps.

Visual in-context learning (Balazevic et al., Towards In-context Scene Understanding, NeurIPS
2023, arXiv 2306.01667; open-hummingbird-eval of vpariza): a patch takes the labels of the most
similar patches of a memory, weighted by a softmax of their cosine similarity.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from tvseg_bench.benchmark.clustering.faiss_reference import load_faiss
from tvseg_bench.benchmark.errors import UsageError

_QUERIES, _ROWS = 512, 32_768
"""Similarities held at once: 64 MB in float32."""
_QUERIES_CUDA, _ROWS_CUDA = 8_192, 65_536
"""The same on a GPU: 2 GB."""
_TRAIN_ROWS = 64
"""Rows per cell that faiss trains its coarse quantiser on."""


@dataclass(frozen=True, eq=False)
class Neighbours:
    """The k rows of a memory that are most similar to each query, best first."""

    similarity: torch.Tensor
    """[Q, k]; minus infinity where an approximate index found fewer."""
    index: torch.Tensor
    """[Q, k] rows of the memory, int64."""


def nearest(
    queries: torch.Tensor,
    memory: torch.Tensor,
    k: int,
    *,
    blocks: tuple[int, int] | None = None,
) -> Neighbours:
    """Find the k rows of the memory with the largest inner product, exactly.

    Args:
        queries: [Q, D], float32, on the memory's device.
        memory: [N, D], float32.
        k: neighbours per query, 1..N.
        blocks: queries and rows that are compared at once; None = what suits the device.

    Raises:
        UsageError: shapes that do not fit, or k outside 1..N.

    Example:
        >>> memory = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]])
        >>> nearest(torch.tensor([[1.0, 0.0]]), memory, 2).index.tolist()
        [[0, 2]]
    """
    _check(queries, memory, k)
    default = (_QUERIES_CUDA, _ROWS_CUDA) if memory.is_cuda else (_QUERIES, _ROWS)
    step, rows = blocks or default
    room = memory.new_empty(min(step, len(queries)) * min(rows, len(memory)))
    parts = [
        _search(queries[start : start + step], memory, k, rows, room)
        for start in range(0, len(queries), step)
    ]
    if not parts:
        none = queries.new_zeros(0, k)
        return Neighbours(none, none.long())
    return Neighbours(
        torch.cat([p.similarity for p in parts]), torch.cat([p.index for p in parts])
    )


def _search(
    queries: torch.Tensor, memory: torch.Tensor, k: int, rows: int, room: torch.Tensor
) -> Neighbours:
    """Compare one block of queries with the memory, block by block, keeping the best k."""
    best = queries.new_zeros(len(queries), 0)
    index = best.long()
    for start in range(0, len(memory), rows):
        block = memory[start : start + rows]
        similarity = room[: len(queries) * len(block)].view(len(queries), len(block))
        torch.mm(queries, block.T, out=similarity)
        value, at = similarity.topk(min(k, len(block)), dim=1, sorted=False)
        best, index = torch.cat([best, value], 1), torch.cat([index, at + start], 1)
        if best.shape[1] > k:
            best, kept = best.topk(k, dim=1, sorted=False)
            index = index.gather(1, kept)
    best, order = best.sort(dim=1, descending=True, stable=True)
    return Neighbours(best, index.gather(1, order))


def transfer_labels(
    similarity: torch.Tensor, labels: torch.Tensor, temperature: float = 0.02
) -> torch.Tensor:
    """Average the neighbours' labels [..., k, C] by the softmax of their similarity [..., k].

    Example:
        >>> labels = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]])
        >>> transfer_labels(torch.tensor([[0.5, 0.5]]), labels).tolist()
        [[0.5, 0.5]]
    """
    weights = (similarity / temperature).softmax(dim=-1)
    return (weights.unsqueeze(-2) @ labels).squeeze(-2)


def content_order(*columns: torch.Tensor) -> torch.Tensor:
    """Return an order [N] of rows that depends on what they hold and not on where they stand.

    Equally similar rows are kept or dropped by their place: in this order, the place of a row is
    its own and not that of the file it came from.

    Args:
        columns: float32 [N, ...] each; together they make a row.
    """
    total = torch.zeros(len(columns[0]), dtype=torch.int64)
    generator = torch.Generator().manual_seed(0)
    for column in columns:
        bits = column.detach().cpu().contiguous().flatten(1).view(torch.int32)
        # the products wrap around, which is what makes the sum a hash, and an exact one
        factors = torch.randint(2**62, (bits.shape[1],), generator=generator) * 2 + 1
        for start in range(0, len(bits), 16_384):
            part = slice(start, start + 16_384)
            total[part] += (bits[part].to(torch.int64) * factors).sum(1)
    return total.argsort(stable=True)


def merged(keys: torch.Tensor, shares: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Make rows that are equal to the last bit one, with the mean of their labels.

    Args:
        keys: [N, D].
        shares: [N, C].

    Returns:
        [M, D] and [M, C] in `content_order`.

    Example:
        >>> keys, shares = merged(torch.tensor([[2.0], [2.0]]), torch.tensor([[1.0], [0.0]]))
        >>> keys.tolist(), shares.tolist()
        ([[2.0]], [[0.5]])
    """
    order = content_order(keys)
    keys, shares = keys[order], shares[order]
    first = torch.ones(len(keys), dtype=torch.bool)
    first[1:] = (keys[1:] != keys[:-1]).any(1)
    group = first.cumsum(0) - 1
    total = torch.zeros(int(first.sum()), shares.shape[1], dtype=torch.float64)
    total.index_add_(0, group, shares.double())
    count = torch.bincount(group, minlength=len(total))[:, None]
    return keys[first], (total / count).float()


class InvertedFile:
    """An approximate index: faiss's inverted lists, of which the nearest few are searched."""

    def __init__(self, memory: torch.Tensor, cells: int, probes: int, seed: int) -> None:
        faiss = load_faiss("backend=faiss-ivf")
        rows = memory.detach().cpu().contiguous().numpy()
        depth = rows.shape[1]
        self.cells = max(1, min(cells, len(rows) // _TRAIN_ROWS))
        self.probes = min(probes, self.cells)
        quantiser = faiss.IndexFlatIP(depth)
        self._index = faiss.IndexIVFFlat(quantiser, depth, self.cells, faiss.METRIC_INNER_PRODUCT)
        self._index.cp.seed = seed
        self._index.cp.min_points_per_centroid = 1
        self._index.cp.max_points_per_centroid = _TRAIN_ROWS
        self._index.train(rows)
        self._index.add(rows)
        self._index.nprobe = self.probes

    def nearest(self, queries: torch.Tensor, k: int) -> Neighbours:
        """Find about the k nearest rows; where there are fewer, the rest counts for nothing."""
        value, index = self._index.search(queries.detach().cpu().contiguous().numpy(), k)
        similarity, at = torch.from_numpy(value), torch.from_numpy(index)
        similarity = similarity.masked_fill(at < 0, -torch.inf)
        return Neighbours(similarity.to(queries.device), at.clamp(min=0).to(queries.device))


def recall(found: Neighbours, exact: Neighbours) -> float:
    """Return the share of the true neighbours that were found, 0..1.

    A row as similar as the last true neighbour (within 1e-5) is as good.

    Example:
        >>> exact = Neighbours(torch.tensor([[0.9, 0.8]]), torch.tensor([[4, 7]]))
        >>> recall(Neighbours(torch.tensor([[0.9, 0.7]]), torch.tensor([[4, 2]])), exact)
        0.5
    """
    good = found.similarity >= exact.similarity[:, -1:] - 1e-5
    return float(good.double().mean())


def _check(queries: torch.Tensor, memory: torch.Tensor, k: int) -> None:
    if queries.ndim != 2 or memory.ndim != 2 or queries.shape[1] != memory.shape[1]:
        raise UsageError(
            f"queries {list(queries.shape)} and memory {list(memory.shape)} do not fit; "
            "expected [Q, D] and [N, D] of one model"
        )
    if not 1 <= k <= len(memory):
        raise UsageError(f"k={k} neighbours of a memory of {len(memory)}; give 1 to {len(memory)}")
