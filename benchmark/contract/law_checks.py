"""Checks that the map comes from the image through the network: laws of what has to change.

Where two maps are compared, features by the largest distance of two tokens over the root mean
square length of a token, segments by the share of pixels that differ.
"""

from __future__ import annotations

import torch
from torch import Tensor

from tvseg_bench.benchmark.contract.model_probe import (
    Finding,
    Subject,
    failed,
    not_applicable,
    ok,
    unequal,
)
from tvseg_bench.benchmark.contract.model_state import parameters
from tvseg_bench.benchmark.registry import models
from tvseg_bench.benchmark.types import FeatureModel

CHANGED = 1e-2
"""Two maps that have to differ differ by more."""
CHANGED_PIXELS = 1e-3
AFFINE = 1e-3
"""A map of a mean of two images that is nearer to the mean of their maps is affine in pixels."""
EXPLAINED = 0.999
"""Share of the variance of the features that colour, contrast and place of a patch may explain."""
INIT_STD = 0.02
"""Of reinitialised weights, where the loaded ones do not vary."""
_ODD_SEED = 736_455_281
"""Used nowhere else, so that the weights are not drawn as the model's were."""
_PIXELS = "baseline/pixels"


def reinitialised(subject: Subject) -> Finding:
    """Reinitialise the weights of another build; what comes out has to change."""
    other, subject.earlier.rebuilt = subject.earlier.rebuilt, None
    tensors = [p for p in parameters(other).values() if p.ndim > 1]
    if not tensors:
        return not_applicable("the model has no weights that could be drawn again")
    generator = torch.Generator().manual_seed(_ODD_SEED)
    with torch.no_grad():
        for tensor in tensors:
            std = float(tensor.float().std()) if tensor.numel() > 1 else 0.0
            drawn = torch.randn(tensor.shape, generator=generator) * max(std, INIT_STD)
            tensor.copy_(drawn.to(tensor.dtype))
    found = subject.difference(subject.earlier.maps, subject.maps(subject.images(2), other))
    if found < _changed(subject):
        return failed(
            "the model with reinitialised weights gives the same numbers, so the weights do not "
            "reach the output; extract from the network that was loaded",
            difference=found,
        )
    return ok("the model with reinitialised weights gives other numbers", difference=found)


def pixels(subject: Subject) -> Finding:
    """Compare the features with the raw image: an affine map of it, or its colour and place."""
    if subject.kind == "segmenter":
        return not_applicable("the model gives segments, no features")
    if subject.card.name == _PIXELS:
        return not_applicable("this is the raw-pixel baseline itself")
    (a, b), (map_a, map_b) = subject.images(2), subject.earlier.maps.chunk(2)
    curved = subject.difference((map_a + map_b) / 2, subject.maps((a + b)[None] / 2))
    if curved < AFFINE:
        return failed(
            "the features are an affine map of the pixels; extract after the network's layers",
            curvature=curved,
        )
    explained = _explained(subject)
    if explained is not None and explained > EXPLAINED:
        return failed(
            f"{explained:.2%} of the features' variance is the colour, contrast and place of each "
            "patch; extract after the network's layers",
            curvature=curved,
            explained=explained,
        )
    return ok(
        "the features are not the raw image transformed", curvature=curved, explained=explained
    )


def _explained(subject: Subject) -> float | None:
    """Return the share of variance that `baseline/pixels` explains linearly, None without it."""
    if models.loaded(_PIXELS) is None or not subject.card.exact_grid or subject.kind == "clip":
        return None
    baseline: FeatureModel = models[_PIXELS].build()
    raw = subject.images(8, statistics=((0.0,) * 3, (1.0,) * 3))
    size = tuple(subject.base.shape[1:3])
    patch = baseline.card.patch_size
    scaled = torch.nn.functional.interpolate(raw, (size[0] * patch, size[1] * patch), mode="area")
    known = baseline.extract(scaled).tokens.flatten(0, 1).double().numpy()
    features = subject.base.flatten(0, 2).double().numpy()
    from sklearn.linear_model import LinearRegression  # a second that only this check waits for
    from sklearn.metrics import r2_score

    fitted = LinearRegression().fit(known, features).predict(known)
    return float(r2_score(features, fitted, multioutput="variance_weighted"))


def normalisation(subject: Subject) -> Finding:
    """Normalise the images by another mean and deviation."""
    card = subject.card
    other = (
        tuple(m + 0.25 * s for m, s in zip(card.mean, card.std, strict=True)),
        tuple(1.5 * s for s in card.std),
    )
    changed = subject.maps(subject.images(2, statistics=other))
    found = subject.difference(subject.earlier.maps, changed)
    if found < _changed(subject):
        return failed(
            "another mean and deviation change nothing, so the model normalises once more by "
            "itself; leave that to the suite, which reads mean and std from the card",
            difference=found,
        )
    return ok("mean and std of the card reach the output", difference=found)


def shift(subject: Subject) -> Finding:
    """Shift the image by a patch: the map has to shift with it, right and down."""
    step = subject.card.patch_size
    cells = step if subject.kind == "segmenter" else 1
    whole = subject.images(2, (subject.side + step, subject.side + step))
    origin = subject.maps(whole[..., step:, step:])
    numbers: dict[str, float] = {}
    for name, moved, dim in (
        ("right", whole[..., step:, :-step], 2),
        ("down", whole[..., :-step, step:], 1),
    ):
        n = origin.shape[dim] - cells
        after = subject.maps(moved)
        numbers[name] = _agreement(subject, origin.narrow(dim, 0, n), after.narrow(dim, cells, n))
        numbers[f"{name}, not moved"] = _agreement(
            subject, origin.narrow(dim, 0, n), after.narrow(dim, 0, n)
        )
    for name in ("right", "down"):
        if not numbers[name] > numbers[f"{name}, not moved"]:
            return failed(
                f"the image is shifted {name} by a patch and the map does not follow "
                f"(agreement {numbers[name]:.3f}, unmoved {numbers[f'{name}, not moved']:.3f}); "
                "tokens go row by row, from the top left",
                **numbers,
            )
    return ok("the map follows an image that is shifted by a patch", **numbers)


def _agreement(subject: Subject, a: Tensor, b: Tensor) -> float:
    """Return the correlation of two maps, channels centred; of segments the share of equal ids."""
    if subject.kind == "segmenter":
        return 1 - unequal(a, b)
    a, b = (m.flatten(0, 2) - m.flatten(0, 2).mean(0) for m in (a, b))
    return float((a * b).sum() / (a.norm() * b.norm()).clamp_min(1e-12))


def _changed(subject: Subject) -> float:
    return CHANGED_PIXELS if subject.kind == "segmenter" else CHANGED
