import pytest

from tvseg_bench.benchmark.data.files.inventory import Categories
from tvseg_bench.benchmark.errors import DataError


def test_too_many_categories():
    named = {"clip": dict(enumerate(map(str, range(255))))}
    with pytest.raises(DataError, match=r"meta\.json names 255 categories; there are ids for 254"):
        Categories.of(named, "meta.json")
