"""`hub:`: repositories that are on this machine, their weights, and no network."""

from pathlib import Path
from typing import Any

import pytest
import torch

from tvseg_bench.benchmark.errors import ModelError, UsageError
from tvseg_bench.benchmark.plugins.load import load_model
from tvseg_bench.models.hub import find_folder, resolve

HUBCONF = """
dependencies = ["torch"]
import torch
from tiny_net import Maps, Stages, Tokens


def tokens(pretrained=True, **options):
    net = Tokens()
    if pretrained:
        url = "https://example.org/tokens.pth"
        net.load_state_dict(torch.hub.load_state_dict_from_url(url))
    return net


def named_tokens():
    torch.manual_seed(0)
    return Tokens(named=True)


def layers():
    return Stages()


def maps():
    return Maps()


def nothing():
    return torch.nn.Linear(2, 2)


def other():
    return 3


def sneaky():
    import urllib.request
    return urllib.request.urlopen("http://127.0.0.1:9/")
"""
NET = """
import torch
from torch import nn


class Tokens(nn.Module):
    def __init__(self, named=False):
        super().__init__()
        self.named = named
        self.patch_size = 14
        self.proj = nn.Conv2d(3, 5, 14, stride=14)
        self.cls_token = nn.Parameter(torch.zeros(1, 3, 5))

    def forward_features(self, x):
        patches = self.proj(x).flatten(2).transpose(1, 2)
        both = torch.cat([self.cls_token.expand(len(x), -1, -1), patches], dim=1)
        return {"x_norm_patchtokens": patches} if self.named else both


class Maps(nn.Module):
    def __init__(self):
        super().__init__()
        self.patch_embed = Tokens()

    def get_intermediate_layers(self, x, n):
        return [self.patch_embed.forward_features(x)][:n]


class Stages(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 3, stride=16, padding=1)
        self.layer4 = nn.Conv2d(4, 6, 1)
        self.fc = nn.Linear(6, 2)
"""


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    folder = tmp_path / "torch" / "hub" / "someone_nets_main"
    folder.mkdir(parents=True)
    (folder / "hubconf.py").write_text(HUBCONF)
    (folder / "tiny_net.py").write_text(NET)
    return folder


def features(model: Any) -> Any:
    with torch.inference_mode():
        return model.extract(torch.rand(2, 3, 32 if model.card.patch_size == 16 else 28, 112))


@pytest.mark.parametrize(
    ("entry", "prefix", "grid", "dim"),
    [
        ("named_tokens", 0, (2, 8), 5),
        ("maps", 3, (2, 8), 5),
        ("layers", 0, (2, 7), 6),
    ],
)
def test_finds_dense_features(
    entry: str, prefix: int, grid: tuple[int, int], dim: int, repository: Path
) -> None:
    loaded = load_model(f"hub:someone/nets:{entry}")
    found = features(loaded.model)
    assert found.grid == grid
    assert found.tokens.shape == (2, grid[0] * grid[1], dim)
    assert loaded.card.num_prefix_tokens == prefix
    assert loaded.card.revision.startswith("tensors:")
    assert loaded.card.name == f"hub/{entry}"


def test_a_path_and_a_file(repository: Path, tmp_path: Path) -> None:
    net = load_model(f"hub:{repository}:named_tokens").model.net  # type: ignore[union-attr]
    state = {name: tensor + 1 for name, tensor in net.state_dict().items()}
    torch.save({"teacher": state}, tmp_path / "file.pth")
    loaded = load_model("hub:someone/nets:tokens", weights=tmp_path / "file.pth")
    assert loaded.card.revision.startswith("sha256:")
    found = loaded.model.net.state_dict()  # type: ignore[union-attr]
    assert all(torch.equal(found[name], tensor) for name, tensor in state.items())


def test_weights_from_torchs_cache(repository: Path) -> None:
    cache = repository.parent / "checkpoints"
    cache.mkdir()
    state = {"proj.weight": torch.ones(5, 3, 14, 14), "proj.bias": torch.ones(5)}
    torch.save({**state, "cls_token": torch.ones(1, 3, 5)}, cache / "tokens.pth")
    loaded = load_model("hub:someone/nets:tokens")
    assert loaded.model.net.proj.bias.eq(1).all()  # type: ignore[union-attr]


def test_other_values_and_other_code_are_another_revision(repository: Path) -> None:
    first = load_model("hub:someone/nets:named_tokens").card.revision
    assert load_model("hub:someone/nets:named_tokens").card.revision == first
    (repository / "hubconf.py").write_text(HUBCONF.replace("manual_seed(0)", "manual_seed(1)"))
    assert load_model("hub:someone/nets:named_tokens").card.revision != first


REFUSED = {
    "hub:someone/nets:tokens": r"wants to download https://example\.org/tokens\.pth, which is nev",
    "hub:someone/nets:sneaky": r"wants to download from \('127\.0\.0\.1', 9\)",
    "hub:someone/nets:token": r"unknown entry of hub:someone/nets 'token'; did you mean 'tokens'",
    "hub:someone/nets:nothing": r"Linear has no dense features that are known",
    "hub:someone/nets:other": r"gives a int, expected a model",
    "hub:nobody/nets:tokens": r"hub:nobody/nets is not on this machine.*nothing is downloaded",
}


@pytest.mark.parametrize("reference", REFUSED)
def test_refuses(reference: str, repository: Path) -> None:
    with pytest.raises(ModelError, match=REFUSED[reference]):
        load_model(reference)


def test_the_network_is_there_again(repository: Path) -> None:
    import socket

    with pytest.raises(ModelError):
        load_model("hub:someone/nets:sneaky")
    assert socket.socket.connect is socket.SocketType.connect  # type: ignore[attr-defined]


def test_several_copies_are_named(repository: Path) -> None:
    other = repository.with_name("someone_nets_v2")
    other.mkdir()
    (other / "hubconf.py").write_text("")
    with pytest.raises(ModelError, match=r"\(someone_nets_main, someone_nets_v2\)"):
        find_folder("someone/nets")


@pytest.mark.parametrize("rest", ["a/b", "a/b:", ":x", "a/b:1x"])
def test_no_reference(rest: str) -> None:
    with pytest.raises(UsageError, match=r"is not a reference; expected hub:OWNER/NAME:ENTRY"):
        resolve(rest)
