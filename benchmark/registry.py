"""One small registry for models, protocols and data sets; built-ins go through it like plugins.

A registry is a dict with good manners: an unknown name is answered with the nearest known ones,
a name given twice is refused with both places named, and scanning entry points imports nothing.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from tvseg_bench.benchmark.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic import BaseModel

    from tvseg_bench.benchmark.types import (
        Dataset,
        DatasetCard,
        FeatureModel,
        FeatureSet,
        ModelCard,
        Score,
        View,
    )

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class ModelEntry:
    """A model that can be listed without torch and built when it is needed."""

    card: ModelCard | None
    """None for a plugin that is known by name only and was not loaded yet."""
    build: Callable[..., FeatureModel]
    """`build()` or, where `takes_weights`, `build(weights=Path | None)`."""
    takes_weights: bool = False
    needs_weights: bool = False
    """Whether a weights file has to be on this machine."""


class DatasetOpener(Protocol):
    """Opens one split; finds the files below `root`, reads lists only, decodes nothing."""

    def __call__(self, root: Path | None, split: str | None) -> Dataset:
        """Raise DataError with the archive that is wanted where the files are not there."""
        ...


@dataclass(frozen=True, kw_only=True)
class DatasetEntry:
    """A data set that can be listed without numpy and opened when it is needed."""

    card: DatasetCard
    open: DatasetOpener


class Evaluation(Protocol):
    """A protocol with its configuration: from features to a score."""

    @property
    def view(self) -> View:
        """What the model is to be shown."""
        ...

    def __call__(self, features: FeatureSet, *, seed: int) -> Score:
        """Raise NotApplicableError where the data set lacks what the protocol needs."""
        ...


@dataclass(frozen=True, kw_only=True)
class ProtocolEntry:
    """A protocol: version, citation, presets (frozen pydantic models) and builder."""

    version: int
    """Raised whenever numbers may move."""
    title: str
    paper: str
    presets: Mapping[str, BaseModel]
    """`standard` always; others reproduce a published implementation, quirks included."""
    build: Callable[[Any], Evaluation]
    headline: str = "miou"
    higher_is_better: Mapping[str, bool] = field(default_factory=dict)
    """Only for metrics where smaller is better; all others count upwards."""


class Registry(Generic[T]):
    """Named entries of one kind.

    Example:
        >>> shapes = Registry[int]("shape")
        >>> shapes.register("disc", 1)
        >>> shapes["disc"]
        1
        >>> shapes["dsic"]
        Traceback (most recent call last):
        tvseg_bench.benchmark.errors.UsageError: unknown shape 'dsic'; did you mean 'disc'?
    """

    def __init__(self, kind: str, group: str | None = None) -> None:
        self.kind = kind
        self.group = group
        self._entries: dict[str, T] = {}
        self._origins: dict[str, str] = {}
        self._pending: dict[str, EntryPoint] = {}
        self._schemes: dict[str, Callable[[str], T]] = {}
        self._adopt: Callable[[str, Any], T] | None = None
        self._scanned = group is None

    def register(self, name: str, entry: T, origin: str = "tvseg-bench") -> None:
        """Add an entry; a name given twice is refused with both places named."""
        if name in self._entries:
            raise UsageError(
                f"{self.kind} {name!r} is registered twice, by {self._origins[name]} and by "
                f"{origin}; uninstall one of them or rename its entry"
            )
        self._entries[name] = entry
        self._origins[name] = origin

    def scheme(self, prefix: str, resolve: Callable[[str], T]) -> None:
        """Let `prefix:REST` be resolved by a function of REST, as in `timm:NAME`."""
        self._schemes[prefix] = resolve

    def adopter(self, adopt: Callable[[str, Any], T]) -> None:
        """Say how the object behind an entry point becomes an entry."""
        self._adopt = adopt

    def __getitem__(self, name: str) -> T:
        prefix, colon, rest = name.partition(":")
        if colon and prefix in self._schemes:
            return self._schemes[prefix](rest)
        self._scan()
        if name in self._pending:
            self._load(name)
        if name not in self._entries:
            raise UsageError(did_you_mean(self.kind, name, self))
        return self._entries[name]

    def __contains__(self, name: str) -> bool:
        self._scan()
        return name in self._entries or name in self._pending

    def __iter__(self) -> Iterator[str]:
        self._scan()
        return iter(sorted({*self._entries, *self._pending}))

    def loaded(self, name: str) -> T | None:
        """Return the entry if it is known without importing anything, else None."""
        return self._entries.get(name)

    def origin(self, name: str) -> str:
        """Return who registered the name: this package, or `package version`."""
        self._scan()
        return self._origins.get(name, "unknown")

    def _scan(self) -> None:
        """Read the entry points' metadata, once; import nothing."""
        if self._scanned or self.group is None:
            return
        self._scanned = True
        for point in entry_points(group=self.group):
            origin = f"{point.dist.name} {point.dist.version}" if point.dist else point.value
            if point.name in self._entries or point.name in self._pending:
                raise UsageError(
                    f"{self.kind} {point.name!r} is registered twice, by "
                    f"{self._origins[point.name]} and by {origin}; uninstall one of them"
                )
            self._pending[point.name] = point
            self._origins[point.name] = origin

    def _load(self, name: str) -> None:
        """Import one plugin; a broken one warns and is then unknown, the rest stays."""
        point = self._pending.pop(name)
        try:
            value = point.load()
            entry = self._adopt(name, value) if self._adopt else value
        except Exception as error:  # a stranger's module may raise anything
            warnings.warn(
                f"the {self.kind} plugin {name!r} ({self._origins.pop(name, point.value)}) cannot "
                f"be loaded and is skipped: {type(error).__name__}: {error}",
                stacklevel=3,
            )
            return
        self._entries[name] = entry


models: Registry[ModelEntry] = Registry("model", group="tvseg_bench.models")
protocols: Registry[ProtocolEntry] = Registry("protocol", group="tvseg_bench.protocols")
datasets: Registry[DatasetEntry] = Registry("dataset", group="tvseg_bench.datasets")
