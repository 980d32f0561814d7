"""Dense features of a model from a torch.hub repository, by what the model offers."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import torch
import torch.hub
from torch import Tensor, nn

from tvseg_bench.benchmark.errors import ModelError, did_you_mean
from tvseg_bench.benchmark.plugins.resolve import file_sha256
from tvseg_bench.benchmark.plugins.weights.locate import torch_cache
from tvseg_bench.benchmark.registry import parameters_of
from tvseg_bench.benchmark.types import ModelCard, PatchFeatures
from tvseg_bench.models.loading.weights import load_weights

_TRIAL = (224, 336)
"""A multiple of the patches 7, 8, 14, 16 and of the stride 28; not square."""


class HubFeatures(nn.Module):
    """Tokens or a map from the first of the ways that a model of this kind offers.

    `forward_features` with `x_norm_patchtokens` (DINOv2, Franca), `get_intermediate_layers`
    (DINO), `forward_features` (timm), the modules up to `layer4` (torchvision's ResNets).
    """

    def __init__(self, net: nn.Module, card: ModelCard) -> None:
        super().__init__()
        self.net = net
        self.card = card

    def extract(self, images: Tensor) -> PatchFeatures:
        """Map images [B, 3, H, W] to tokens [B, N, D]; leading tokens are removed."""
        found = features_of(self.net, images)
        if found.ndim == 4:
            grid = (found.shape[2], found.shape[3])
            return PatchFeatures(found.flatten(2).transpose(1, 2), grid)
        rows, cols = (side // self.card.patch_size for side in images.shape[-2:])
        return PatchFeatures(found[:, found.shape[1] - rows * cols :], (rows, cols))


def features_of(net: Any, images: Tensor) -> Tensor:
    """Return tokens [B, prefix + N, D] or a map [B, D, rows, cols].

    Raises:
        ModelError: if the model offers neither.
    """
    if hasattr(net, "forward_features"):
        found = net.forward_features(images)
        if isinstance(found, dict) and isinstance(found.get("x_norm_patchtokens"), Tensor):
            found = found["x_norm_patchtokens"]
    elif hasattr(net, "get_intermediate_layers"):
        found = net.get_intermediate_layers(images, 1)[0]
    elif hasattr(net, "layer4"):
        found = _up_to_layer4(net, images)
    else:
        found = None
    if isinstance(found, Tensor) and found.ndim in (3, 4):
        return found
    raise ModelError(
        f"{type(net).__name__} has no dense features that are known: expected forward_features, "
        "get_intermediate_layers or layer4; write a plugin, see tvseg-bench new-model"
    )


def _up_to_layer4(net: nn.Module, images: Tensor) -> Tensor:
    found = images
    for name, module in net.named_children():
        found = module(found)
        if name == "layer4":
            break
    return found


def load_entry(folder: Path, repo: str, entry: str, weights: Path | None) -> HubFeatures:
    """Build an entry of a repository in a folder, without a network.

    Raises:
        ModelError: if there is no such entry, it wants to download, it does not accept the file,
            or its model has no dense features.
    """
    with _on_path(folder), _no_network(repo, entry):
        make = _entry(folder, repo, entry)
        untrained = {"pretrained": False} if weights and _has_switch(make) else {}
        net = make(**untrained)
        if not isinstance(net, nn.Module):
            raise ModelError(f"hub:{repo}:{entry} gives a {type(net).__name__}, expected a model")
        revision = load_weights(net, weights).revision if weights else _content(net)
        card = _card(net.eval(), repo, entry, f"{revision}+code:{_code(folder)[:16]}")
    return HubFeatures(net, card)


def _entry(folder: Path, repo: str, entry: str) -> Callable[..., Any]:
    """Run a repository's hubconf.py and return one of its functions."""
    path = folder / "hubconf.py"
    spec = importlib.util.spec_from_file_location("hubconf", path)
    if spec is None or spec.loader is None:
        raise ModelError(f"{path} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    known = {n: v for n, v in vars(module).items() if callable(v) and not n.startswith("_")}
    if entry not in known:
        raise ModelError(did_you_mean(f"entry of hub:{repo}", entry, known))
    found: Callable[..., Any] = known[entry]
    return found


def _has_switch(make: Callable[..., Any]) -> bool:
    """Whether an entry has a switch for the architecture without weights."""
    parameters = parameters_of(make).values()
    return any(p.name == "pretrained" or p.kind is p.VAR_KEYWORD for p in parameters)


def _card(net: nn.Module, repo: str, entry: str, revision: str) -> ModelCard:
    """Fill a card from one trial pass over an empty image."""
    with torch.inference_mode():
        found = features_of(net, torch.zeros(1, 3, *_TRIAL))
    height, width = _TRIAL
    if found.ndim == 4:
        patch, dim, prefix = height // found.shape[2], found.shape[1], 0
    else:
        patch, dim = _patch(net, repo, entry), found.shape[2]
        prefix = found.shape[1] - (height // patch) * (width // patch)
    return ModelCard(
        name=f"hub/{entry.lower()}",
        revision=revision,
        patch_size=patch,
        embed_dim=dim,
        params_m=round(sum(p.numel() for p in net.parameters()) / 1e6, 2),
        num_prefix_tokens=max(prefix, 0),
        exact_grid=found.ndim == 3,
        code=f"https://github.com/{repo}" if not Path(repo).exists() else None,
        notes="Made from the model alone: input statistics are ImageNet's, the rest is unknown.",
    )


def _patch(net: Any, repo: str, entry: str) -> int:
    for owner in (getattr(net, "patch_embed", None), net):
        size = getattr(owner, "patch_size", None)
        size = size[0] if isinstance(size, tuple | list) else size
        if isinstance(size, int) and size > 0:
            return size
    raise ModelError(f"hub:{repo}:{entry} does not state its patch size; write a plugin")


def _content(net: nn.Module) -> str:
    """Return a name for the values of a model whose file is not known."""
    digest = hashlib.sha256()
    for name, tensor in sorted(net.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy())
    return f"tensors:{digest.hexdigest()}"


def _code(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        digest.update(f"{path.relative_to(folder).as_posix()} {file_sha256(path)}\n".encode())
    return digest.hexdigest()


@contextlib.contextmanager
def _on_path(folder: Path) -> Iterator[None]:
    """Let a repository import its own modules."""
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))


@contextlib.contextmanager
def _no_network(repo: str, entry: str) -> Iterator[None]:
    """Let downloads fail with what to do about it."""

    def refuse(what: str) -> NoReturn:
        raise ModelError(
            f"hub:{repo}:{entry} wants to download {what}, which is never done here; put the file "
            f"into {torch_cache()} or type --weights FILE"
        )

    def download(url: str, *args: object, **options: object) -> None:
        refuse(url)

    def connect(self: socket.socket, address: object) -> None:
        self.close()
        refuse(f"from {address}")

    old, torch.hub.download_url_to_file = torch.hub.download_url_to_file, download
    socket.socket.connect = connect  # type: ignore[assignment,method-assign]
    try:
        yield
    finally:
        torch.hub.download_url_to_file = old
        del socket.socket.connect  # what it hides is the method of its base
