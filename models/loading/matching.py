"""Finding a backbone among the tensors of a file: the prefix below which its names stand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from tvseg_bench.benchmark.errors import ModelError
from tvseg_bench.models.loading.naming import Naming

if TYPE_CHECKING:
    from torch import Tensor

_MAX_PREFIXES = 16
"""Places that are compared in full; a backbone has nearly all names below one prefix."""


@dataclass(kw_only=True)
class PrefixMatch:
    """How the names and shapes below one prefix agree with those that are wanted."""

    prefix: str
    found: dict[str, Tensor] = field(default_factory=dict)
    """The wanted tensors, by the backbone's own names."""
    sources: set[str] = field(default_factory=set)
    """The renamed names below the prefix that were used."""
    missing: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)

    @property
    def matched(self) -> int:
        """How many of the wanted tensors are there."""
        return len(self.found)

    @property
    def is_complete(self) -> bool:
        """Whether all wanted tensors are there, and nothing that may not stand beside them."""
        return not (self.missing or self.wrong or self.unexpected)

    def has(self, name: str) -> bool:
        """Whether a renamed name of the file was used."""
        return name.startswith(self.prefix) and name[len(self.prefix) :] in self.sources


def rename_all(path: Path, tensors: Mapping[str, Tensor], naming: Naming) -> dict[str, Tensor]:
    """Return the tensors of a file under timm's names.

    Raises:
        ModelError: if two of them get the same name.
    """
    named = {naming.rename(name): tensor for name, tensor in tensors.items()}
    if len(named) < len(tensors):
        counts = Counter(naming.rename(name) for name in tensors)
        double = next(name for name, count in counts.items() if count > 1)
        raise ModelError(f"{path} holds two tensors for {double}; it was put together wrongly")
    return named


def prefixes_of(tensors: Iterable[str], wanted: Mapping[str, object]) -> list[str]:
    """Return where wanted names may stand in the file, most names first.

    Example:
        >>> prefixes_of(["a.module.norm.weight", "a.module.norm.bias"], {"norm.weight": 0})
        ['a.module.']
    """
    counts: Counter[str] = Counter()
    for key in tensors:
        start = 0
        while start >= 0:
            if key[start:] in wanted:
                counts[key[:start]] += 1
            start = key.find(".", start) + 1 or -1
    return sorted(counts, key=lambda prefix: (-counts[prefix], prefix))[:_MAX_PREFIXES]


def match_below(
    tensors: Mapping[str, Tensor],
    wanted: Mapping[str, Tensor],
    prefix: str,
    naming: Naming,
    ignore: Sequence[str],
) -> PrefixMatch:
    """Compare what stands below one prefix of a file with what is wanted.

    Args:
        wanted: the backbone's own tensors by name; names, shapes and kinds are compared.
        prefix: dots included; "" is the file itself.
        ignore: patterns of names that may stand beside the backbone's.
    """
    raw = {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }
    below = naming.finish(raw, wanted)
    match = PrefixMatch(prefix=prefix)
    for name, tensor in wanted.items():
        found = below.get(name)
        if found is None:
            match.missing.append(with_shape(name, tensor))
        elif not _fits(found, tensor):
            match.wrong.append(f"{with_shape(name, found)} for {list(tensor.shape)}")
        else:
            match.found[name] = found
    for name, tensor in below.items():
        if name not in wanted and not any(fnmatchcase(name, pattern) for pattern in ignore):
            match.unexpected.append(with_shape(name, tensor))
    match.sources = {name for name in raw if name in wanted or name not in below}
    return match


def _fits(found: Tensor, wanted: Tensor) -> bool:
    same_kind = found.is_floating_point() == wanted.is_floating_point()
    return found.shape == wanted.shape and same_kind


def preferred(
    places: Sequence[PrefixMatch], prefer: Sequence[str], wanted: int
) -> list[PrefixMatch]:
    """Return the place that is meant where a file holds several, none without a preference.

    It is meant even if it is damaged: a complete student must not stand in for a broken teacher.

    Args:
        prefer: beginnings of the prefix, in the order in which they are tried.
        wanted: the number of tensors; a place with half of them or fewer is passed over.
    """
    for beginning in prefer:
        there = [place for place in places if place.prefix.startswith(beginning)]
        best = max(there, key=lambda m: (m.is_complete, m.matched), default=None)
        if best is not None and 2 * best.matched > wanted:
            return [best]
    return []


def only_one(path: Path, complete: Sequence[PrefixMatch]) -> PrefixMatch:
    """Return the backbone of a file, which may hold equal copies but not different ones.

    Raises:
        ModelError: if the complete matches differ in a value.
    """
    first, *others = complete
    for other in others:
        pairs = ((first.found[name], other.found[name]) for name in first.found)
        if not all(a.float().equal(b.float()) for a, b in pairs):
            places = " and ".join(repr(match.prefix) for match in complete)
            raise ModelError(
                f"{path} holds several different backbones, below {places}; save the one you "
                "mean in a file of its own"
            )
    return first


def with_shape(name: str, tensor: Tensor) -> str:
    """Return `norm.bias [384]`."""
    return f"{name} {list(tensor.shape)}"
