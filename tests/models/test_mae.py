"""MAE: a model that was fine-tuned without its final norm is refused."""

from typing import Any

import pytest

from tvseg_bench.benchmark.errors import ModelError
from tvseg_bench.models.mae import BACKBONES
from tvseg_bench.tests.models.official_files import mae_encoder


def test_the_final_norm_is_needed(family: Any) -> None:
    """A model fine-tuned with average pooling has `fc_norm` in its place."""
    state = family.state(BACKBONES[0])
    tuned = {
        name.replace("norm.", "fc_norm.") if name.startswith("norm") else name: value
        for name, value in state.items()
    }
    with pytest.raises(ModelError, match=r"2 missing \(norm\.weight.*2 unexpected \(fc_norm"):
        family.load(BACKBONES[0], mae_encoder(tuned))
