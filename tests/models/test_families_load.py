"""Every family reads its official files, refuses spoilt ones, and gives the promised features.

One row of `ROWS` is a group of models that come in the same kinds of file. **A new family is a row
here**: its `BACKBONES`, and one function in `official_files.py` for each kind of file that is
published (from a state with timm's names to what `torch.save` is given). Every check below then
runs on it with a tiny network of its architecture. What only one family has is tested in a file of
its own, `test_<family>.py`, with the fixture `family`; a family that needs no row at all (another
network, another kind of file) is named in `IN_FILES_OF_THEIR_OWN`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
import timm

from tvseg_bench.benchmark.registry import models
from tvseg_bench.models import (
    cribo,
    croc,
    dino,
    dinov2,
    dinov3,
    franca,
    ibot,
    leopart,
    mae,
    mocov2,
    mocov3,
    mosic,
    neco,
    swav,
    timet,
)
from tvseg_bench.models.loading.families import Backbone
from tvseg_bench.tests.models import official_files as files
from tvseg_bench.tests.models.conftest import Family, Write

IN_FILES_OF_THEIR_OWN = {"stego", "vjepa2"}


@dataclass(frozen=True, kw_only=True)
class Row:
    """Models of a family that come in the same kinds of file."""

    models: Sequence[Backbone]
    files: Sequence[Write]
    """Kinds of file, all of which are read; the first one is the one that is spoilt."""
    spoilt: Write | None = None
    """Another kind to spoil, where the first one holds the backbone twice."""
    needed: str = "norm.bias"
    """A tensor without which the file is refused."""
    positions: str | None = "dino"
    """How the card has positions interpolated. `dino` differs from timm off the native grid."""
    shapes_of_timm: bool = True
    """Whether the network in full size has the shapes of timm's architecture of its name."""
    features_of_timm: bool = True
    """Whether the features are those of timm's `forward_features`."""
    checked: Sequence[int] = (0,)
    """The models of the row on which every check runs; files are read into all of them."""


NORM_OF_RESNET = "bn1.bias"
ROWS = (
    Row(models=dino.BACKBONES[:4], files=(files.bare, files.dino_checkpoint)),
    Row(
        models=dino.BACKBONES[4:],
        files=(files.bare, files.without_counters),
        needed=NORM_OF_RESNET,
        positions=None,
    ),
    Row(
        models=dinov2.BACKBONES[:3],
        files=(files.dinov2_hub, files.bare, files.dinov2_training),
    ),
    Row(
        models=dinov2.BACKBONES[3:4],
        files=(files.dinov2_hub, files.bare, files.dinov2_training, files.dinov2_swiglu),
    ),
    Row(
        models=dinov2.BACKBONES[4:],
        files=(files.dinov2_hub, files.bare, files.dinov2_training),
        positions="timm",
    ),
    Row(
        models=[b for b in dinov3.BACKBONES if b.arch.startswith("vit")],
        files=(files.dinov3_hub, files.bare),
        positions="rope",
        checked=range(8),
    ),
    Row(
        models=[b for b in dinov3.BACKBONES if b.arch.startswith("convnext")],
        files=(files.dinov3_convnext, files.bare),
        needed="head.norm.bias",
        positions=None,
        shapes_of_timm=False,
        features_of_timm=False,
    ),
    Row(
        models=cribo.BACKBONES,
        files=(files.student_and_teacher,),
        spoilt=files.teacher_alone,
    ),
    Row(
        models=croc.BACKBONES,
        files=(files.student_and_teacher,),
        spoilt=files.teacher_alone,
    ),
    Row(models=franca.BACKBONES, files=(files.franca_training,), shapes_of_timm=False),
    Row(models=ibot.BACKBONES[:3], files=(files.in_state_dict, files.ibot_checkpoint)),
    Row(models=ibot.BACKBONES[3:], files=(files.in_state_dict, files.ibot_student)),
    Row(models=leopart.BACKBONES, files=(files.leopart_lightning, files.leopart_state)),
    Row(
        models=mae.BACKBONES,
        files=(files.mae_encoder, files.mae_pretraining),
        positions="timm",
    ),
    Row(
        models=mocov2.BACKBONES,
        files=(files.mocov2_training, files.mocov2_query),
        needed=NORM_OF_RESNET,
        positions=None,
    ),
    Row(models=mocov3.BACKBONES, files=(files.mocov3_training,), positions="timm"),
    Row(
        models=[b for b in mosic.BACKBONES if "dinov2" not in b.card.name],
        files=(files.mosic_extractor, files.bare),
        positions="timm",
        checked=range(2),
    ),
    Row(
        models=[b for b in mosic.BACKBONES if "dinov2" in b.card.name],
        files=(files.mosic_extractor, files.bare),
        positions="timm",
        shapes_of_timm=False,
        checked=range(5),
    ),
    Row(models=neco.BACKBONES, files=(files.neco_release,), checked=(0, 5)),
    Row(
        models=swav.BACKBONES,
        files=(files.swav_training,),
        needed=NORM_OF_RESNET,
        positions=None,
    ),
    Row(
        models=timet.BACKBONES,
        files=(
            files.timet_release,
            files.timet_with_teacher,
            files.timet_checkpoint,
            files.timet_other_components,
        ),
    ),
)
EACH = [pytest.param(row, b, id=b.card.name) for row in ROWS for b in row.models]
CHECKED = [
    pytest.param(row, row.models[i], id=row.models[i].card.name)
    for row in ROWS
    for i in row.checked
]


def where(cases: Iterable[Any], condition: Any) -> list[Any]:
    """Return the cases of which a condition on row and backbone holds."""
    return [case for case in cases if condition(*case.values)]


def test_every_model_is_in_one_row() -> None:
    rows = [b.card.name for row in ROWS for b in row.models]
    entries = {name: models.loaded(name) for name in models}
    known = {name for name, entry in entries.items() if entry and entry.needs_weights}
    own = {name for name in known if name.partition("/")[0] in IN_FILES_OF_THEIR_OWN}
    assert sorted(rows) == sorted(known - own)


@pytest.mark.parametrize(("row", "backbone"), EACH)
def test_full_size(row: Row, backbone: Backbone, full_size: Any) -> None:
    full_size(backbone, backbone.arch if row.shapes_of_timm else None)
    assert backbone.card.pos_interp == row.positions


@pytest.mark.parametrize(
    ("row", "backbone"), where(EACH, lambda _, backbone: backbone.timm is not None)
)
def test_cards_agree_with_timm(row: Row, backbone: Backbone) -> None:
    card, config = backbone.card, timm.get_pretrained_cfg(backbone.timm)
    assert (card.mean, card.std, card.interpolation) == (config.mean, config.std, "bicubic")
    if config.url:  # without one, timm has a copy of its own
        assert (card.weights_url, card.licence.lower()) == (config.url, config.license)


@pytest.mark.parametrize(
    ("backbone", "write"),
    [
        pytest.param(b, write, id=f"{b.card.name}-{write.__name__}")
        for row in ROWS
        for b in row.models
        for write in row.files
    ],
)
def test_reads(backbone: Backbone, write: Write, family: Family) -> None:
    family.reads(backbone, write)


@pytest.mark.parametrize(("row", "backbone"), CHECKED)
def test_refuses(row: Row, backbone: Backbone, family: Family) -> None:
    family.refuses(backbone, row.spoilt or row.files[0], row.needed)


@pytest.mark.parametrize(("row", "backbone"), where(CHECKED, lambda row, _: row.features_of_timm))
def test_agrees_with_timm(row: Row, backbone: Backbone, family: Family) -> None:
    family.agrees_with_timm(backbone, [(4, 4)])  # the native grid of the tiny network
    if row.positions == "dino":
        with pytest.raises(AssertionError, match="not close"):
            family.agrees_with_timm(backbone, [(2, 3)])
    else:
        family.agrees_with_timm(backbone, [(2, 3), (6, 5)])


@pytest.mark.parametrize(("row", "backbone"), CHECKED)
def test_clusters(row: Row, backbone: Backbone, family: Family) -> None:
    family.clusters(family.load(backbone, row.files[0](family.state(backbone))))


@pytest.mark.parametrize(
    ("row", "backbone"), where(CHECKED, lambda _, backbone: backbone.card.num_prefix_tokens > 0)
)
def test_attention_is_that_of_the_block(row: Row, backbone: Backbone, family: Family) -> None:
    family.attends(family.load(backbone, row.files[0](family.state(backbone))))
