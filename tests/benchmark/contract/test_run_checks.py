"""Each check of the contract test finds the one fault that was planted for it, and no other."""

import json
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import tvseg_bench
from tvseg_bench.benchmark.contract import model_probe
from tvseg_bench.benchmark.contract.check_report import CHECKS, CheckReport
from tvseg_bench.benchmark.contract.run_checks import check_model
from tvseg_bench.benchmark.errors import UsageError
from tvseg_bench.benchmark.registry import ModelEntry, models
from tvseg_bench.benchmark.types import ModelCard, PatchFeatures

PATCH, DIM = 16, 12
CARD = ModelCard(
    name="tiny/net",
    revision="seed:0",
    patch_size=PATCH,
    embed_dim=DIM,
    params_m=sum((DIM * 3 * PATCH * PATCH, DIM, DIM * DIM, DIM)) / 1e6,
    licence="Apache-2.0",
    paper="https://example.org/paper",
    code="https://example.org/code",
)


class Tiny(nn.Module):
    """Patch embedding, a nonlinearity, a mixing layer: the smallest honest model."""

    def __init__(self, **changes: Any) -> None:
        super().__init__()
        self.card = replace(CARD, **changes)
        self.embed = nn.Conv2d(3, DIM, PATCH, PATCH)
        self.mix = nn.Linear(DIM, DIM)
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.1)

    def maps(self, images: Tensor) -> Tensor:
        """Return [B, rows, cols, D]."""
        return torch.tanh(self.mix(torch.tanh(self.embed(images).permute(0, 2, 3, 1))))

    def extract(self, images: Tensor) -> PatchFeatures:
        maps = self.maps(images)
        return PatchFeatures(maps.flatten(1, 2), (maps.shape[1], maps.shape[2]))


# ------------------------------------------------------------------------ planted faults


class DrawnAtRandom(Tiny):
    def __init__(self) -> None:
        super().__init__()
        nn.init.normal_(self.mix.weight)


class KeepsItsClassToken(Tiny):
    def extract(self, images: Tensor) -> PatchFeatures:
        found = super().extract(images)
        tokens = torch.cat([found.tokens.mean(1, keepdim=True), found.tokens], dim=1)
        return PatchFeatures(tokens, found.grid)


class ReturnsATensor(Tiny):
    def extract(self, images: Tensor) -> Any:
        return self.maps(images)


class ReturnsIntegers(Tiny):
    def extract(self, images: Tensor) -> PatchFeatures:
        found = super().extract(images)
        return PatchFeatures((found.tokens * 100).long(), found.grid)


class DividesByZero(Tiny):
    def maps(self, images: Tensor) -> Tensor:
        return super().maps(images) / 0


class IsConstant(Tiny):
    def maps(self, images: Tensor) -> Tensor:
        return torch.ones_like(super().maps(images))


class AssumesASquare(Tiny):
    def extract(self, images: Tensor) -> PatchFeatures:
        found = super().extract(images)
        side = int(found.tokens.shape[1] ** 0.5)
        return PatchFeatures(found.tokens, (side, side))


class SwapsItsGrid(Tiny):
    def extract(self, images: Tensor) -> PatchFeatures:
        found = super().extract(images)
        return PatchFeatures(found.tokens, found.grid[::-1])


class OnlyOneSize(Tiny):
    def maps(self, images: Tensor) -> Tensor:
        if images.shape[-2] != images.shape[-1]:
            raise RuntimeError("size mismatch")
        return super().maps(images)


class CountsItsCalls(Tiny):
    calls = 0

    def maps(self, images: Tensor) -> Tensor:
        self.calls += 1
        return super().maps(images) + 0.01 * self.calls


class KnowsItsPlace(Tiny):
    def maps(self, images: Tensor) -> Tensor:
        place = torch.arange(len(images)).reshape(-1, 1, 1, 1)
        return super().maps(images) + 0.05 * place


class NormalisesTheBatch(Tiny):
    def maps(self, images: Tensor) -> Tensor:
        maps = super().maps(images)
        return maps - 0.5 * maps.mean(0, keepdim=True)


class IgnoresItsWeights(Tiny):
    def maps(self, images: Tensor) -> Tensor:
        fixed = torch.randn(DIM, 3, PATCH, PATCH, generator=torch.Generator().manual_seed(1))
        return torch.tanh(nn.functional.conv2d(images, fixed, stride=PATCH)).permute(0, 2, 3, 1)


class ProjectsPixels(Tiny):
    def maps(self, images: Tensor) -> Tensor:
        return self.mix(self.embed(images).permute(0, 2, 3, 1))


class IsContrast(Tiny):
    """Nonlinear, and yet nothing but the colours' deviation in each patch."""

    def maps(self, images: Tensor) -> Tensor:
        std = torch.tensor(self.card.std)[:, None, None] * 1.0
        patches = (images * std).unfold(2, PATCH, PATCH).unfold(3, PATCH, PATCH)
        spread = patches.flatten(4).std(4, correction=0).permute(0, 2, 3, 1)
        return spread @ self.mix.weight[:3] + 0 * self.embed.weight.sum()


class NormalisesAgain(Tiny):
    def maps(self, images: Tensor) -> Tensor:
        std, mean = torch.std_mean(images, dim=(2, 3), keepdim=True)
        return super().maps((images - mean) / std)


class GoesColumnByColumn(Tiny):
    def extract(self, images: Tensor) -> PatchFeatures:
        maps = self.maps(images)
        return PatchFeatures(maps.transpose(1, 2).flatten(1, 2), (maps.shape[1], maps.shape[2]))


class IsUpsideDown(Tiny):
    def maps(self, images: Tensor) -> Tensor:
        return super().maps(images).flip(1)


class HidesAModule(Tiny):
    def __init__(self) -> None:
        super().__init__()
        self.hidden = [nn.Dropout(0.5)]


class TrainsWhileExtracting(Tiny):
    def maps(self, images: Tensor) -> Tensor:
        self.train()
        return super().maps(images)


class WantsAGradient(Tiny):
    def maps(self, images: Tensor) -> Tensor:
        scale = torch.ones((), requires_grad=True)
        return super().maps(images) * scale


class SeedsTorch(Tiny):
    def maps(self, images: Tensor) -> Tensor:
        torch.manual_seed(0)
        return super().maps(images)


class DrawsFromNumpy(Tiny):
    def maps(self, images: Tensor) -> Tensor:
        np.random.rand()
        return super().maps(images)


class DrawsFromPython(Tiny):
    def maps(self, images: Tensor) -> Tensor:
        random.random()
        return super().maps(images)


FAULTS: list[tuple[Callable[[], Any], str, str]] = [
    (lambda: Tiny(licence="unknown"), "card", "licence='unknown'"),
    (lambda: Tiny(params_m=None), "card", "params_m is missing: 0.00"),
    (lambda: Tiny(params_m=21.7), "card", "params_m=21.7 where 0.00"),
    (lambda: Tiny(revision="sha256:" + "a" * 64), "card", "pretraining_data is empty"),
    (lambda: Tiny(weights_sha256="a" * 64), "weights", "its revision is seed:0"),
    (DrawnAtRandom, "weights", "1 of 4 tensors differ .* not loaded (mix.weight)"),
    (KeepsItsClassToken, "shapes", "tokens [2, 197, 12] on the grid 14x14"),
    (ReturnsATensor, "shapes", "returns Tensor, expected PatchFeatures"),
    (ReturnsIntegers, "shapes", "gives torch.int64 tokens"),
    (lambda: Tiny(embed_dim=8), "shapes", "= [2, 196, 8]"),
    (DividesByZero, "finite", "gives NaN or infinity"),
    (IsConstant, "finite", "the same everywhere"),
    (AssumesASquare, "grids", "the grid 18x18 for 224x400 pixels, expected 14x25"),
    (SwapsItsGrid, "grids", "the grid 25x14 for 224x400"),
    (OnlyOneSize, "grids", "fails on an image of 224x400: RuntimeError: size mismatch"),
    (CountsItsCalls, "determinism", "other numbers the second time"),
    (KnowsItsPlace, "order", "its place in the batch"),
    (NormalisesTheBatch, "batch", "its batch mates (1 against 8 at once)"),
    (IgnoresItsWeights, "reinitialised", "the weights do not reach the output"),
    (ProjectsPixels, "pixels", "an affine map of the pixels"),
    (IsContrast, "pixels", "is the colour, contrast and place"),
    (NormalisesAgain, "normalisation", "normalises once more by itself"),
    (GoesColumnByColumn, "shift", "shifted right by a patch and the map does not follow"),
    (IsUpsideDown, "shift", "shifted down by a patch and the map does not follow"),
    (HidesAModule, "frozen", "1 modules are in training mode (hidden.0)"),
    (TrainsWhileExtracting, "frozen", "3 modules are in training mode"),
    (WantsAGradient, "frozen", "the output requires a gradient"),
    (SeedsTorch, "random-state", "the global generator of torch"),
    (DrawsFromNumpy, "random-state", "the global generator of numpy.random"),
    (DrawsFromPython, "random-state", "the global generator of random"),
]
"""Builder, the one check that has to fail, and a part of its sentence."""

Check = Callable[..., CheckReport]


@pytest.fixture(autouse=True)
def _registered() -> None:
    tvseg_bench.register_builtins()


@pytest.fixture
def check() -> Iterator[Check]:
    """Run the contract test on what a builder gives."""
    registered = ExitStack()

    def run(build: Callable[[], Any], **options: Any) -> CheckReport:
        with torch.random.fork_rng(devices=[]):
            name = build().card.name
        entry = ModelEntry(card=None, build=build, takes_weights="weights" in options)
        registered.enter_context(models.overridden({name: entry}, "the tests"))
        options.setdefault("leave_out", ("speed", "toy"))
        return check_model(name, device="cpu", **options)

    with registered:
        yield run


def said(report: CheckReport, name: str) -> tuple[str, str]:
    outcome = next(o for o in report.outcomes if o.check == name)
    return outcome.status, outcome.message


def test_an_honest_model_passes(check: Check) -> None:
    heard: list[str] = []
    report = check(Tiny, leave_out=("toy",), on_outcome=lambda o: heard.append(o.check))
    assert report.passed
    statuses = {o.check: o.status for o in report.outcomes}
    silent = {"time", "segments", "toy"}
    assert {c: "not-applicable" if c in silent else "ok" for c in CHECKS} == statuses
    assert tuple(heard) == CHECKS
    assert report.kind == "features"
    numbers = next(o.numbers for o in report.outcomes if o.check == "speed")
    assert numbers["fps"] > 0
    assert numbers["peak_mb"] is None or numbers["peak_mb"] > 10


@pytest.mark.parametrize(
    ("build", "name", "sentence"), FAULTS, ids=[f"{n}: {s[:40]}" for _, n, s in FAULTS]
)
def test_each_fault_fails_its_check_alone(
    build: Callable[[], Any], name: str, sentence: str, check: Check
) -> None:
    report = check(build)
    assert report.failed == (name,)
    first, _, second = sentence.partition(" .* ")
    assert first in said(report, name)[1]
    assert second in said(report, name)[1]
    assert "\n" not in said(report, name)[1]


def test_every_check_that_can_fail_has_a_fault() -> None:
    never_fail = {"time", "speed", "toy", "segments"}  # their own tests are below
    assert {name for _, name, _ in FAULTS} == set(CHECKS) - never_fail


def test_the_callers_random_states_are_left_alone(check: Check) -> None:
    before = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state()
    check(DrawnAtRandom)
    assert random.getstate() == before[0]
    assert np.random.get_state()[1].tolist() == before[1]
    assert torch.equal(torch.get_rng_state(), before[2])


def test_larger_images_when_asked(check: Check) -> None:
    assert "480x864" in said(check(Tiny, full=True), "grids")[1]


# --------------------------------------------------------------------------- other kinds


class Palette:
    """Brings its own clusters: the brightest channel, by brightness."""

    def __init__(self) -> None:
        self.card = replace(CARD, name="tiny/palette", params_m=0.0)

    def segment(self, images: Tensor) -> Tensor:
        return images.argmax(1) * 2 + (images.mean(1) > 0)


class FloatIds(Palette):
    def segment(self, images: Tensor) -> Tensor:
        return super().segment(images).float()


class NegativeIds(Palette):
    def segment(self, images: Tensor) -> Tensor:
        return super().segment(images) - 6


class PatchIds(Palette):
    def segment(self, images: Tensor) -> Tensor:
        return super().segment(images)[:, ::PATCH, ::PATCH]


class TurnedIds(Palette):
    def segment(self, images: Tensor) -> Tensor:
        return (
            super().segment(images.transpose(2, 3))
            if images.shape[2] == images.shape[3]
            else (super().segment(images))
        )


def test_a_segmenter(check: Check) -> None:
    report = check(Palette)
    assert report.passed
    assert report.kind == "segmenter"
    silent = {o.check for o in report.outcomes if o.status == "not-applicable"}
    assert silent == {"weights", "reinitialised", "pixels", "time", "segments", "speed", "toy"}


@pytest.mark.parametrize(
    ("build", "name", "sentence"),
    [
        (FloatIds, "shapes", "gives torch.float32 ids, expected integers"),
        (NegativeIds, "shapes", "gives ids from -4 to -1"),
        (PatchIds, "shapes", "gives ids [2, 14, 14], expected [B, H, W] = [2, 224, 224]"),
        (TurnedIds, "shift", "the map does not follow"),
    ],
)
def test_faults_of_segmenters(
    build: Callable[[], Any], name: str, sentence: str, check: Check
) -> None:
    report = check(build)
    assert report.failed == (name,)
    assert sentence in said(report, name)[1]


class WithSegments(Tiny):
    scale = 1.0

    def segment(self, images: Tensor) -> Tensor:
        return (images.argmax(1) * self.scale).long()


class BadSegments(WithSegments):
    scale = -1.0


def test_features_and_segments(check: Check) -> None:
    assert said(check(WithSegments), "segments")[0] == "ok"
    report = check(BadSegments)
    assert report.failed == ("segments",)
    assert "segment(images) gives ids from -2 to 0" in said(report, "segments")[1]


class ClipNet(Tiny):
    """Adds to every frame the mean over its clip."""

    share = 0.5

    def __init__(self) -> None:
        super().__init__(temporal="clip", name="tiny/clip")

    def extract_clip(self, clips: Tensor) -> PatchFeatures:
        b, t = clips.shape[:2]
        maps = self.maps(clips.flatten(0, 1)).unflatten(0, (b, t))
        maps = (maps + self.share * maps.mean(1, keepdim=True)).flatten(0, 1)
        return PatchFeatures(maps.flatten(1, 2), (maps.shape[1], maps.shape[2]))


class SeesFramesAlone(ClipNet):
    share = 0.0


class DropsFrames(ClipNet):
    def extract_clip(self, clips: Tensor) -> PatchFeatures:
        return super().extract_clip(clips[:, ::2])


class MixesClips(ClipNet):
    def extract_clip(self, clips: Tensor) -> PatchFeatures:
        found = super().extract_clip(clips)
        return PatchFeatures(found.tokens - 0.5 * found.tokens.mean(0), found.grid)


def test_a_clip_model(check: Check) -> None:
    report = check(ClipNet)
    assert report.passed
    assert report.kind == "clip"
    assert said(report, "time")[0] == "ok"
    assert said(report, "order")[0] == "not-applicable"


def test_faults_of_clip_models(check: Check) -> None:
    alone = check(SeesFramesAlone)
    assert alone.passed
    assert said(alone, "time")[0] == "warning"
    dropped = check(DropsFrames)
    assert dropped.failed == ("shapes",)
    assert "B * T images" in said(dropped, "shapes")[1]
    mixed = check(MixesClips)
    assert mixed.failed == ("batch",)
    assert "(1 against 2 at once)" in said(mixed, "batch")[1]


class HalfPrecision(Tiny):
    def extract(self, images: Tensor) -> PatchFeatures:
        found = super().extract(images)
        return PatchFeatures(found.tokens.bfloat16(), found.grid)


def test_limits_follow_the_type_of_the_tokens(check: Check) -> None:
    report = check(HalfPrecision)
    assert report.passed
    assert said(report, "shapes")[1].startswith("bfloat16 tokens")


def test_what_stands_on_a_check_that_was_left_out_says_nothing(check: Check) -> None:
    report = check(Tiny, leave_out=("determinism",))
    assert report.passed
    assert said(report, "shift") == (
        "not-applicable",
        "is not run while 'determinism' does not hold",
    )


# ------------------------------------------------------------------------------ the toy


class Blind(Tiny):
    """Knows where a patch is, and nothing of what is in it but a trace."""

    def maps(self, images: Tensor) -> Tensor:
        maps = super().maps(images)
        checker = torch.ones(maps.shape[1:3]).cumsum(0).cumsum(1).remainder(2)[..., None]
        return 0.01 * maps + checker


def test_losing_to_a_random_network_is_a_warning(
    check: Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Baseline(Tiny):
        def __init__(self) -> None:
            super().__init__(name="baseline/random")

    only_toy = tuple(set(CHECKS) - {"shapes", "finite", "grids", "toy"})
    with models.overridden({"baseline/random": ModelEntry(card=None, build=Baseline)}):
        lost = check(Blind, leave_out=only_toy)
    status, message = said(lost, "toy")
    assert (status, lost.passed) == ("warning", True)
    assert "no better than baseline/random under kmeans-clip on 4 clips" in message

    monkeypatch.setattr(
        Blind, "__init__", lambda self: Tiny.__init__(self, name="baseline/random")
    )
    with models.overridden({"baseline/random": ModelEntry(card=None, build=Blind)}):
        assert said(check(Tiny, leave_out=only_toy), "toy")[0] == "ok"


# ----------------------------------------------------------------------------- weights


def test_a_model_that_cannot_be_built(tmp_path: Path) -> None:
    path = tmp_path / "net.py"
    path.write_text("def build():\n    raise ValueError('no file')\n")
    report = check_model(f"file:{path}", device="cpu")
    assert report.failed == ("weights",)
    assert "could not be built" in said(report, "weights")[1]
    assert {said(report, c)[1] for c in CHECKS[1:]} == {"the model was not built"}
    assert report.model.name == "file:net.py"
    assert str(tmp_path) not in report.model.name


def test_a_revision_that_is_not_the_files(check: Check, tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(b"weights")

    def build(weights: Path | None = None) -> Tiny:
        return Tiny(revision="sha256:" + "0" * 64, pretraining_data=("none",))

    report = check(build, weights=path)
    assert report.failed == ("weights",)
    assert "set the revision from the file that is loaded" in said(report, "weights")[1]
    assert said(report, "reinitialised")[1] == "is not run while 'weights' does not hold"


def test_unknown_names() -> None:
    with pytest.raises(UsageError, match="unknown model 'tiny/nett'"):
        check_model("tiny/nett")
    with pytest.raises(UsageError, match="unknown device 'abacus'"):
        check_model("baseline/pixels", device="abacus")


def test_the_suites_own_baselines_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_probe, "SIDE", 64)  # the laws do not depend on it
    for name in ("baseline/random", "baseline/pixels"):
        report = check_model(name, device="cpu", leave_out=("toy", "speed", "grids"))
        assert report.passed, report.to_markdown()


def test_reading_a_report_needs_no_torch() -> None:
    code = "import sys, tvseg_bench.benchmark.contract.check_report; print('torch' in sys.modules)"
    run = [sys.executable, "-c", code]
    assert subprocess.check_output(run, text=True).strip() == "False"


def test_json_holds_the_same_as_the_report(check: Check) -> None:
    report = check(Tiny)
    again = CheckReport.model_validate_json(report.to_json())
    assert again == report
    assert json.loads(report.to_json())["schema"] == "tvseg-bench/check@1"
