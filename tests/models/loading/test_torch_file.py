"""Objects of harmless packages are stood in for; everything else is refused, nothing runs."""

import io
import os
import pickle
import sys
import zipfile
from collections import OrderedDict, defaultdict
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from tvseg_bench.benchmark.errors import ModelError
from tvseg_bench.models.loading import torch_file
from tvseg_bench.models.loading.checkpoint import read_checkpoint

STATE = {
    "a.weight": torch.arange(12.0).reshape(3, 4).T,
    "a.half": torch.ones(3, dtype=torch.float16),
    "a.count": torch.tensor(7),
    "a.empty": torch.ones(0, 3),
}


class Runs:
    """Creates a folder when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


@pytest.fixture
def harmless(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return an instance of a class of `omegaconf`, which need not be installed."""
    module = ModuleType("omegaconf.dictconfig")
    cls = type("DictConfig", (), {"__module__": module.__name__})
    vars(module)["DictConfig"] = cls
    monkeypatch.setitem(sys.modules, "omegaconf", ModuleType("omegaconf"))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return cls()


@pytest.fixture
def saved(tmp_path: Path) -> Any:
    def save(content: Any) -> Path:
        torch.save(content, tmp_path / "file.ckpt")
        return tmp_path / "file.ckpt"

    return save


def test_tensors_beside_objects_arrive(harmless: Any, saved: Any) -> None:
    shared = torch.arange(6.0)
    parameter = torch.nn.Parameter(torch.ones(2))
    state = {**STATE, "b.part": shared[2:4], "b.all": shared, "b.parameter": parameter}
    tensors, config = read_checkpoint(saved({"state_dict": state, "hyper_parameters": harmless}))
    assert set(tensors) == {f"state_dict.{name}" for name in state}
    for name, tensor in state.items():
        assert torch.equal(tensors[f"state_dict.{name}"], tensor)
        assert tensors[f"state_dict.{name}"].dtype == tensor.dtype
    assert config == {}


def test_nothing_runs_behind_something_harmless(harmless: Any, saved: Any, tmp_path: Path) -> None:
    content = {"config": harmless, "state_dict": STATE, "x": Runs(tmp_path / "made")}
    with pytest.raises(ModelError, match=r"wants to run \w+\.mkdir, which is refused") as caught:
        read_checkpoint(saved(content))
    assert not (tmp_path / "made").exists()
    assert "\n" not in str(caught.value)


def program(*steps: bytes) -> bytes:
    return b"\x80\x02" + b"".join(steps) + b"."


def as_zip(path: Path, data: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", data)
        archive.writestr("archive/version", "3")
    return path


STATE_OF_ONE = b"}X\x01\x00\x00\x00aK\x01sb"
CALLS: dict[str, tuple[tuple[bytes, ...], dict[Any, Any], dict[str, Any]]] = {
    "a type that is named is not called": ((b"c__builtin__\ndict\n", b"K\x01\x85R"), {}, {}),
    "a class is not made": ((b"comegaconf\nX\n", b")\x81"), {}, {}),
    "a state": ((b"comegaconf\nX\n", b")R", STATE_OF_ONE), {}, {"a": 1}),
    "items": ((b"comegaconf\nX\n", b")R", b"(K\x01K\x02u"), {1: 2}, {}),
    "items and a state": (
        (b"comegaconf\nX\n", b")\x81", b"(K\x01K\x02u", STATE_OF_ONE),
        {1: 2},
        {"a": 1},
    ),
}
"""Programs, and the items and the state that their stand-ins have then."""


@pytest.mark.parametrize("name", CALLS)
def test_stand_ins_take_everything(name: str, tmp_path: Path) -> None:
    steps, items, state = CALLS[name]
    found = torch_file.load(as_zip(tmp_path / "file.ckpt", program(*steps)), zipped=True)
    assert type(found) is OrderedDict
    assert (dict(found), vars(found)) == (items, state)


def test_stand_ins_are_forgotten(harmless: Any, saved: Any) -> None:
    """What is allowed for one file is not allowed for torch from then on."""
    before = set(torch.serialization.get_safe_globals())
    read_checkpoint(saved({"config": harmless, "state_dict": STATE}))
    assert set(torch.serialization.get_safe_globals()) == before


def test_a_dict_of_a_package_is_read_without_importing_it(
    saved: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = ModuleType("pytorch_lightning.parsing")
    cls = type("AttributeDict", (dict,), {"__module__": module.__name__})
    vars(module)["AttributeDict"] = cls
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "pytorch_lightning", ModuleType("pytorch_lightning"))
        patch.setitem(sys.modules, module.__name__, module)
        path = saved({"state_dict": STATE, "hyper_parameters": defaultdict(dict, cfg=cls(dim=70))})
    _, config = read_checkpoint(path)
    assert config == {"cfg.dim": 70}
    assert module.__name__ not in sys.modules


def test_attributes_of_a_dict_do_not_hide_its_items(saved: Any) -> None:
    """Torch sets the attributes of an `OrderedDict` to whatever a file holds."""
    path = saved(OrderedDict(STATE))
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    (name,) = (n for n in members if n.endswith("data.pkl"))
    members[name] = members[name][:-1] + b"}X\x05\x00\x00\x00itemsK\x03sb."
    with zipfile.ZipFile(path, "w") as archive:
        for key, value in members.items():
            archive.writestr(key, value)
    assert read_checkpoint(path)[0].keys() == STATE.keys()


DAMAGED = "is truncated or damaged"
REFUSED = {
    "eval": ((b"c__builtin__\neval\nX\x03\x00\x00\x001+1\x85R",), r"wants to run builtins\.eval,"),
    "getattr": ((b"cbuiltins\ngetattr\n",), r"wants to run builtins\.getattr,"),
    "a blocked module": ((b"cos\nsystem\n",), r"wants to run os\.system,"),
    "a module beside a harmless one": (
        (b"comegaconf_evil\nX\n",),
        r"wants to run omegaconf_evil\.X,",
    ),
    "torch's own loader": (
        (b"ctorch.serialization\nload\n",),
        r"wants to run torch\.serialization\.load,",
    ),
    "attributes of a function": (
        (
            b"ctorch._utils\n_rebuild_tensor_v2\n",
            b"}X\x0c\x00\x00\x00__defaults__NsN\x86b",
        ),
        DAMAGED,
    ),
    "attributes of a stand-in's class": ((b"comegaconf\nX\n", STATE_OF_ONE), DAMAGED),
    "members of a stand-in": ((b"comegaconf\nX\n", b")R", b"(K\x01K\x02e"), DAMAGED),
    "a storage that is not there": (
        (
            b"(X\x07\x00\x00\x00storage",
            b"ctorch\nFloatStorage\n",
            b"X\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x01tQ",
        ),
        DAMAGED,
    ),
    "an end in the middle": ((b"K",), DAMAGED),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refuses(name: str, tmp_path: Path) -> None:
    steps, sentence = REFUSED[name]
    with pytest.raises(ModelError, match=rf"file\.ckpt .*{sentence}") as caught:
        read_checkpoint(as_zip(tmp_path / "file.ckpt", program(*steps)))
    assert "\n" not in str(caught.value)


def test_a_view_beyond_its_storage_is_refused(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    torch.save({"a": torch.ones(4)}, buffer)
    with zipfile.ZipFile(buffer) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    (name,) = (n for n in members if n.endswith("data.pkl"))
    members[name] = members[name].replace(b"K\x04\x85", b"K\x7f\x85")
    with zipfile.ZipFile(tmp_path / "file.ckpt", "w") as archive:
        for key, value in members.items():
            archive.writestr(key, value)
    with pytest.raises(ModelError, match="truncated or damaged"):
        read_checkpoint(tmp_path / "file.ckpt")


def test_a_configuration_that_holds_itself_ends() -> None:
    node: OrderedDict[str, Any] = OrderedDict()
    vars(node)["_content"] = {"dim": 70, "self": node}
    found = torch_file.configuration({"hyper_parameters": {"cfg": node}})
    assert found["cfg.dim"] == 70
    assert len(found) < 100


def test_the_pickles_of_the_standard_library_agree(saved: Any, harmless: Any) -> None:
    """What is read here is what an unrestricted unpickler would have read."""
    content = {"hyper_parameters": {"lr": 0.1, "name": "x", "on": True, "none": None, "l": [1]}}
    _, config = read_checkpoint(saved({**content, "state_dict": STATE, "o": harmless}))
    plain = pickle.loads(pickle.dumps(content))["hyper_parameters"]
    assert config == {name: value for name, value in plain.items() if name != "l"}
