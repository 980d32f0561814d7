"""Feature sets made of others: some clips, several sets in a row, masked, without tokens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tvseg_bench.benchmark.types import ClipFeatures, Dataset, FeatureSet, View

_SPARSE = 8
"""Of how many clips one is read before a subset walks past the others."""


@dataclass(eq=False)
class Subset:
    """Some clips of a feature set, as a feature set of their own."""

    inner: FeatureSet
    positions: tuple[int, ...]
    """Ascending indices into `inner`."""
    dataset: Dataset = field(init=False)
    view: View = field(init=False)
    patch_size: int = field(init=False)

    def __post_init__(self) -> None:
        whole = self.inner.dataset
        clips = [whole.clips[i] for i in self.positions]
        self.dataset = replace(whole, clips=clips)
        self.view, self.patch_size = self.inner.view, self.inner.patch_size

    def __len__(self) -> int:
        return len(self.positions)

    def __getitem__(self, index: int) -> ClipFeatures:
        return replace(self.inner[self.positions[index]], index=range(len(self))[index])

    def __iter__(self) -> Iterator[ClipFeatures]:
        """Yield the clips; unless few are wanted, the forward pass runs ahead to the last."""
        if len(self) * _SPARSE < len(self.inner):
            yield from (self[i] for i in range(len(self)))
            return
        place = {position: i for i, position in enumerate(self.positions)}
        last = max(place, default=-1)
        for position, clip in enumerate(islice(self.inner, last + 1)):
            if position in place:
                yield replace(clip, index=place[position])


@dataclass(frozen=True)
class ClipsOf:
    """The clips of several feature sets, one set after the other; may be iterated repeatedly."""

    parts: tuple[FeatureSet, ...]

    def __iter__(self) -> Iterator[ClipFeatures]:
        return chain.from_iterable(self.parts)


class MaskedFeatures:
    """Features that are 0 outside of masks.

    Args:
        masks: [T, rows, cols] of each clip, true where its features stay.
    """

    def __init__(self, features: FeatureSet, masks: Sequence[NDArray[np.bool_]]) -> None:
        self.dataset: Dataset = features.dataset
        self.view: View = features.view
        self.patch_size = features.patch_size
        self._features = features
        self._masks = masks

    def __len__(self) -> int:
        return len(self._features)

    def __getitem__(self, index: int) -> ClipFeatures:
        return self._masked(self._features[index], index)

    def __iter__(self) -> Iterator[ClipFeatures]:
        return (self._masked(clip, i) for i, clip in enumerate(self._features))

    def _masked(self, clip: ClipFeatures, index: int) -> ClipFeatures:
        return replace(clip, tokens=clip.tokens * self._masks[index][..., None])


def without_tokens(clip: ClipFeatures) -> ClipFeatures:
    """Drop the raw tokens, so that a list of clips costs no memory; a view would hold them."""
    return replace(clip, tokens=clip.tokens[:0].copy(), attention=None)
