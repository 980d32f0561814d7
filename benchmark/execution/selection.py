"""What was asked for: models x protocols x data sets x seeds, as typed, in YAML or in Python.

One grammar for all three: `NAME`, `NAME:preset` for protocols, `NAME:split` for data sets, lists
by comma or repetition, `all` for every registered one, overrides `protocol.NAME.field=value`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import BaseModel, ValidationError

from tvseg_bench.benchmark.errors import UsageError, did_you_mean
from tvseg_bench.benchmark.registry import ProtocolEntry, Registry, protocols

if TYPE_CHECKING:
    from tvseg_bench.benchmark.evaluation import Evaluation

SCHEMES = ("timm:", "hub:", "file:", "folder:")
"""References whose colon belongs to the name."""

EXECUTORS = ("local", "ray", "slurm")


@dataclass(frozen=True, kw_only=True)
class Selection:
    """A grid and how to run it; the same names serve in YAML, on the command line, in Python."""

    model: tuple[str, ...] = (
        "timet/tiny",
        "selfdistil/tiny",
        "baseline/random",
        "baseline/pixels",
    )
    protocol: tuple[str, ...] = ("kmeans-frame", "kmeans-clip", "kmeans-dataset", "temporal")
    dataset: tuple[str, ...] = ("moving-shapes",)
    output: Path = Path("runs")
    seeds: tuple[int, ...] = (0,)
    limit: int | None = None
    """The first N clips only; such results are `partial` and never on a board."""
    overrides: Mapping[str, Any] = field(default_factory=dict)
    """`protocol.NAME.field` -> value."""
    weights: Mapping[str, Path] = field(default_factory=dict)
    """Model -> file; the empty name stands for the only model that takes weights."""
    plugin: tuple[str, ...] = ()
    data_root: Path | None = None
    device: str = "auto"
    dtype: str = "fp32"
    batch_size: int | None = None
    """None = chosen by the device."""
    force: bool = False
    """Compute again what is done; the older result is backed up."""
    fail_fast: bool = False
    keep: int = 12
    """Clips that are recorded for reports, besides the best, the median and the worst; 0 records
    nothing."""
    save_predictions: Path | None = None
    """Folder for label maps, of protocols that predict any; no part of what a cell is."""
    executor: str = "local"
    """Where the work is done: `local` (this process), `ray` or `slurm`; moves no number."""
    executor_options: Mapping[str, Any] = field(default_factory=dict)
    """How much a task may use and how it is started; see `executors.options`."""


@dataclass(frozen=True)
class ProtocolChoice:
    """One protocol with its preset and the overrides applied."""

    name: str
    preset: str
    entry: ProtocolEntry
    config: BaseModel

    @cached_property
    def evaluation(self) -> Evaluation:
        """The protocol, ready to evaluate."""
        return self.entry.build(self.config)

    @property
    def reference(self) -> str:
        """`name:preset`, as it may be typed."""
        return f"{self.name}:{self.preset}"

    @property
    def label(self) -> str:
        """`name`, or `name:preset` where it is not the standard one."""
        return self.name if self.preset == "standard" else f"{self.name}:{self.preset}"


def split_list(values: str | Iterable[str]) -> tuple[str, ...]:
    """Return the items of a list given by comma, by repetition or both, each once.

    Example:
        >>> split_list(["a,b", "c", "a"])
        ('a', 'b', 'c')
    """
    parts = [values] if isinstance(values, str) else list(values)
    items = [item.strip() for part in parts for item in str(part).split(",")]
    return tuple(dict.fromkeys(item for item in items if item))


def parse_seeds(text: str | int | Iterable[int]) -> tuple[int, ...]:
    """Return seeds from `3`, `0,2` or `0-4`.

    Example:
        >>> parse_seeds("0-2,7")
        (0, 1, 2, 7)

    Raises:
        UsageError: not numbers, or a range that runs backwards or holds over 1 000.
    """
    if not isinstance(text, str):
        return (text,) if isinstance(text, int) else tuple(int(s) for s in text)
    seeds: list[int] = []
    for part in split_list(text):
        first, dash, last = part.partition("-")
        try:
            span = range(int(first), int(last if dash else first) + 1)
        except ValueError:
            span = range(0)
        if not 0 < len(span) <= 1000:
            raise UsageError(
                f"--seeds {text!r} is not a list of seeds; type for example --seeds 0-4"
            )
        seeds += span
    return tuple(dict.fromkeys(seeds))


def expand(asked: Sequence[str], registry: Registry[Any]) -> tuple[str, ...]:
    """Replace `all` by every registered name."""
    return tuple(dict.fromkeys(name for a in asked for name in (registry if a == "all" else (a,))))


def split_reference(reference: str) -> tuple[str, str | None]:
    """Return name and preset or split; a scheme's colon belongs to the name.

    Example:
        >>> split_reference("davis-2016:train")
        ('davis-2016', 'train')
        >>> split_reference("folder:./clips")
        ('folder:./clips', None)
    """
    if reference.startswith(SCHEMES):
        return reference, None
    name, _, rest = reference.partition(":")
    return name, rest or None


def choose_protocols(
    asked: Sequence[str], overrides: Mapping[str, Any]
) -> tuple[ProtocolChoice, ...]:
    """Return the protocols with their presets and overrides.

    Raises:
        UsageError: unknown protocol, preset or field, or a value that the field does not take.
    """
    unused = set(overrides)
    chosen = []
    for reference in expand(asked, protocols):
        name, preset = split_reference(reference)
        entry = protocols[name]
        preset = preset or "standard"
        if preset not in entry.presets:
            raise UsageError(did_you_mean(f"preset of {name}", preset, entry.presets))
        mine = {}
        for key, value in overrides.items():
            parts = key.split(".")
            if len(parts) != 3 or parts[0] != "protocol":
                raise UsageError(
                    f"{key!r} is not an override; type for example protocol.kmeans-clip.k=21"
                )
            if parts[1] in (name, "all"):
                mine[parts[2]] = value
                unused.discard(key)
        config = apply_overrides(name, entry.presets[preset], mine)
        chosen.append(ProtocolChoice(name, preset, entry, config))
    for key in unused:
        selected = sorted({choice.name for choice in chosen})
        raise UsageError(did_you_mean("protocol in an override", key.split(".")[1], selected))
    return tuple(chosen)


def apply_overrides(protocol: str, preset: BaseModel, values: Mapping[str, Any]) -> BaseModel:
    """Return the preset with some fields replaced and validated."""
    known = type(preset).model_fields
    for name in values:
        if name not in known:
            raise UsageError(did_you_mean(f"parameter of {protocol}", name, known))
    try:
        return type(preset).model_validate({**preset.model_dump(), **values})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = first["loc"][0] if first["loc"] else "?"
        value = values.get(str(where))
        raise UsageError(
            f"protocol.{protocol}.{where}={value} does not fit: {first['msg']}; "
            f"type: tvseg-bench info {protocol}"
        ) from None


def read_config(path: Path, keys: Collection[str] = ()) -> dict[str, Any]:
    """Read a YAML file with these keys, the selection's own where none are given.

    Raises:
        UsageError: unreadable, no mapping, or a key that does not exist.
    """
    try:
        if path.stat().st_size > 1 << 20:
            raise UsageError(f"the config {path} is larger than 1 MB; is it the right file?")
        loaded = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"the config {path} cannot be read: {error}; check --config") from None
    except yaml.YAMLError as error:
        line = getattr(error, "problem_mark", None)
        where = f" at line {line.line + 1}" if line else ""
        raise UsageError(f"the config {path} is not YAML{where}; fix it and try again") from None
    if not isinstance(loaded, dict):
        raise UsageError(f"the config {path} must hold keys such as `model:`, not a bare value")
    known = keys or {f.name for f in fields(Selection)}
    for key in loaded:
        if key not in known:
            raise UsageError(did_you_mean(f"key in {path}", str(key), known))
    return loaded


def make_selection(values: Mapping[str, Any]) -> Selection:
    """Build a selection from loosely typed values; None means the default."""
    given = {key: value for key, value in values.items() if value is not None}
    for key in ("model", "protocol", "dataset", "plugin"):
        if key in given:
            given[key] = split_list(given[key])
            if not given[key] and key != "plugin":
                raise UsageError(f"--{key} is empty; type: tvseg-bench list {key}s")
    if "seeds" in given:
        given["seeds"] = parse_seeds(given["seeds"])
        if not given["seeds"]:
            raise UsageError("--seeds is empty; type for example --seeds 0-4")
    for key in ("output", "data_root", "save_predictions"):
        if key in given:
            given[key] = Path(given[key]).expanduser()
    if "weights" in given:
        given["weights"] = parse_weights(given["weights"])
    for key in ("limit", "batch_size"):
        if key in given and (not isinstance(given[key], int) or given[key] < 1):
            name = key.replace("_", "-")
            raise UsageError(f"--{name} {given[key]!r} must be a whole number from 1 on")
    keep = given.get("keep", 0)
    if not isinstance(keep, int) or keep < 0:
        raise UsageError(f"--keep {keep!r} must be a whole number from 0 on")
    executor = given.get("executor", "local")
    if executor not in EXECUTORS:
        raise UsageError(did_you_mean("executor", str(executor), EXECUTORS))
    if not isinstance(given.get("executor_options", {}), Mapping):
        raise UsageError("executor_options must be a mapping such as `{partition: gpu}`")
    if given.get("dtype", "fp32") not in ("fp32", "bf16"):
        raise UsageError(did_you_mean("dtype", str(given["dtype"]), ("fp32", "bf16")))
    return Selection(**given)


def parse_weights(given: Any) -> dict[str, Path]:
    """Return model -> file from `FILE`, `MODEL=FILE`, a list of them, or a mapping.

    Example:
        >>> parse_weights("dino/vits16=a.pth")
        {'dino/vits16': PosixPath('a.pth')}
    """
    if isinstance(given, Mapping):
        return {str(k): Path(v).expanduser() for k, v in given.items()}
    items = [given] if isinstance(given, (str, Path)) else list(given)
    out: dict[str, Path] = {}
    for item in map(str, items):
        model, equals, file = item.partition("=")
        out[model if equals else ""] = Path(file if equals else item).expanduser()
    return out


def parse_pairs(option: str, items: Iterable[str], example: str) -> dict[str, Any]:
    """Return what follows a repeated option as `KEY=VALUE`, the value read as YAML.

    Example:
        >>> parse_pairs("--executor-option", ["qos=high", "nice=5"], "qos=high")
        {'qos': 'high', 'nice': 5}

    Raises:
        UsageError: there is no `=`.
    """
    out: dict[str, Any] = {}
    for item in items:
        key, equals, value = item.partition("=")
        if not equals or not key:
            raise UsageError(f"{option} {item!r} is not KEY=VALUE; type for example {example}")
        out[key] = _from_yaml(value)
    return out


def _from_yaml(text: str) -> Any:
    """Return the value that YAML reads, else the text."""
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return text


_TYPE = {
    "protocol": "type for example --model baseline/pixels or protocol.kmeans-clip.k=21",
    "recipe": "type for example --model dino/vits16, recipe.epochs=10 or objective.epsilon=0.05",
}


def parse_overrides(items: Iterable[str], owners: Sequence[str] = ("protocol",)) -> dict[str, Any]:
    """Return overrides from `key=value`, the value read as YAML.

    Args:
        owners: what keys may begin with.

    Example:
        >>> parse_overrides(["protocol.kmeans-clip.k=21"])
        {'protocol.kmeans-clip.k': 21}
    """
    out: dict[str, Any] = {}
    for item in items:
        key, equals, value = item.partition("=")
        if not equals or key.partition(".")[0] not in owners:
            raise UsageError(f"{item!r} is neither an option nor an override; {_TYPE[owners[0]]}")
        out[key] = _from_yaml(value)
    return out
