"""Strict loading: wherever a checkpoint keeps the backbone, all of it or nothing."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import Tensor

from tvseg_bench.benchmark.errors import ModelError
from tvseg_bench.benchmark.types import ModelCard
from tvseg_bench.models.loading.weights import find_weights, load_weights

State = dict[str, Tensor]
Maker = Callable[..., Any]


def below(prefix: str, state: State) -> State:
    return {prefix + key: value for key, value in state.items()}


HEAD = {"head.0.weight": torch.ones(2, 2), "head.0.bias": torch.ones(2)}
LAYOUTS: dict[str, Callable[[State], tuple[Any, str]]] = {
    "bare": lambda s: (s, ""),
    "bare, classifier": lambda s: ({**s, "head.weight": torch.ones(3, 24)}, ""),
    "teacher": lambda s: ({"teacher": below("backbone.", s)}, "teacher.backbone."),
    "teacher, parallel": lambda s: (
        {"teacher": {**below("module.backbone.", s), **below("module.", HEAD)}, "epoch": 3},
        "teacher.module.backbone.",
    ),
    "lightning": lambda s: (
        {"state_dict": {**below("model.", s), "model.prototypes.weight": torch.ones(2, 2)}},
        "state_dict.model.",
    ),
    "model": lambda s: ({"model": {**s, "decoder_embed.weight": torch.ones(1)}}, "model."),
    "encoder": lambda s: ({"encoder": below("module.", s)}, "encoder.module."),
    "timet": lambda s: (
        {
            **below("feature_extractor.backbone.", s),
            **below("feature_extractor.", HEAD),
            "prototypes": torch.ones(4, 4),
        },
        "feature_extractor.backbone.",
    ),
    "timet, training": lambda s: (
        {"epoch": 1, "model": below("feature_extractor.backbone.", s), "optimizer": {"state": {}}},
        "model.feature_extractor.backbone.",
    ),
}


@pytest.fixture
def saved(tmp_path: Path) -> Callable[[Any], Path]:
    def save(content: Any) -> Path:
        path = tmp_path / "file.pth"
        torch.save(content, path)
        return path

    return save


def same(a: State, b: State) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_finds_the_backbone(layout: str, make_vit: Maker, saved: Callable[[Any], Path]) -> None:
    state = make_vit(seed=1).state_dict()
    content, prefix = LAYOUTS[layout](state)
    path, net = saved(content), make_vit(seed=2)
    report = load_weights(net, path)
    assert same(net.state_dict(), state)
    assert (report.prefix, report.matched) == (prefix, len(state))
    assert report.revision == f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"


def test_names_what_it_leaves_out(make_vit: Maker, saved: Callable[[Any], Path]) -> None:
    content, _ = LAYOUTS["timet"](make_vit().state_dict())
    report = load_weights(make_vit(), saved(content))
    heads = ("feature_extractor.head.0.bias", "feature_extractor.head.0.weight", "prototypes")
    assert report.ignored == heads


@pytest.mark.parametrize("how", ["zip", "legacy", "safetensors"])
def test_formats(how: str, make_vit: Maker, tmp_path: Path) -> None:
    state, path = make_vit(seed=1).state_dict(), tmp_path / "odd.name"
    if how == "safetensors":
        save_file(state, path)
    else:
        torch.save(state, path, _use_new_zipfile_serialization=how == "zip")
    net = make_vit(seed=2)
    load_weights(net, path)
    assert same(net.state_dict(), state)


part = st.text("abcdxyz_019", min_size=1, max_size=5)


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(containers=st.lists(part, max_size=3), parts=st.lists(part, max_size=3))
def test_any_prefix_is_found(
    containers: list[str], parts: list[str], make_vit: Maker, tmp_path: Path
) -> None:
    state = make_vit(seed=1, depth=1).state_dict()
    content: Any = below("".join(f"{p}." for p in parts), state)
    for container in reversed(containers):
        content = {container: content}
    torch.save(content, tmp_path / "file.pth")
    net = make_vit(seed=2, depth=1)
    report = load_weights(net, tmp_path / "file.pth")
    assert report.prefix == "".join(f"{p}." for p in (*containers, *parts))
    assert same(net.state_dict(), state)


def test_half_precision_is_widened(make_vit: Maker, saved: Callable[[Any], Path]) -> None:
    state = {key: value.half() for key, value in make_vit(seed=1).state_dict().items()}
    net = make_vit()
    load_weights(net, saved(state))
    assert same(net.state_dict(), {key: value.float() for key, value in state.items()})


# ------------------------------------------------------------------------------ choice


def test_student_and_teacher(make_vit: Maker, saved: Callable[[Any], Path]) -> None:
    student, teacher = (make_vit(seed=s).state_dict() for s in (1, 2))
    path, net = saved({"student": student, "teacher": below("backbone.", teacher)}), make_vit()
    with pytest.raises(ModelError, match=r"several different backbones, below 'student\.' and"):
        load_weights(net, path)
    assert load_weights(net, path, prefer=("teacher",)).prefix == "teacher.backbone."
    assert same(net.state_dict(), teacher)


def test_a_complete_student_does_not_stand_in_for_a_broken_teacher(
    make_vit: Maker, saved: Callable[[Any], Path]
) -> None:
    student, teacher = (make_vit(seed=s).state_dict() for s in (1, 2))
    del teacher["norm.bias"]
    path = saved({"student": student, "teacher": below("backbone.", teacher)})
    sentence = r"41 of 42 tensors match below 'teacher\.backbone\.', 1 missing \(norm\.bias"
    with pytest.raises(ModelError, match=sentence):
        load_weights(make_vit(), path, prefer=("teacher",))


def test_equal_copies_are_one_backbone(make_vit: Maker, saved: Callable[[Any], Path]) -> None:
    state = make_vit(seed=1).state_dict()
    net = make_vit()
    load_weights(net, saved({"student": state, "teacher": state}))
    assert same(net.state_dict(), state)


# ----------------------------------------------------------------------------- refusal


def cut_one_component(state: State) -> State:
    return {key.partition(".")[2] or key: value for key, value in state.items()}


def without(name: str) -> Callable[[State], State]:
    return lambda state: {key: value for key, value in state.items() if key != name}


def changed(name: str, change: Callable[[Tensor], Tensor]) -> Callable[[State], State]:
    return lambda state: {**state, name: change(state[name])}


REFUSED: dict[str, tuple[Callable[[State], State], str]] = {
    "prefix off by one": (
        cut_one_component,
        r"does not hold this backbone: 2 of 42 tensors match, 40 missing \(patch_embed.* its "
        r"names have lost their first part, as in 'proj\.weight' for 'patch_embed\.proj\.weight'",
    ),
    "one missing": (
        without("norm.bias"),
        r"41 of 42 tensors match, 1 missing \(norm\.bias \[24\]\), 0 of another shape, 0 unexp",
    ),
    "one too many": (
        lambda s: {**s, "blocks.3.norm1.weight": torch.ones(24)},
        r"holds a ViT/8 \(dim 24, depth 4\), not a ViT/8 \(dim 24, depth 3\): 42 of 42 tensors "
        r"match, .* 1 unexpected \(blocks\.3\.norm1\.weight \[24\]\)",
    ),
    "transposed": (
        changed("blocks.0.mlp.fc1.weight", lambda t: t.T.contiguous()),
        r"1 of another shape \(blocks\.0\.mlp\.fc1\.weight \[24, 96\] for \[96, 24\]\).* is "
        r"transposed",
    ),
    "integers": (
        changed("norm.bias", lambda t: t.to(torch.int8)),
        r"1 of another shape",
    ),
    "not a number": (
        changed("norm.bias", lambda t: t * torch.nan),
        r"the tensor norm\.bias holds NaN or infinity",
    ),
    "foreign": (
        lambda s: {"conv1.w": torch.ones(2), "layer1.0.w": torch.ones(2)},
        r"does not hold this backbone: 0 of 42 tensors match; it holds conv1\.w, layer1\.0\.w",
    ),
}


@pytest.mark.parametrize("fault", REFUSED)
def test_refuses(fault: str, make_vit: Maker, saved: Callable[[Any], Path]) -> None:
    spoil, sentence = REFUSED[fault]
    net = make_vit(seed=2)
    before = {key: value.clone() for key, value in net.state_dict().items()}
    with pytest.raises(ModelError, match=sentence):
        load_weights(net, saved(spoil(make_vit(seed=1).state_dict())))
    assert same(net.state_dict(), before)


def test_says_below_which_prefix(make_vit: Maker, saved: Callable[[Any], Path]) -> None:
    state = below("module.", without("cls_token")(make_vit().state_dict()))
    with pytest.raises(ModelError, match=r"41 of 42 tensors match below 'teacher\.module\.'"):
        load_weights(make_vit(), saved({"teacher": state}))


# ------------------------------------------------------------------------------- place


@pytest.fixture
def card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModelCard:
    monkeypatch.setenv("TVSEG_HOME", str(tmp_path))
    (tmp_path / "weights").mkdir()
    url = "https://example.org/files/official.pth"
    return ModelCard(name="test/tiny", patch_size=8, embed_dim=24, weights_url=url)


@pytest.mark.parametrize("name", ["official.pth", "test-tiny.safetensors", "test-tiny.ckpt"])
def test_looks_in_its_place(name: str, card: ModelCard, tmp_path: Path) -> None:
    (tmp_path / "weights" / name).touch()
    assert find_weights(card) == tmp_path / "weights" / name
    assert find_weights(card, tmp_path / "other") == tmp_path / "other"


def test_says_what_is_wanted(card: ModelCard, tmp_path: Path) -> None:
    with pytest.raises(ModelError) as caught:
        find_weights(card)
    for part in (
        card.name,
        str(card.weights_url),
        str(tmp_path / "weights/test-tiny.pth"),
        "--weights",
    ):
        assert part in str(caught.value)
