"""Plain values: strings that are safe in a table, JSON that is the same everywhere, its hash."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, StringConstraints

from tvseg_bench.benchmark.errors import TvsegError
from tvseg_bench.benchmark.types import Unit

_CONTROL = r"\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069"
"""Line breaks, terminal escapes and characters that reverse the direction of writing."""

Line = Annotated[str, StringConstraints(max_length=4000, pattern=rf"^[^{_CONTROL}]*$")]
"""Free text on one line."""

Name = Annotated[
    str,
    StringConstraints(
        max_length=200, pattern=rf"^[^\s{_CONTROL}]([^{_CONTROL}]*[^\s{_CONTROL}])?$"
    ),
]
"""A name on one line, without blanks at its ends."""

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class FilePart(BaseModel):
    """Part of a file: unknown fields, wrong types and numbers that are not finite are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class ResultError(TvsegError):
    """A result cannot be made, read or written; the text names the file and the field."""


def to_jsonable(value: Any, where: str = "value") -> Any:
    """Return what JSON can hold: arrays become lists, NaN and infinity None, keys strings.

    Args:
        value: anything made of numbers, strings, arrays, mappings and sequences.
        where: dotted path of the value, for the message.

    Raises:
        ResultError: naming the place of a value that JSON cannot hold.

    Example:
        >>> to_jsonable({"k": (1, float("nan")), 3: None})
        {'k': [1, None], '3': None}
    """
    if hasattr(value, "tolist"):  # numpy arrays and scalars, torch tensors
        value = value.tolist()
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(k): to_jsonable(v, f"{where}.{k}") for k, v in value.items()}
    if isinstance(value, (Sequence, set, frozenset)) and not isinstance(value, (bytes, bytearray)):
        items = sorted(value) if isinstance(value, (set, frozenset)) else value
        return [to_jsonable(v, f"{where}.{i}") for i, v in enumerate(items)]
    raise ResultError(
        f"{where} is a {type(value).__name__}, which a result file cannot hold; "
        "give numbers, strings, lists or mappings"
    )


UNITS: Final[Mapping[Unit, str]] = {"share": "percent", "pixels": "pixels", "metres": "metres"}
"""In what a number of each kind is printed."""
_SHORT: Final[Mapping[Unit, str]] = {"share": "", "pixels": "px", "metres": "m"}


def score_text(value: float | None, unit: Unit = "share", sign: Literal["", "+"] = "") -> str:
    """Return a number of a metric as it is printed, a dash for None.

    Args:
        sign: `+` to print it before numbers that are not negative.

    Example:
        >>> score_text(0.36125), score_text(3.14159, "pixels"), score_text(0.02, sign="+")
        ('36.1', '3.14', '+2.0')
        >>> score_text(None)
        '–'
    """
    if value is None:
        return "–"
    return f"{100 * value:{sign}.1f}" if unit == "share" else f"{value:{sign}.2f}"


def metric_label(metric: str, unit: Unit) -> str:
    """Return the name of a metric, with its unit where that is not percent.

    Example:
        >>> metric_label("miou", "share"), metric_label("epe", "pixels")
        ('miou', 'epe, px')
    """
    return f"{metric}, {_SHORT[unit]}" if _SHORT[unit] else metric


def escape_control(text: str) -> str:
    """Return text that cannot steer a terminal: what is not printable is spelled out.

    Example:
        >>> escape_control("a\\x1b[2Jb")
        'a\\\\x1b[2Jb'
    """
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def canonical_json(value: Any) -> str:
    """Return JSON text that is the same on every machine: sorted keys, no blanks, ASCII.

    Example:
        >>> canonical_json({"b": 1.0, "a": [None, "é"]})
        '{"a":[null,"\\\\u00e9"],"b":1.0}'
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def short_hash(value: Any) -> str:
    """Return the first 16 hexadecimal digits of the sha256 of the canonical JSON.

    Example:
        >>> short_hash({})
        '44136fa355b3678a'
    """
    return hashlib.sha256(canonical_json(value).encode("ascii")).hexdigest()[:16]
