"""Checks of what a model gives: shapes and grids, and laws that its maps have to obey.

A limit is far above what rounding does and far below what a mistake does; each law says what it
compares. Where two maps are compared, features by the largest distance of two tokens over the
root mean square length of a token, segments by the share of pixels that differ.
"""

from __future__ import annotations

import torch

from tvseg_bench.benchmark.contract.model_probe import (
    CLIP_FRAMES,
    ContractError,
    Finding,
    Subject,
    checked,
    failed,
    moving,
    not_applicable,
    ok,
    unequal,
    warning,
)
from tvseg_bench.benchmark.plugins.resolve import plugin_error

SAME = {torch.float16: 1e-2, torch.bfloat16: 5e-2}
"""Two maps that have to agree may differ by so much, by the type of the tokens; `SAME_FLOAT` for
all others: rounding through forty blocks stays below a tenth of it, batch statistics and
positions in a batch move far more."""
SAME_FLOAT = 1e-3
SAME_PIXELS = 1e-3
"""The same of segments: pixels on a border between two clusters may fall to either."""


def shapes(subject: Subject) -> Finding:
    """Check type and shape of the output, and the type of its numbers, on two square images."""
    images = subject.images(2)
    with torch.inference_mode():
        output = subject.raw(images)
        maps = checked(output, subject, 2, images.shape[-2:], finite=False)
    subject.earlier.maps = maps
    rows, cols, dim = maps.shape[1:]
    if subject.kind == "segmenter":
        ids = len(set(maps.flatten().tolist()))
        return ok(f"integer ids [B, H, W], {ids} of them in two images", ids=ids)
    subject.earlier.dtype = output.tokens.dtype
    kind = str(output.tokens.dtype).removeprefix("torch.")
    return ok(f"{kind} tokens [B, {rows * cols}, {dim}] on {rows}x{cols}", dim=dim)


def finite(subject: Subject) -> Finding:
    """Look for NaN and infinity, and for a map that is the same everywhere."""
    maps = subject.earlier.maps
    if not torch.isfinite(maps).all():
        return failed("the model gives NaN or infinity; check its weights")
    spread = float(maps.flatten(0, 2).std(0).mean())
    if spread == 0:
        return failed("the map is the same everywhere: the image does not reach the output")
    return ok("every number is finite, and they vary", spread=spread)


def grids(subject: Subject) -> Finding:
    """Try images that are square, wide, tall and of an odd number of patches."""
    patch, side = subject.card.patch_size, subject.side
    long = patch * round(side * 16 / 9 / patch)
    sizes = [(side, side), (side, long), (long, side), (15 * patch, 27 * patch)]
    if subject.full:
        sizes += [(patch * round(480 / patch), patch * round(w / patch)) for w in (848, 864)]
    for size in sizes:
        try:
            subject.maps(subject.images(1, size))
        except ContractError as error:
            return failed(str(error))
        except Exception as error:  # somebody else's model may raise anything
            return failed(
                f"fails on an image of {size[0]}x{size[1]}: {type(error).__name__}: "
                f"{' '.join(str(error).split())[:300]}; every multiple of the patch has to work"
            )
    sizes_shown = ", ".join(f"{h}x{w}" for h, w in sizes)
    return ok(f"rows and columns are right for {sizes_shown}", sizes=len(sizes))


def determinism(subject: Subject) -> Finding:
    """Show the same images again, with others in between."""
    subject.maps(subject.images(2, first=8))
    found = subject.difference(subject.earlier.maps, subject.maps(subject.images(2)))
    if found > _same(subject):
        return failed(
            "the same images give other numbers the second time; remove chance and memory of "
            "earlier images",
            difference=found,
        )
    return ok("the same images give the same numbers", difference=found)


def order(subject: Subject) -> Finding:
    """Show the frames of a batch in another order."""
    if subject.kind == "clip":
        return not_applicable("the model looks at several frames at once")
    shuffled = torch.tensor([3, 6, 1, 7, 0, 4, 2, 5], device=subject.device)
    again = subject.maps(subject.images(8)[shuffled])
    found = subject.difference(subject.base[shuffled], again)
    if found > _same(subject):
        return failed(
            "a frame's numbers depend on its place in the batch; an image model sees every frame "
            "alone (one that looks at several declares temporal='clip')",
            difference=found,
        )
    return ok("the order of the frames changes nothing", difference=found)


def batch(subject: Subject) -> Finding:
    """Show images one by one that were seen together."""
    many, step = subject.together, CLIP_FRAMES if subject.kind == "clip" else 1
    images, found = subject.images(many), 0.0
    for i in sorted({0, many // 2, many - 1}):
        seen = subject.base[i * step : (i + 1) * step]
        found = max(found, subject.difference(seen, subject.maps(images[i : i + 1])))
    if found > _same(subject):
        return failed(
            f"an image's numbers depend on its batch mates (1 against {many} at once); normalise "
            "over one image at a time, and leave batch norm in evaluation mode",
            difference=found,
        )
    return ok(f"alone or among {many}, the same numbers", difference=found)


def time(subject: Subject) -> Finding:
    """Exchange the first frame of a clip: a model of clips takes notice in the others."""
    if subject.kind != "clip":
        return not_applicable("the model looks at one frame at a time")
    clips = moving(subject.images(1))
    changed = clips.clone()
    changed[:, 0] = subject.images(1, first=5)
    with torch.inference_mode():
        maps = [
            checked(subject.loaded.model.extract_clip(c), subject, 1, c.shape[-2:])  # type: ignore[union-attr]
            for c in (clips, changed)
        ]
    found = subject.difference(maps[0][-1:], maps[1][-1:])
    if found < _same(subject):
        return warning(
            "the last frame of a clip does not depend on the first; if the model sees every frame "
            "alone, temporal='image' is faster",
            difference=found,
        )
    return ok("frames of a clip know of each other", difference=found)


def segments(subject: Subject) -> Finding:
    """Look at the segments of a model that has features as well."""
    model = subject.loaded.model
    if subject.kind == "segmenter" or not callable(getattr(model, "segment", None)):
        return not_applicable(
            "the other checks look at its segments"
            if subject.kind == "segmenter"
            else "the model brings no clusters of its own"
        )
    both = Subject(subject.loaded, "segmenter", subject.device, subject.rebuild)
    try:
        first, again = both.maps(both.images(4)), both.maps(both.images(4)[:1])
    except ContractError as error:
        return failed(f"segment(images) {error}")
    except Exception as error:  # somebody else's model may raise anything
        return failed(str(plugin_error(subject.card.name, "asked for segments", error)))
    found = unequal(first[:1], again)
    if found > SAME_PIXELS:
        return failed("segments of an image depend on its batch mates", difference=found)
    return ok("integer ids [B, H, W], alone and in a batch", difference=found)


def _same(subject: Subject) -> float:
    if subject.kind == "segmenter":
        return SAME_PIXELS
    return SAME.get(subject.earlier.dtype, SAME_FLOAT)
