"""One small registry for models, protocols and data sets; built-ins go through it like plugins.

A registry is a dict of entries: an unknown name is answered with the nearest known ones,
a name given twice is refused with both places named, scanning entry points imports nothing, and
a broken plugin is warned of but never takes the rest down.
"""

from __future__ import annotations

import inspect
import re
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import EntryPoint, distributions, entry_points
from types import ModuleType
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from tvseg_bench.benchmark.errors import UsageError, did_you_mean
from tvseg_bench.benchmark.types import ModelCard

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic import BaseModel

    from tvseg_bench.benchmark.evaluation import Evaluation
    from tvseg_bench.benchmark.types import Dataset, DatasetCard, FeatureModel, MetricCard

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class ModelEntry:
    """A model that can be listed without torch and built when it is needed."""

    card: ModelCard | None
    """None for a plugin that is known by name only and was not loaded yet."""
    build: Callable[..., FeatureModel]
    """`build()` or, where `takes_weights` and a file is given, `build(weights=Path)`."""
    takes_weights: bool = False
    needs_weights: bool = False
    """Whether a weights file has to be on this machine."""
    timm: str | None = None
    """The same weights under their name in timm, whose cache is then looked at too."""


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
    """Makes an evaluation of one of its configurations; what computes is imported here."""
    metrics: Mapping[str, MetricCard]
    """Every metric that a score may hold, under any configuration; the first is the headline."""
    seconds_per_frame: float = 0.0
    """Seconds of one core that a scored frame takes beside the forward pass, of features of a
    ViT-S/16 under `standard`, rounded: for estimates, until there are results of this machine.
    Measured on clips of DAVIS 2016 and images of PASCAL VOC 2012; more classes take longer."""

    @property
    def headline(self) -> str:
        """The metric that stands for the protocol in tables."""
        return next(iter(self.metrics))

    def card_of(self, metric: str) -> MetricCard | None:
        """Return the card of a metric, or of the one that a reference such as `oracle/miou` is a
        value of; None where it is not declared."""
        return self.metrics.get(metric.rpartition("/")[2])


_NAME = re.compile(r"[a-z0-9][a-z0-9._+-]*(/[a-z0-9][a-z0-9._+-]*)*")
"""What an entry point may be called: the characters `:`, `@`, `,` and blanks are grammar."""


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

    def __init__(
        self,
        kind: str,
        group: str | None = None,
        adopt: Callable[[str, Any], T] = lambda _, value: value,
    ) -> None:
        self.kind = kind
        self.group = group
        self._entries: dict[str, T] = {}
        self._origins: dict[str, str] = {}
        self._pending: dict[str, EntryPoint] = {}
        self._refused: dict[str, str] = {}
        self._schemes: dict[str, Callable[[str], T]] = {}
        self._adopt = adopt
        """How the object behind an entry point becomes an entry."""
        self._scanned = group is None

    def register(self, name: str, entry: T, origin: str = "tvseg-bench") -> None:
        """Add an entry; a name given twice is refused with both places named."""
        if name in self._entries:
            raise UsageError(self._doubled(name, self._origins[name], origin))
        self._entries[name] = entry
        self._origins[name] = origin

    @contextmanager
    def overridden(self, entries: Mapping[str, T], origin: str = "overridden") -> Iterator[None]:
        """Let names stand for other entries within a `with` block; tests use it.

        Example:
            >>> shapes = Registry[int]("shape")
            >>> with shapes.overridden({"disc": 1}):
            ...     shapes["disc"]
            1
            >>> "disc" in shapes
            False
        """
        self._scan()
        tables: tuple[dict[str, Any], ...] = (self._entries, self._origins, self._pending)
        before = [{name: table[name] for name in entries if name in table} for table in tables]
        for name, entry in entries.items():
            self._pending.pop(name, None)
            self._entries[name], self._origins[name] = entry, origin
        try:
            yield
        finally:
            for table, values in zip(tables, before, strict=True):
                for name in entries:
                    table.pop(name, None)
                table.update(values)

    def scheme(self, prefix: str, resolve: Callable[[str], T]) -> None:
        """Let `prefix:REST` be resolved by a function of REST, as in `timm:NAME`."""
        self._schemes[prefix] = resolve

    @property
    def schemes(self) -> tuple[str, ...]:
        """The prefixes that resolve, sorted."""
        return tuple(sorted(self._schemes))

    def __getitem__(self, name: str) -> T:
        prefix, colon, rest = name.partition(":")
        if colon and prefix in self._schemes:
            return self._schemes[prefix](rest)
        self._scan()
        if name in self._pending:
            self._load(name)
        if name in self._entries:
            return self._entries[name]
        listing = f"tvseg-bench list {self.kind}s"
        raise UsageError(self._refused.get(name) or did_you_mean(self.kind, name, self, listing))

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

    def _doubled(self, name: str, first: str, second: str) -> str:
        return (
            f"{self.kind} {name!r} is registered twice, by {first} and by {second}; "
            "uninstall one of them or rename its entry"
        )

    def _scan(self) -> None:
        """Read the entry points' metadata, once; import nothing."""
        if self._scanned or self.group is None:
            return
        self._scanned = True
        for point in _entry_points(self.group):
            self._note(point)

    def _note(self, point: EntryPoint) -> None:
        """Remember one entry point; an odd or doubled one is named in a warning instead."""
        name, origin = point.name, _origin(point)
        if not _NAME.fullmatch(name):
            warnings.warn(
                f"the {self.kind} plugin {name!r} ({origin}) is skipped: a name is made of lower "
                "case letters, digits and . _ + - with / between its parts",
                stacklevel=4,
            )
        elif name in self._pending and self._pending[name].value == point.value:
            return  # one package, found along two paths
        elif name in self._entries or name in self._pending or name in self._refused:
            sentence = self._doubled(name, self._origins[name], origin)
            warnings.warn(sentence, stacklevel=4)
            if self._pending.pop(name, None):
                self._refused[name] = sentence
        else:
            self._pending[name] = point
            self._origins[name] = origin

    def _load(self, name: str) -> None:
        """Import one plugin; a broken one warns and is then refused, the rest stays."""
        point = self._pending.pop(name)
        try:
            self._entries[name] = self._adopt(name, point.load())
        except (Exception, SystemExit) as error:  # somebody else's module may raise anything
            self._refused[name] = (
                f"the {self.kind} plugin {name!r} ({self._origins[name]}) cannot be loaded and is "
                f"skipped: {type(error).__name__}: {error}"
            )
            warnings.warn(self._refused[name], stacklevel=3)


def _entry_points(group: str) -> list[EntryPoint]:
    """Return the entry points of a group, past distributions whose metadata are broken."""
    try:
        return list(entry_points(group=group))
    except Exception:  # one unreadable file makes the whole call fail: ask one by one
        found: list[EntryPoint] = []
        for distribution in distributions():
            try:
                found += [p for p in distribution.entry_points if p.group == group]
            except Exception as error:
                place = getattr(distribution, "_path", "an installed package")
                warnings.warn(
                    f"the plugins of {place} are skipped, its entry points cannot be read: "
                    f"{type(error).__name__}: {error}",
                    stacklevel=5,
                )
        return found


def _origin(point: EntryPoint) -> str:
    """Return `package version` of an entry point, its value where the metadata do not say."""
    try:
        return f"{point.dist.name} {point.dist.version}" if point.dist else point.value
    except Exception:
        return point.value


def adopt_model(name: str, value: Any) -> ModelEntry:
    """Turn what a plugin exports into an entry: a builder, a class, an entry or a module.

    A builder is any callable that returns a FeatureModel; a weights file is handed to its
    parameter `weights`. Its card is its attribute `card`, or `card` or `CARD` of its module;
    without one the model is listed by name only.

    Raises:
        TypeError: if the object is none of these.

    Example:
        >>> def build(weights=None): ...
        >>> adopt_model("my/model", build).takes_weights
        True
    """
    if isinstance(value, ModelEntry):
        return value
    build = getattr(value, "build", None) if isinstance(value, ModuleType) else value
    if not callable(build):
        raise TypeError(
            f"{name} names {value!r}, expected a function or class that builds a model"
        )
    parameters = parameters_of(build)
    return ModelEntry(
        card=_card_beside(build),
        build=build,
        takes_weights="weights" in parameters
        or any(p.kind is p.VAR_KEYWORD for p in parameters.values()),
        needs_weights="weights" in parameters
        and parameters["weights"].default is inspect.Parameter.empty,
    )


def parameters_of(build: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    """Return the parameters of a builder by name, none where it has no signature to read."""
    try:
        return inspect.signature(build).parameters
    except (TypeError, ValueError):
        return {}


def _card_beside(build: Any) -> ModelCard | None:
    module = sys.modules.get(getattr(build, "__module__", ""), None)
    for owner, attribute in ((build, "card"), (module, "card"), (module, "CARD")):
        card = getattr(owner, attribute, None)
        if isinstance(card, ModelCard):
            return card
    return None


models: Registry[ModelEntry] = Registry("model", "tvseg_bench.models", adopt_model)
protocols: Registry[ProtocolEntry] = Registry("protocol", "tvseg_bench.protocols")
datasets: Registry[DatasetEntry] = Registry("dataset", "tvseg_bench.datasets")
