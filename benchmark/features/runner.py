"""The forward pass: batches of fixed shape through a frozen model, and checks of its output."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np
import torch
from numpy.typing import NDArray

from tvseg_bench.benchmark.devices import float32_convolutions, out_of_memory
from tvseg_bench.benchmark.errors import ModelError, NotApplicableError, TvsegError, UsageError
from tvseg_bench.benchmark.features import frames
from tvseg_bench.benchmark.features.abilities import check_abilities
from tvseg_bench.benchmark.features.cache.entry import SEGMENTS, STORED
from tvseg_bench.benchmark.plugins.load import to_device
from tvseg_bench.benchmark.types import (
    AttentionModel,
    ClipFeatureModel,
    FeatureModel,
    Image,
    ModelCard,
    PatchFeatures,
    Segmenter,
    View,
)

Floats = NDArray[np.floating[Any]]

AUTO_BATCH = {"cpu": 8, "cuda": 64}
AUTO_TOKENS = 400
"""Tokens a frame up to which the automatic batch stays; 480p at 224 with patch 16 has 350."""
MAX_ID = 2**24
"""First id that float32 cannot tell from its neighbours."""

_DTYPES = {"float32": torch.float32, "float16": torch.float16}
_INTEGERS = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)


@dataclass(frozen=True)
class DecodedFrame:
    """A decoded and resized frame."""

    clip: str
    frame: int
    """Index into the clip, for messages."""
    pixels: Image
    """[h, w, 3], resized."""

    @property
    def size(self) -> tuple[int, int]:
        """(height, width)."""
        return self.pixels.shape[0], self.pixels.shape[1]


@dataclass(frozen=True)
class ModelOutput:
    """Dense features or segments of some frames, in the type in which they are stored."""

    tokens: Floats
    """[n, rows, cols, D]; of segments [n, H, W, 1]."""
    attention: Floats | None
    """[n, heads, rows, cols]."""


class ModelRunner:
    """A frozen model, moved to its device at the first batch; safe to call from any thread.

    The model is in evaluation mode, as `loading.load_model` leaves it: batch mates must not
    change a frame's numbers.
    """

    def __init__(
        self,
        model: FeatureModel | Segmenter,
        view: View,
        device: torch.device,
        dtype: Literal["fp32", "bf16"],
        batch_size: int | Literal["auto"],
    ) -> None:
        self.card: ModelCard = model.card
        self.view = view
        self.device = device
        self.dtype = dtype
        self._model = model
        self._placed = False
        self._batch_size = batch_size
        self._fits: dict[tuple[int, int], int] = {}
        self._lock = threading.Lock()
        if view.attention and view.output == "segments":
            raise UsageError("a view asks for segments and attention; segments come without it")
        if self.whole_clips and not isinstance(model, ClipFeatureModel):
            raise ModelError(
                f"the card of model {model.card.name!r} says temporal='clip', but the model has "
                f"no extract_clip; add it, or say temporal='image'"
            )

    @property
    def whole_clips(self) -> bool:
        """Whether the model sees all chosen frames of a clip at once."""
        return self.card.temporal == "clip" and self.view.output == "features"

    @property
    def largest_batch(self) -> int:
        """Frames in a batch before anything has run out of memory."""
        if self._batch_size == "auto":
            return AUTO_BATCH.get(self.device.type, AUTO_BATCH["cpu"])
        return self._batch_size

    def batch_size(self, size: tuple[int, int]) -> int:
        """Return the frames in every batch of images of one (height, width)."""
        if self._batch_size == "auto" and size not in self._fits:
            tokens = size[0] * size[1] // self.card.patch_size**2
            self._fits[size] = self.largest_batch * AUTO_TOKENS // max(tokens, AUTO_TOKENS) or 1
        return self._fits.get(size, self.largest_batch)

    def __call__(self, batch: Sequence[DecodedFrame]) -> ModelOutput:
        """Return the output for frames of one size; a short batch is padded to the fixed shape.

        Where memory runs out, the batch is halved from then on; the frames
        of a clip that a model wants to see at once are never split.

        Raises:
            ModelError: the model fails, breaks its card's promises, or does not fit in
                memory with a single frame.
            NotApplicableError: the view wants features, segments or attention, and the model has
                none.
        """
        check_abilities(self._model, self.view)
        size = batch[0].size
        with self._lock:
            done, parts = 0, list[ModelOutput]()
            while done < len(batch):
                fixed = len(batch) if self.whole_clips else self.batch_size(size)
                part = batch[done : done + fixed]
                output = self._attempt(part, fixed)
                if output is not None:
                    parts.append(output)
                    done += len(part)
                elif fixed == 1 or self.whole_clips:
                    raise self._too_large(size, fixed)
                else:
                    self._fits[size] = fixed // 2
        return _joined(parts)

    def _too_large(self, size: tuple[int, int], count: int) -> ModelError:
        return ModelError(
            f"model {self.card.name!r} runs out of memory on {self.device} with {count} frame(s) "
            f"of {size[0]}x{size[1]} at once; choose a smaller size, fewer frames, or --device cpu"
        )

    def _attempt(self, part: Sequence[DecodedFrame], fixed: int) -> ModelOutput | None:
        """Return the features of a part; None where memory ran out."""
        try:
            return self._run(part, fixed)
        except TvsegError:
            raise
        except Exception as error:  # somebody else's model may raise anything
            if not out_of_memory(error):
                raise ModelError(
                    f"model {self.card.name!r} failed on {_named(part[0])} in a batch of {fixed}: "
                    f"{type(error).__name__}: {error}"
                ) from error
        if self.device.type == "cuda":  # outside `except`: the error holds on to the tensors
            torch.cuda.empty_cache()
        return None

    def _run(self, part: Sequence[DecodedFrame], fixed: int) -> ModelOutput:
        if not self._placed:
            self._model = to_device(self._model, self.device, torch.float32)
            self._placed = True
        padding = [part[-1].pixels] * (fixed - len(part))
        pixels = torch.from_numpy(np.stack([frame.pixels for frame in part] + padding))
        with (
            torch.inference_mode(),
            torch.autocast(self.device.type, torch.bfloat16, enabled=self.dtype == "bf16"),
            float32_convolutions(self.device),
        ):
            images = frames.normalised(
                pixels.to(self.device), frames.statistics(self.card, self.view)
            )
            if self.view.output == "segments":
                return self._segments(cast("Segmenter", self._model).segment(images), part, fixed)
            return self._checked(self._features(images), part, fixed)

    def _features(self, images: torch.Tensor) -> PatchFeatures:
        """Call the method of the model that gives what the view wants."""
        model = cast("FeatureModel", self._model)
        if self.whole_clips and isinstance(model, ClipFeatureModel):
            return model.extract_clip(images[None])
        if self.view.attention and isinstance(model, AttentionModel):
            return model.extract_attention(images)
        return model.extract(images)

    def _segments(
        self, ids: torch.Tensor, part: Sequence[DecodedFrame], fixed: int
    ) -> ModelOutput:
        """Return checked ids as tokens of one dimension, to be handled as features are."""
        shape = (fixed, *part[0].size)
        if not isinstance(ids, torch.Tensor):
            raise self._broken(f"returns {type(ids).__name__}", "a tensor of ids")
        if ids.dtype not in _INTEGERS or tuple(ids.shape) != shape:
            raise self._broken(
                f"gives {ids.dtype} ids {list(ids.shape)}", f"integers [B, H, W] = {list(shape)}"
            )
        unpadded = ids[: len(part)].cpu()
        low, high = int(unpadded.min()), int(unpadded.max())
        if low < 0 or high >= MAX_ID:
            raise self._broken(
                f"gives ids from {low} to {high} for {_named(part[0])} and its batch mates",
                f"0 to {MAX_ID - 1}",
            )
        return ModelOutput(np.asarray(unpadded.to(_DTYPES[SEGMENTS]))[..., None], None)

    def _checked(
        self, features: PatchFeatures, part: Sequence[DecodedFrame], fixed: int
    ) -> ModelOutput:
        if not isinstance(features, PatchFeatures):
            raise self._broken(f"returns {type(features).__name__}", "PatchFeatures")
        (rows, cols), tokens = features.grid, features.tokens
        height, width = part[0].size
        patch = self.card.patch_size
        if self.card.exact_grid and (rows, cols) != (height // patch, width // patch):
            raise self._broken(
                f"gives the grid {rows}x{cols} for {height}x{width}",
                f"{height // patch}x{width // patch} with patch {patch}, or exact_grid=False",
            )
        shape = (fixed, rows * cols, self.card.embed_dim)
        if tuple(tokens.shape) != shape or not tokens.is_floating_point():
            raise self._broken(
                f"gives {tokens.dtype} tokens {list(tokens.shape)} "
                f"for {fixed} image(s) of {height}x{width}",
                f"floats [B, rows * cols, embed_dim] = {list(shape)}; class and register tokens "
                f"are removed by the model",
            )
        stored = self._stored(tokens, part).reshape(len(part), rows, cols, -1)
        if not self.view.attention:
            return ModelOutput(stored, None)
        attention = self._attention(features, shape)
        heads = attention.shape[1]
        maps = self._stored(attention, part).reshape(len(part), heads, rows, cols)
        return ModelOutput(stored, maps)

    def _attention(self, features: PatchFeatures, shape: tuple[int, ...]) -> torch.Tensor:
        attention = features.attention
        if attention is None and self.view.attention is not True:  # if-any: no heads
            return features.tokens.new_empty((shape[0], 0, shape[1]))
        if attention is None:
            raise NotApplicableError(
                f"model {self.card.name!r} has no attention of a class token, which is asked for"
            )
        if attention.ndim != 3 or attention.shape[0::2] != shape[:2]:
            raise self._broken(
                f"gives attention {list(attention.shape)}", f"[{shape[0]}, heads, {shape[1]}]"
            )
        return attention

    def _stored(self, values: torch.Tensor, part: Sequence[DecodedFrame]) -> Floats:
        """Drop the padding and round to the stored type; ModelError where that is not finite."""
        values = values[: len(part)]
        stored = values.to(_DTYPES[STORED[self.dtype]])
        if not torch.isfinite(stored).all():
            row = int(torch.isfinite(stored).flatten(1).all(1).logical_not().nonzero()[0])
            overflows = bool(torch.isfinite(values[row]).all())
            raise ModelError(
                f"model {self.card.name!r} gives "
                + ("values too large for float16" if overflows else "NaN or infinity")
                + f" for {_named(part[row])} in {self.dtype}; "
                + ("type --dtype fp32" if self.dtype == "bf16" else "check its weights")
            )
        return np.asarray(stored.cpu())

    def _broken(self, found: str, wanted: str) -> ModelError:
        return ModelError(
            f"model {self.card.name!r} {found}, expected {wanted}; "
            f"type: tvseg-bench check {self.card.name}"
        )


def _named(frame: DecodedFrame) -> str:
    return f"frame {frame.frame} of clip {frame.clip!r}"


def _joined(parts: Sequence[ModelOutput]) -> ModelOutput:
    if len(parts) == 1:
        return parts[0]
    maps = [part.attention for part in parts if part.attention is not None]
    return ModelOutput(
        np.concatenate([part.tokens for part in parts]), np.concatenate(maps) if maps else None
    )
