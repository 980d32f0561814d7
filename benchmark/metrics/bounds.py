"""Between which values a metric lies: its name says so."""

from __future__ import annotations

import re
from functools import lru_cache

SIGNED = frozenset({"ari", "decay", "drift"})
"""Last words of the names of differences of fractions, and of agreements corrected for chance."""


@lru_cache(maxsize=4096)
def metric_minimum(metric: str) -> float:
    """Return the least value that a metric can take; the largest is 1 for all of them.

    Fractions start at 0. What is named as a difference of two (`drift`, `j_decay`) or as an
    agreement corrected for chance (`seed_ari`) may be negative and starts at -1.

    Example:
        >>> metric_minimum("miou"), metric_minimum("j_decay"), metric_minimum("constant/drift")
        (0.0, -1.0, -1.0)
    """
    return -1.0 if re.split(r"[/_]", metric)[-1] in SIGNED else 0.0


def outside(metric: str, value: float | None) -> str:
    """Return what is wrong with a value, empty where it is one that the metric can take.

    Example:
        >>> outside("miou", -0.1), outside("drift", -0.1)
        ('should be greater than or equal to 0', '')
    """
    if value is not None and value < metric_minimum(metric):
        return f"should be greater than or equal to {metric_minimum(metric):g}"
    return ""
