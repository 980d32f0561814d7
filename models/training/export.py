"""The result of a run on disk: weights and a card, which `--model file:FOLDER` loads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

from safetensors.torch import save
from torch import Tensor, nn

from tvseg_bench.benchmark.plugins.load import LoadedModel
from tvseg_bench.benchmark.plugins.resolve import split_file, split_pin
from tvseg_bench.benchmark.results.result_file import atomic_write
from tvseg_bench.models.trained import CARD, SCHEMA, WEIGHTS, Base, Trained, Training, read_trained
from tvseg_bench.models.training.backbone import TunedBackbone
from tvseg_bench.models.training.checkpoints import write_json

BACKBONE = "feature_extractor.backbone."
HEAD = "feature_extractor."


def exported_tensors(backbone: TunedBackbone, objective: nn.Module) -> dict[str, Tensor]:
    """Return the tensors of a file in TimeT's layout: backbone, and head and prototypes if any.

    The backbone's own names stand behind `feature_extractor.backbone.`, with adapters merged.
    """
    tensors = {f"{BACKBONE}{k}": v for k, v in deepcopy(backbone).plain_state().items()}
    state = objective.state_dict()
    if "prototypes.weight" in state and any(name.startswith("head.") for name in state):
        tensors["prototypes"] = state["prototypes.weight"]
        tensors |= {f"{HEAD}{k}": v for k, v in state.items() if k.startswith("head.")}
    return {k: v.detach().cpu().contiguous().clone() for k, v in tensors.items()}


def export(
    folder: Path,
    backbone: TunedBackbone,
    objective: nn.Module,
    loaded: LoadedModel,
    training: Mapping[str, Any],
    data: Sequence[str],
) -> None:
    """Write `model.safetensors` and `card.json`.

    Args:
        training: method, recipe, objective, seed, steps: what made the weights.

    Raises:
        ResultError: if the disk is full or the folder cannot be written.
    """
    atomic_write(folder / WEIGHTS, save(exported_tensors(backbone, objective)))
    before = _trained_before(loaded)
    # all that the weights have seen, in the runs before this one too
    seen = before.training if before else None
    known = {
        "data": tuple(dict.fromkeys((*(seen.data if seen else ()), *data))),
        "manifests": {**(seen.manifests if seen else {}), **training["manifests"]},
    }
    trained = Trained(
        schema=SCHEMA,
        base=before.base if before else _base(loaded),
        training=Training.model_validate({**training, **known}),
    )
    write_json(folder / CARD, trained.model_dump(mode="json", by_alias=True))


def _trained_before(loaded: LoadedModel) -> Trained | None:
    """Return the card of the folder that training started from, None where it was not a folder."""
    reference = split_pin(loaded.reference)[0]
    folder = Path(reference.removeprefix("file:")).expanduser()
    is_folder = reference.startswith("file:") and folder.is_dir()
    return read_trained(folder) if is_folder else None


def _base(loaded: LoadedModel) -> Base:
    reference = split_pin(loaded.reference)[0]
    if reference.startswith("file:"):
        path, attribute = split_file(reference.removeprefix("file:"))
        reference = f"file:{path.expanduser().resolve()}:{attribute}"
    return Base(
        reference=reference,
        name=loaded.card.name,
        revision=loaded.card.revision,
        code_sha256=loaded.origin["file_sha256"],
    )
