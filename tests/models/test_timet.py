"""TimeT: segments by the nearest prototype, where the file holds prototypes."""

from typing import Any

import pytest
import torch
from torch.nn.functional import gelu, interpolate, linear

from tvseg_bench.benchmark.errors import ModelError
from tvseg_bench.benchmark.types import Segmenter
from tvseg_bench.models.timet import BACKBONES
from tvseg_bench.tests.models.official_files import (
    TIMET_PROTOTYPES,
    timet_checkpoint,
    timet_head,
    timet_other_components,
    timet_release,
    timet_with_teacher,
)


@pytest.mark.parametrize("write", [timet_release, timet_with_teacher, timet_checkpoint])
def test_segments_by_the_nearest_prototype(write: Any, family: Any) -> None:
    model = family.load(BACKBONES[0], write(family.state(BACKBONES[0])))
    assert isinstance(model, Segmenter)
    images = torch.rand(2, 3, 32, 48)
    with torch.no_grad():
        found = model.segment(images)
        projected = model.extract(images).tokens
    layers = timet_head("")
    for i in range(0, 8, 2):
        projected = linear(projected, layers[f"{i}.weight"], layers[f"{i}.bias"])
        projected = gelu(projected) if i < 6 else projected
    cosines = torch.cosine_similarity(projected[:, :, None], TIMET_PROTOTYPES, dim=-1)
    maps = cosines.reshape(2, 2, 3, 7).permute(0, 3, 1, 2)
    large = interpolate(maps, (32, 48), mode="bilinear", align_corners=False)
    assert found.shape == (2, 32, 48)
    assert torch.equal(found, large.argmax(dim=1))


def test_without_prototypes_it_is_not_a_segmenter(family: Any) -> None:
    model = family.load(BACKBONES[0], timet_other_components(family.state(BACKBONES[0])))
    assert not isinstance(model, Segmenter)


def test_a_head_that_does_not_fit_is_refused(family: Any) -> None:
    content = {**timet_release(family.state(BACKBONES[0])), "prototypes": torch.ones(7, 5)}
    with pytest.raises(ModelError, match=r"widths \[32, 12, 10, 8, 6\] and prototypes \[7, 5\]"):
        family.load(BACKBONES[0], content)
