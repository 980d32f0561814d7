"""`retrieval`: dense nearest-neighbour retrieval, also called visual in-context learning.

Nothing is trained: every patch takes the labels of the most similar patches of a memory made of
other clips (Balazevic et al., NeurIPS 2023, arXiv 2306.01667; open-hummingbird-eval of vpariza).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import normalize

from tvseg_bench.benchmark.devices import resolve_device
from tvseg_bench.benchmark.evaluation import Needs, RunContext
from tvseg_bench.benchmark.types import ClipFeatures, Dataset, FeatureSet, Score, View
from tvseg_bench.protocols.common.labelled_patches import Patches, collect
from tvseg_bench.protocols.common.splits import fraction
from tvseg_bench.protocols.common.supervised import (
    TrainingClips,
    check_labelled,
    evaluate,
    two_or_more,
    upsampled_argmax,
)
from tvseg_bench.protocols.retrieval import RetrievalConfig, neighbours

_VOTES = 1 << 24
"""Numbers of neighbours' labels that are gathered at once: 64 MB."""


@dataclass(frozen=True)
class Retrieval:
    """The protocol: fill a memory, look every patch up, score."""

    config: RetrievalConfig
    needs = Needs(training=True, passes=2)

    def view(self, dataset: Dataset) -> View:
        """Return what the model is shown."""
        return self.config.view(dataset)

    def check_dataset(self, dataset: Dataset) -> None:
        """Raise NotApplicableError where there is nothing to learn from or to score."""
        check_labelled(dataset)

    def evaluate(self, features: FeatureSet, run: RunContext) -> Score:
        """Remember the training clips, or each half of the clips for the other, and score."""
        return evaluate(features, self.config, partial(self._remember, device=run.device), run)

    def _remember(self, training: TrainingClips, device: str) -> Memory:
        config = self.config
        chosen = fraction(training.features, config.fraction, training.seed)
        patches = collect(
            chosen,
            training.kind,
            training.seed,
            limit=None if config.memory_size == "all" else config.memory_size,
            pick=config.pick,
            void=config.void,
            masks=config.memory_masks,
        )
        two_or_more(patches.labels, chosen)
        return fill_memory(patches, config, training.seed, resolve_device(device), len(chosen))


@dataclass
class Memory:
    """Patches of unit length with the shares of their labels, ready to be asked."""

    config: RetrievalConfig
    labels: NDArray[np.int64]
    """[C]"""
    keys: torch.Tensor
    """[N, D] of unit length."""
    shares: torch.Tensor
    """[N, C]"""
    approximate: neighbours.InvertedFile | None = None
    details: dict[str, Any] = field(default_factory=dict)
    _compared: list[tuple[int, float]] = field(default_factory=list)

    def votes(self, tokens: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
        """Return the shares [..., C] of labels that the neighbours of tokens [..., D] vote for."""
        flat = torch.from_numpy(tokens.reshape(-1, tokens.shape[-1]).astype(np.float32))
        queries = normalize(flat.to(self.keys.device), dim=-1)
        found = self._nearest(queries)
        step = max(1, _VOTES // (found.index.shape[1] * self.shares.shape[1]))
        parts = [
            neighbours.transfer_labels(
                found.similarity[i : i + step],
                self.shares[found.index[i : i + step]],
                self.config.temperature,
            )
            for i in range(0, max(1, len(queries)), step)
        ]
        votes: NDArray[np.float32] = torch.cat(parts).cpu().numpy()
        return votes.reshape(*tokens.shape[:-1], self.shares.shape[1])

    def maps(
        self, clip: ClipFeatures, sizes: Sequence[tuple[int, int]]
    ) -> Iterator[NDArray[np.int64]]:
        """Yield the labels of one frame after the other, at the sizes given."""
        for frame, size in zip(self.votes(clip.tokens), sizes, strict=True):
            yield self.labels[upsampled_argmax(frame, size)]

    def _nearest(self, queries: torch.Tensor) -> neighbours.Neighbours:
        k = min(self.config.k, len(self.keys))
        if self.approximate is None:
            return neighbours.nearest(queries, self.keys, k)
        found = self.approximate.nearest(queries, k)
        self._compare(queries, found, k)
        return found

    def _compare(self, queries: torch.Tensor, found: neighbours.Neighbours, k: int) -> None:
        """Compare the first queries with the exact search, and note the share that was found."""
        left = self.config.recall_queries - sum(n for n, _ in self._compared)
        if left <= 0:
            return
        some = slice(0, left)
        share = neighbours.recall(
            neighbours.Neighbours(found.similarity[some], found.index[some]),
            neighbours.nearest(queries[some], self.keys, k),
        )
        self._compared.append((len(queries[some]), share))
        n = sum(n for n, _ in self._compared)
        self.details["recall_queries"] = n
        self.details["recall"] = sum(n_i * share for n_i, share in self._compared) / n


def fill_memory(
    patches: Patches, config: RetrievalConfig, seed: int, device: torch.device, clips: int
) -> Memory:
    """Return the memory of some patches; their order makes no difference."""
    keys, shares = (
        normalize(torch.from_numpy(patches.tokens), dim=-1),
        torch.from_numpy(patches.shares),
    )
    if config.duplicates == "merge":
        keys, shares = neighbours.merged(keys, shares)
    else:
        order = neighbours.content_order(keys, shares)
        keys, shares = keys[order], shares[order]
    details: dict[str, Any] = {
        "clips_used": clips,
        "frames": patches.frames,
        "labels": patches.labels.tolist(),
        "memory": len(keys),
        "patches": len(patches.tokens),
        "patches_seen": patches.seen,
        "draws": "numpy PCG64 of [seed, frame, *clip name]",
        "k": min(config.k, len(keys)),
    }
    index = None
    if config.backend == "faiss-ivf":
        index = neighbours.InvertedFile(keys, config.cells, config.probes, seed)
        details |= {"cells": index.cells, "probes": index.probes}
    return Memory(config, patches.labels, keys.to(device), shares.to(device), index, details)
