"""Numbers that others have published, each with where it stands; no torch.

`numbers.csv` holds what its source prints, and nothing that was remembered, inferred or read off
a plot. A board shows these numbers beside ours and never ranks them; `tvseg-bench verify` runs
what it can of them. Columns:

- `paper`: the key of the paper or repository whose number it is; `arxiv`: its number, where known.
- `model`: the suite's name; a model of another name is not among those here, `-unstated` is one of
  whose released files the source does not name which.
- `protocol`, `preset`, `params`: what the suite calls the setting, `params` as `field=value` with
  blanks between. An empty preset: the source does not state its settings.
- `dataset`, `split`, `clips`: what was scored, and how many clips that split has. Where a data set
  can be counted in several ways, the one that the setting's code uses: `ade20k-151` for NeCo's and
  Hummingbird's, `ade20k` for DINOv2's and DINOv3's; STEGO's `val` of COCO-Stuff is `curated-val`.
- `metric`, `value`: a fraction of 1; `decimals`: those of the percentage as it is printed.
- `tolerance`: how far ours may be off, a choice of this suite: 0.005 for propagation (runs of one
  script were seen to differ by as much, issue 10 of VFS) and for clusters of a model's own, 0.01
  where a probe is trained, a search was approximate or k-means has several seeds, 0.02 where few
  frames were drawn by chance or a setting has many stages.
- `seeds`: those to average over, as `--seeds` takes them; `resolution`: what the source states.
- `evidence`: `first-hand` where those who measured it print it, `second-hand` where others do.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from tvseg_bench.benchmark.errors import UsageError

NAME = "numbers.csv"

Evidence = Literal["first-hand", "second-hand"]


class Published(BaseModel):
    """One number and everything that defines it."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    paper: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    arxiv: str = Field(pattern=r"^(\d{4}\.\d{5})?$")
    model: str = Field(min_length=3)
    protocol: str = Field(min_length=3)
    preset: str
    params: Mapping[str, Any]
    dataset: str = Field(min_length=3)
    split: str
    clips: int | None = Field(ge=1)
    metric: str = Field(min_length=1)
    value: float = Field(ge=0, le=1)
    decimals: int = Field(ge=0, le=4)
    tolerance: float = Field(gt=0, le=0.1)
    seeds: str = Field(pattern=r"^\d+(-\d+)?$")
    resolution: str
    evidence: Evidence
    source: str = Field(min_length=5)
    note: str

    @field_validator("params", mode="before")
    @classmethod
    def _read_params(cls, text: object) -> object:
        """Read `field=value`, the value as YAML, as on the command line."""
        if not isinstance(text, str):
            return text
        pairs = [item.partition("=") for item in text.split()]
        if any(not equals for _, equals, _ in pairs):
            raise ValueError("params are written field=value, with blanks between them")
        try:
            return {name: yaml.safe_load(value) for name, _, value in pairs}
        except yaml.YAMLError:
            raise ValueError("a value of params cannot be read") from None

    @field_validator("clips", mode="before")
    @classmethod
    def _read_clips(cls, text: object) -> object:
        return None if text == "" else text

    @property
    def protocol_label(self) -> str:
        """Return the protocol as it is typed."""
        standard = self.preset in ("", "standard")
        return self.protocol if standard else f"{self.protocol}:{self.preset}"

    @property
    def dataset_label(self) -> str:
        """Return the data set as it is typed, with its split."""
        return f"{self.dataset}:{self.split}"

    @property
    def percent(self) -> str:
        """Return the number as its source prints it.

        Example:
            >>> rows()[0].percent
            '53.5'
        """
        return f"{100 * self.value:.{self.decimals}f}"


def rows(path: Path | None = None) -> tuple[Published, ...]:
    """Return every published number, in the order of the file.

    Args:
        path: another file of the same columns; None = the one that ships with the suite.

    Raises:
        UsageError: the file cannot be read, or a row is not what it should be: line and column.
    """
    if path is None:
        return _shipped()
    try:
        return _parse(path.read_text("utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read as a table of numbers: {error}") from None


def published(model: str | None = None, **equal: object) -> tuple[Published, ...]:
    """Return the numbers of a model, or those whose other columns are equal to these.

    Example:
        >>> [row.percent for row in published("timet/vits16", dataset="ade20k-151")]
        ['23.2', '18.9', '14.1', '12.1']
    """
    wanted = dict(equal) if model is None else {"model": model, **equal}
    return tuple(row for row in rows() if all(getattr(row, key) == v for key, v in wanted.items()))


def for_model(name: str) -> tuple[Published, ...]:
    """Return all published numbers of one model."""
    return _by_model().get(name, ())


def beside(
    candidates: Iterable[Published],
    *,
    model: str,
    protocol: str,
    preset: str,
    params: Mapping[str, Any],
    dataset: str,
    split: str,
    clips: int | None,
) -> dict[str, Published]:
    """Return metric -> the published number that a measurement may stand beside.

    Model, setting and data must be those of the source; of several numbers a first-hand one is
    taken, then the first. A part of the data set is not the data set.
    """
    found: dict[str, Published] = {}
    for row in candidates:
        stated = (row.model, row.protocol, row.preset, row.dataset, row.split)
        same = stated == (model, protocol, preset, dataset, split)
        whole = row.clips is None or row.clips == clips
        holds = all(name in params and params[name] == v for name, v in row.params.items())
        if not (same and whole and holds):
            continue
        other = found.get(row.metric)
        if other is None or (other.evidence, row.evidence) == ("second-hand", "first-hand"):
            found[row.metric] = row
    return found


@lru_cache(maxsize=1)
def _shipped() -> tuple[Published, ...]:
    text = files("tvseg_bench.leaderboards.published").joinpath(NAME).read_text("utf-8")
    return _parse(text, NAME)


@lru_cache(maxsize=1)
def _by_model() -> Mapping[str, tuple[Published, ...]]:
    found: dict[str, list[Published]] = {}
    for row in _shipped():
        found.setdefault(row.model, []).append(row)
    return {model: tuple(numbers) for model, numbers in found.items()}


def _parse(text: str, name: str) -> tuple[Published, ...]:
    reader = csv.DictReader(io.StringIO(text))
    if reader.fieldnames is None:
        raise UsageError(f"{name} is empty; give it the columns of the suite's own {NAME}")
    found = []
    for cells in reader:
        try:
            found.append(Published.model_validate(cells))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            column = first["loc"][0] if first["loc"] else "?"
            raise UsageError(
                f"{name}, line {reader.line_num}, column {column!r}: {first['msg']}; compare it "
                "with the columns of the suite's own numbers.csv"
            ) from None
    return tuple(found)
