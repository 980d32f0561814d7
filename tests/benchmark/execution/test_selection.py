"""What a user types, and the sentence for what does not fit."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tvseg_bench.protocols  # noqa: F401
from tvseg_bench.benchmark.errors import UsageError
from tvseg_bench.benchmark.execution.selection import (
    Selection,
    choose_protocols,
    make_selection,
    parse_overrides,
    parse_seeds,
    parse_weights,
    read_config,
    split_list,
    split_reference,
)


def test_nothing_asked_is_the_embedded_default() -> None:
    chosen = make_selection({"model": None})
    assert chosen == Selection()
    assert chosen.dataset == ("moving-shapes",)


@given(st.lists(st.text("abc/-0123", min_size=1), min_size=1, unique=True))
def test_comma_and_repetition_mean_the_same(names: list[str]) -> None:
    assert split_list(",".join(names)) == split_list(names) == tuple(names)


@given(st.integers(0, 50), st.integers(0, 20))
def test_a_range_of_seeds_is_its_list(first: int, more: int) -> None:
    wanted = tuple(range(first, first + more + 1))
    assert parse_seeds(f"{first}-{first + more}") == wanted
    assert parse_seeds(",".join(map(str, wanted))) == wanted


@pytest.mark.parametrize("text", ["", "a", "3-1", "1-", "0-99999"])
def test_seeds_that_are_none(text: str) -> None:
    if text == "":
        assert parse_seeds(text) == ()
        return
    with pytest.raises(UsageError, match=r"is not a list of seeds; type for example --seeds 0-4"):
        parse_seeds(text)


def test_an_empty_list_of_seeds_is_refused() -> None:
    with pytest.raises(UsageError, match="--seeds is empty"):
        make_selection({"seeds": ""})


def test_presets_and_overrides() -> None:
    (choice,) = choose_protocols(
        ["kmeans-clip:timet"], parse_overrides(["protocol.kmeans-clip.k=10"])
    )
    assert (choice.label, choice.config.model_dump()["k"]) == ("kmeans-clip:timet", 10)
    assert choice.config.model_dump()["kmeans"] == "faiss-sampled"
    both = choose_protocols(
        ["kmeans-clip", "kmeans-frame"], parse_overrides(["protocol.all.size=448"])
    )
    assert [c.config.model_dump()["size"] for c in both] == [448, 448]


def test_all_means_every_registered_protocol() -> None:
    names = {choice.name for choice in choose_protocols(["all"], {})}
    assert {"kmeans-frame", "kmeans-clip", "kmeans-dataset", "overcluster-clip"} <= names


@pytest.mark.parametrize(
    ("asked", "overrides", "sentence"),
    [
        ("kmeans-clp", [], "unknown protocol 'kmeans-clp'; did you mean 'kmeans-clip'"),
        ("kmeans-clip:tmet", [], "unknown preset of kmeans-clip 'tmet'; did you mean 'timet'?"),
        (
            "kmeans-clip",
            ["protocol.kmeans-clip.sze=1"],
            "unknown parameter of kmeans-clip 'sze'; did you mean 'size'",
        ),
        (
            "kmeans-clip",
            ["protocol.kmeans-clip.matching=hungry"],
            "protocol.kmeans-clip.matching=hungry does not fit: Input should be 'hungarian-iou'",
        ),
        ("kmeans-clip", ["protocol.kmeans-clip.size=2"], "protocol.kmeans-clip.size=2 does not"),
        (
            "kmeans-clip",
            ["protocol.kmeans-frame.k=3"],
            "unknown protocol in an override 'kmeans-frame'; did you mean 'kmeans-clip'?",
        ),
        ("kmeans-clip", ["protocol.k=3"], "'protocol.k' is not an override; type for example"),
        ("kmeans-clip", ["model=3"], "'model=3' is neither an option nor an override"),
    ],
)
def test_what_does_not_fit_is_said(asked: str, overrides: list[str], sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        choose_protocols([asked], parse_overrides(overrides))
    assert str(caught.value).startswith(sentence)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"model": [","]}, "--model is empty; type: tvseg-bench list models"),
        ({"limit": 0}, "--limit 0 must be a whole number from 1 on"),
        ({"batch_size": -3}, "--batch-size -3 must be a whole number from 1 on"),
        ({"dtype": "fp16"}, "unknown dtype 'fp16'; did you mean"),
    ],
)
def test_values_that_do_not_fit(values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        make_selection(values)
    assert str(caught.value).startswith(sentence)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("- a", "must hold keys such as `model:`, not a bare value"),
        ("model: [", "is not YAML at line 1"),
        ("modle: x", "did you mean 'model'?"),
        ("a: \x00", "is not YAML"),
    ],
)
def test_configs_that_are_none(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(text)
    with pytest.raises(UsageError, match=sentence.replace("[", r"\[")):
        read_config(path)


def test_a_missing_config_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        read_config(tmp_path / "none.yaml")


def test_yaml_and_command_line_use_the_same_names(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(
        "model: baseline/pixels\nprotocol: [kmeans-clip, kmeans-frame]\nseeds: 0-2\n"
        "output: out\nweights: {dino/vits16: a.pth}\n"
    )
    typed = {
        "model": ["baseline/pixels"],
        "protocol": ["kmeans-clip,kmeans-frame"],
        "seeds": "0,1,2",
        "output": "out",
        "weights": ["dino/vits16=a.pth"],
    }
    assert make_selection(read_config(path)) == make_selection(typed)


def test_weights_with_and_without_a_model() -> None:
    assert parse_weights("a.pth") == {"": Path("a.pth")}
    assert parse_weights(["m/x=a.pth", "b.pth"]) == {"m/x": Path("a.pth"), "": Path("b.pth")}


def test_a_schemes_colon_belongs_to_the_name() -> None:
    assert split_reference("file:./m.py:build") == ("file:./m.py:build", None)
    assert split_reference("kmeans-clip:timet") == ("kmeans-clip", "timet")
