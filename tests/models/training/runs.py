"""A tiny model and a tiny run, for tests of everything around the objective."""

from pathlib import Path
from typing import Any

from tvseg_bench import register_builtins
from tvseg_bench.models.training.data.sources import open_clips
from tvseg_bench.models.training.metrics_log import rows
from tvseg_bench.models.training.recipes import make_plan
from tvseg_bench.models.training.settings import Setup, TrainCallbacks

PLUGIN = """
import timm
import torch

from tvseg_bench.benchmark.types import ModelCard
from tvseg_bench.models.networks.dense import DenseViT

CARD = ModelCard(
    name="tiny/vit", revision="1", patch_size=8, embed_dim=16, num_prefix_tokens=1,
    pos_interp="dino",
)


def build():
    torch.manual_seed(0)
    net = timm.create_model(
        "vit_tiny_patch16_224", embed_dim=16, depth=3, num_heads=2, patch_size=8, img_size=32,
        dynamic_img_size=True, num_classes=0, global_pool="",
    )
    return DenseViT(net, CARD)
"""
DATA = "moving-shapes?clips=3&frames=3&height=32&width=48"
TYPED = (
    *("recipe.batch=2", "recipe.size=32", "recipe.frames=3", "recipe.checkpoint_every=2"),
    *("objective.prototypes=8", "objective.hidden=[16]", "objective.out=8", "objective.radius=2"),
)
OVERRIDES: dict[str, Any] = {
    "recipe.batch": 2,
    "recipe.size": 32,
    "recipe.frames": 3,
    "recipe.checkpoint_every": 2,
    "recipe.steps": 6,
    "recipe.head_rate": 1e-3,
    "recipe.backbone_rate": 1e-3,
    "objective.prototypes": 8,
    "objective.hidden": (16,),
    "objective.out": 8,
    "objective.radius": 2,
}


def plugin(folder: Path) -> Path:
    """Write the model; return its file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "tiny_plugin.py"
    path.write_text(PLUGIN)
    return path


def setup(folder: Path, output: str = "out", **changes: Any) -> Setup:
    """Return a run of six steps."""
    register_builtins()
    overrides = {**OVERRIDES, **changes.pop("overrides", {})}
    clips, manifests = open_clips([DATA], None)
    values: dict[str, Any] = {
        "plan": make_plan(changes.pop("method", "timet"), overrides),
        "model": f"file:{plugin(folder)}",
        "clips": clips,
        "manifests": manifests,
        "output": folder / output,
        **changes,
    }
    return Setup(**values)


def losses(folder: Path) -> list[float]:
    """Return the losses that a run wrote down."""
    return [row["loss"] for row in rows(folder) if "step" in row]


class Stop(TrainCallbacks):
    """Ends the run after some steps, as Ctrl-C does."""

    def __init__(self, after: int) -> None:
        self.after = after

    def on_step(self, step: int, row: Any) -> None:
        if step + 1 == self.after:
            raise KeyboardInterrupt
