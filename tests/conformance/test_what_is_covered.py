"""Every part of a case set has a test or is named as not yet covered; nothing is passed over."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.conformance

COVERED_GROUPS = (
    "davis_jf/e2e",
    "davis_jf/stats",
    "leopart_metrics/cbfe",
    "leopart_metrics/cd",
    "leopart_metrics/eval_jac",
    "leopart_metrics/kmeans",
    "leopart_metrics/pca",
    "stego_metrics/cluster_lookup",
)
COVERED_LISTS = ("cases", "propagation", "db_statistics", "resize_rules")
TESTED = sorted(
    path.stem.removeprefix("test_")
    for path in Path(__file__).parent.glob("test_*.py")
    if path != Path(__file__)
)


def test_every_file_is_known(case_set: Any) -> None:
    unknown = sorted(set(case_set.names()) - set(TESTED))
    assert not unknown, f"{case_set.folder}: no test knows what {unknown[0]}.json is"


@pytest.mark.parametrize("name", TESTED)
def test_every_part_of_a_file_is_known_or_named(
    name: str, case_set: Any, record_property: Callable[[str, object], None]
) -> None:
    manifest = case_set.manifest(name)
    if manifest is None:
        pytest.skip(f"{case_set.folder} has no {name}.json")
    lists = {k for k, v in manifest.items() if isinstance(v, list) and v and _are_entries(v)}
    assert lists <= set(COVERED_LISTS), f"{name}.json has the unknown list {lists}"
    cases = {f"{name}/{entry.partition('/')[0]}" for entry in case_set.entries(name)}
    groups = {f"{name}/{k.partition('/')[0]}" for k in case_set.arrays(name) if "/" in k}
    for group in sorted(groups - cases - set(COVERED_GROUPS)):
        record_property("not yet covered", group)


def _are_entries(values: list[Any]) -> bool:
    return all(isinstance(value, dict) for value in values)
