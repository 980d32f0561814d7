"""map_instances of TimeT (data_loader.py): instance ids of YouTube-VOS to category ids."""

from typing import Any

import numpy as np
import pytest

from tvseg_bench.benchmark.data.readers.youtube_vos import map_instances

pytestmark = pytest.mark.conformance

MANIFEST = "timet_map_instances"
FIELDS = ("video", "objects", "input", "output", "published_mapping", "intended_mapping")


def test_both_orders(case: Any, header: Any) -> None:
    entry = case.fields(*FIELDS)
    categories = header["category_dict"]
    mapping = {int(k): categories[v["category"]] for k, v in entry["objects"].items()}
    labels = np.array(entry["input"])
    published = map_instances(labels, mapping, order="sequential")
    np.testing.assert_array_equal(published, entry["output"])
    for instance, images in entry["published_mapping"].items():
        assert np.unique(published[labels == int(instance)]).tolist() == images
    intended = map_instances(labels, mapping, order="simultaneous")
    for instance, category in entry["intended_mapping"].items():
        assert set(intended[labels == int(instance)].tolist()) <= {category}
