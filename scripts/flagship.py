"""Train the flagship from nothing: `selfdistil/tiny` on images, then `timet/tiny` on clips.

    python scripts/flagship.py                      as models/flagship/recipe.yaml says
    python scripts/flagship.py --output DIR         leave the package's own weights alone
    python scripts/flagship.py --stage clips        only the second stage, from the weights there

Both stages are objectives of the trainer (`models/training`). What they see is drawn here and
nowhere else: moving-shapes of seeds that no split has, without anything held out. Writes the
weights in half precision, their SHA256SUMS, and a metrics file of each stage.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from tvseg_bench.benchmark.data.moving_shapes import make_dataset
from tvseg_bench.models import tiny
from tvseg_bench.models.training.contract import ClipBatch
from tvseg_bench.models.training.objectives import objective_entry
from tvseg_bench.models.training.schedules import value_at

Recipe = Mapping[str, Any]
FLIP = 0.5
LOG_EVERY = 10


class Tuned(nn.Module):
    """The tiny ViT as the trainer's backbone: blocks from `first` on are tuned, with the norm.

    With `first` 0 the embedding is tuned too.
    """

    def __init__(self, model: Any, first: int, dtype: torch.dtype) -> None:
        super().__init__()
        self.model, self.first, self.dtype = model, first, dtype
        self.dim = model.card.embed_dim
        self.requires_grad_(first == 0)
        for part in (*model.net.blocks[first:], model.net.norm):
            part.requires_grad_(True)

    def frozen(self, images: Tensor) -> Tensor:
        """Map images to what enters the first tuned block; the images where nothing is frozen."""
        if not self.first:
            return images
        with torch.no_grad(), self._autocast(images):
            return self._blocks(self.model._embed(images)[0], slice(0, self.first))

    def tuned(self, state: Tensor, grid: tuple[int, int]) -> Tensor:
        """Map it to features [N, h, w, D]."""
        with self._autocast(state):
            tokens = state if self.first else self.model._embed(state)[0]
            tokens = self.model.net.norm(self._blocks(tokens, slice(self.first, None)))
        return tokens[:, self.model.net.num_prefix_tokens :].unflatten(1, grid).float()

    def forward(self, images: Tensor) -> Tensor:
        """Map images [N, 3, H, W] to features [N, h, w, D]."""
        return self.tuned(self.frozen(images), self.grid(*images.shape[-2:]))

    def grid(self, height: int, width: int) -> tuple[int, int]:
        """Return (h, w) for images of this size."""
        return height // self.model.card.patch_size, width // self.model.card.patch_size

    def _blocks(self, tokens: Tensor, which: slice) -> Tensor:
        for block in self.model.net.blocks[which]:
            tokens = block(tokens)
        return tokens

    def _autocast(self, like: Tensor) -> torch.autocast:
        return torch.autocast(like.device.type, self.dtype, enabled=self.dtype != torch.float32)


# ------------------------------------------------------------------------------ data


def render(recipe: Recipe) -> NDArray[np.uint8]:
    """Return [clips, frames, H, W, 3] of the recipe's seeds, drawn once and kept in memory."""
    first, last = recipe["seeds"]
    frames = recipe["frames"]
    data = make_dataset(range(first, last + 1), n_frames=max(frames) + 1)
    return np.stack([np.stack([clip.image(t) for t in frames]) for clip in data.clips])


def batches(recipe: Recipe, clips: NDArray[np.uint8], card: Any) -> Iterator[ClipBatch]:
    """Yield one batch a step: clips, `frames_per_clip` of their frames in order, one crop each."""
    rng = np.random.default_rng(recipe["seed"])
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (card.mean, card.std))
    height, width = clips.shape[2:4]
    side = recipe.get("crop")
    for _ in range(recipe["steps"]):
        chosen = rng.choice(len(clips), recipe["batch"], replace=False)
        parts, frames = [], []
        for clip in chosen:
            at = np.sort(rng.choice(clips.shape[1], recipe["frames_per_clip"], replace=False))
            picture = clips[clip, at]
            if side:
                y, x = rng.integers(height - side + 1), rng.integers(width - side + 1)
                picture = picture[:, y : y + side, x : x + side]
            if rng.random() < FLIP:
                picture = picture[:, :, ::-1]
            parts.append(torch.from_numpy(picture.copy()))
            frames.append(tuple(recipe["frames"][i] for i in at))
        images = torch.stack(parts).permute(0, 1, 4, 2, 3).float() / 255
        names = [f"shapes-{recipe['seeds'][0] + clip:05d}" for clip in chosen]
        yield ClipBatch(images=(images - mean) / std, names=names, frames=frames)


# -------------------------------------------------------------------------- training


def train(recipe: Recipe, model: Any, log: Path) -> dict[str, Tensor]:
    """Tune the model by the recipe's objective; return the student's weights, or the teacher's."""
    torch.manual_seed(recipe["seed"])
    backbone = Tuned(model, recipe["first_block"], getattr(torch, recipe["dtype"]))
    entry = objective_entry(recipe["objective"])
    objective = entry.build(entry.config(**recipe["config"]), backbone.dim)
    optimiser = torch.optim.AdamW(groups(recipe, backbone, objective), betas=recipe["betas"])
    clips, begin, steps = render(recipe), time.perf_counter(), recipe["steps"]
    with log.open("w", encoding="utf-8") as file:
        for step, batch in enumerate(batches(recipe, clips, model.card)):
            factor = value_at(step, steps, 1.0, 0.0, warmup=recipe["warmup"])
            for group in optimiser.param_groups:
                group["lr"] = group["base"] * factor
            out = objective(backbone, batch)
            optimiser.zero_grad()
            out.value.backward()
            norm = nn.utils.clip_grad_norm_(tuned_of(backbone, objective), recipe["clip"])
            optimiser.step()
            objective.after_step(backbone, step, steps)
            if step % LOG_EVERY == 0 or step == steps - 1:
                said = {"loss": out.value.item(), "norm": norm.item()}
                said |= {name: value.item() for name, value in out.stats.items()}
                row = {"step": step, **{name: round(v, 4) for name, v in said.items()}}
                file.write(json.dumps(row) + "\n")
                file.flush()
                print(
                    f"{recipe['objective']} {time.perf_counter() - begin:.0f} s", row, flush=True
                )
    return weights(recipe, backbone, objective)


def groups(recipe: Recipe, backbone: nn.Module, objective: Any) -> list[dict[str, Any]]:
    """Return backbone and head with their learning rates; vectors are not decayed."""
    tuned = [p for p in backbone.parameters() if p.requires_grad]
    own = [p for _, p in objective.parameters_to_tune()]
    return [
        {
            "params": [p for p in part if (p.ndim > 1) == matrices],
            "base": rate,
            "weight_decay": recipe["weight_decay"] * matrices,
        }
        for part, rate in ((tuned, recipe["lr"]), (own, recipe["head_lr"]))
        for matrices in (True, False)
    ]


def tuned_of(backbone: nn.Module, objective: Any) -> list[Tensor]:
    """Return everything that the optimiser steps."""
    own = [p for _, p in objective.parameters_to_tune()]
    return [*(p for p in backbone.parameters() if p.requires_grad), *own]


def weights(recipe: Recipe, backbone: Tuned, objective: Any) -> dict[str, Tensor]:
    """Return the net's tensors in half precision."""
    state = dict(backbone.model.net.state_dict())
    if recipe["keep"] == "teacher":
        copies = objective.teacher.copies("backbone", backbone)
        state |= {name.removeprefix("model.net."): copy for name, copy in copies.items()}
    return {name: tensor.half().contiguous() for name, tensor in state.items()}


def main() -> None:
    """Parse and train."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=tiny.FILES, metavar="DIR")
    parser.add_argument("--recipe", type=Path, default=tiny.FILES / "recipe.yaml", metavar="YAML")
    parser.add_argument("--stage", choices=("images", "clips", "both"), default="both")
    given = parser.parse_args()
    recipe = yaml.safe_load(given.recipe.read_text(encoding="utf-8"))
    given.output.mkdir(parents=True, exist_ok=True)
    model: Any = tiny.build_random()
    for stage, card in (("images", tiny.IMAGES), ("clips", tiny.CLIPS)):
        path = given.output / tiny.file_of(card).name
        if given.stage in (stage, "both"):
            state = train(recipe[stage], model, given.output / f"metrics-{stage}.jsonl")
            save_file(state, path)
        model.net.load_state_dict({n: t.float() for n, t in load_file(path).items()})
        if given.stage == "images":
            break
    files = sorted(given.output.glob("*.safetensors"))
    sums = [f"{hashlib.sha256(f.read_bytes()).hexdigest()}  {f.name}\n" for f in files]
    (given.output / tiny.SUMS.name).write_text("".join(sums), encoding="utf-8")
    print(*sums, sep="", end="")


if __name__ == "__main__":
    main()
