"""Checks of what a model is: its card, its weights, its modes, what it leaves behind."""

from __future__ import annotations

import copy

import torch

from tvseg_bench.benchmark.contract.model_probe import (
    Finding,
    Subject,
    failed,
    not_applicable,
    ok,
    warning,
)
from tvseg_bench.benchmark.contract.model_state import (
    modules,
    parameters,
    random_states,
    seeded,
    state,
)
from tvseg_bench.benchmark.types import ModelCard, PatchFeatures

_COUNT_TOLERANCE = 0.05
"""How far `params_m` may be from the parameters that are counted, as a share of them."""
_ODD_SEED = 918_273_645
"""Used nowhere else, so that seeding again inside the model shows."""


def card(subject: Subject) -> Finding:
    """Compare the card with what a reader of a result has to know."""
    stated, trained = subject.card, subject.card.revision.startswith("sha256:")
    count = sum(p.numel() for p in parameters(subject.loaded.model).values()) / 1e6
    wrong = [
        *(["licence='unknown': name the SPDX id of the weights"] * (stated.licence == "unknown")),
        *_wrong_count(stated, count),
    ]
    if trained and not stated.pretraining_data:
        wrong.append("pretraining_data is empty: name what the weights were trained on")
    if wrong:
        return failed(f"the card is not complete: {'; '.join(wrong)}", params_m=count)
    missing = [name for name in ("paper", "code") if getattr(stated, name) is None]
    if trained and stated.weights_sha256 is None:
        missing.append("weights_sha256")
    if missing:
        return warning(f"the card says nothing about {', '.join(missing)}", params_m=count)
    return ok("complete, the licence is named", params_m=count)


def _wrong_count(stated: ModelCard, count: float) -> list[str]:
    if stated.params_m is None:
        return [f"params_m is missing: {count:.3g} million parameters were counted"]
    if count and abs(stated.params_m - count) > max(_COUNT_TOLERANCE * count, 0.01):
        return [f"params_m={stated.params_m} where {count:.3g} million were counted"]
    return []


def weights(subject: Subject) -> Finding:
    """Build once more under another random seed: what differs did not come from the weights."""
    stated, given_sha256 = subject.card, subject.given_sha256
    if given_sha256 is not None and not stated.revision.startswith(f"sha256:{given_sha256}"):
        return failed(
            f"the card's revision is {stated.revision}, but the file given with --weights has "
            f"sha256:{given_sha256}; set the revision from the file that is loaded"
        )
    if stated.weights_sha256 and not stated.revision.startswith(f"sha256:{stated.weights_sha256}"):
        return failed(
            f"the card promises weights with sha256:{stated.weights_sha256}, but its revision is "
            f"{stated.revision}; fetch the right file, or fix the card"
        )
    first = state(subject.loaded.model)
    other = subject.rebuild().model
    if other is subject.loaded.model:  # a builder that keeps what it built
        other = copy.deepcopy(other)
    subject.earlier.rebuilt = other
    second = {name: tensor.to(subject.device) for name, tensor in state(other).items()}
    if not first:
        return not_applicable("the model has no parameters")
    drawn = [n for n, t in first.items() if n not in second or not _same(t, second[n])]
    if drawn:
        more = ", …" if len(drawn) > 3 else ""
        return failed(
            f"{len(drawn)} of {len(first)} tensors differ from one build to the next, so they "
            f"were drawn at random and not loaded ({', '.join(drawn[:3])}{more}); load strictly, "
            "or draw them from a seed of their own",
            tensors=len(first),
            random=len(drawn),
        )
    return ok(
        f"all {len(first)} tensors are the same in every build, nothing is left to chance",
        tensors=len(first),
        random=0,
    )


def _same(a: torch.Tensor, b: torch.Tensor) -> bool:
    return a.shape == b.shape and bool(torch.equal(a.nan_to_num(), b.nan_to_num()))


def frozen(subject: Subject) -> Finding:
    """Look for modules in training mode and for features that carry a gradient."""
    with torch.enable_grad():
        output = subject.raw(subject.images(1))
    values = output.tokens if isinstance(output, PatchFeatures) else output
    training = [path or "the model" for path, m in modules(subject.loaded.model) if m.training]
    if training:
        return failed(
            f"{len(training)} modules are in training mode ({', '.join(training[:3])}): batch "
            "mates and chance move the numbers; hold modules as attributes, where the suite "
            "freezes them, and never call train()"
        )
    if values.requires_grad:
        return failed(
            "the output requires a gradient, so every batch keeps its complete graph in memory; "
            "hold modules as attributes, where the suite freezes them, or detach the output"
        )
    return ok("every module in evaluation mode, no gradients")


def random_state(subject: Subject) -> Finding:
    """Compare the states of Python's, numpy's and torch's generators before and after."""
    with seeded(_ODD_SEED):
        before = random_states()
        subject.maps(subject.images(2))
        after = random_states()
    names = ("random", "numpy.random", "torch", *["torch.cuda"] * (len(before) - 3))
    moved = [n for n, a, b in zip(names, before, after, strict=True) if not _equal_states(a, b)]
    if moved:
        return failed(
            f"it draws from or seeds the global generator of {', '.join(sorted(set(moved)))}; use "
            "a generator of its own, or none"
        )
    return ok("the generators of Python, numpy and torch are left as they were")


def _equal_states(a: object, b: object) -> bool:
    if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor):
        return bool(torch.equal(a, b))
    return repr(a) == repr(b)
