"""Where weights files lie on this machine: TVSEG_HOME, torch's cache, Hugging Face's cache.

Nothing here reaches for a network; fetching is `download`. Importing it loads no torch.
"""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from tvseg_bench.benchmark.paths import home
from tvseg_bench.benchmark.registry import models
from tvseg_bench.benchmark.types import ModelCard

SUFFIXES = (".safetensors", ".pth", ".pt", ".ckpt")

_TIMM_FILES = ("model.safetensors", "pytorch_model.bin")


def folder() -> Path:
    """Return the folder `weights` in TVSEG_HOME; not created here."""
    return home() / "weights"


def official_name(card: ModelCard) -> str | None:
    """Return the file name in a card's official address, None where there is none.

    Example:
        >>> url = "https://example.org/files/net-08c60483.pth?key=1"
        >>> official_name(ModelCard(name="a/b", patch_size=8, embed_dim=8, weights_url=url))
        'net-08c60483.pth'
    """
    name = PurePosixPath(urlsplit(card.weights_url or "").path).name
    return name if "." in name else None


def place(card: ModelCard) -> Path:
    """Return where a model's weights belong: the folder, and the model's name with `-` for `/`."""
    suffix = PurePosixPath(official_name(card) or "").suffix
    name = card.name.replace("/", "-") + (suffix if suffix in SUFFIXES else ".pth")
    return folder() / name


def find(card: ModelCard, *, timm: str | None = None) -> Path | None:
    """Return the weights file of a model that is on this machine, None if there is none.

    Looked for in this order: in the folder, under the model's own name and then under the
    official one where no other model's is the same; in torch's cache under the official name; in
    the Hugging Face cache.

    Args:
        timm: the name of the same weights in timm, `vit_small_patch16_224.dino`.
    """
    own = [folder() / (card.name.replace("/", "-") + suffix) for suffix in SUFFIXES]
    official = official_name(card)
    if official is not None and _is_unique(card, official):
        own += [folder() / official, torch_cache() / official]
    for path in own:
        if path.is_file():
            return path
    return in_hugging_face_cache(f"timm/{timm}") if timm else None


def torch_cache() -> Path:
    """Return the folder in which torch.hub keeps weights."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser())
    root = Path(os.environ.get("TORCH_HOME") or cache / "torch").expanduser()
    return root / "hub" / "checkpoints"


def in_hugging_face_cache(repository: str) -> Path | None:
    """Return the weights that an earlier download of timm's left in the cache, if any."""
    from huggingface_hub import try_to_load_from_cache

    for file in _TIMM_FILES:
        found = try_to_load_from_cache(repository, file)
        if isinstance(found, str):
            return Path(found)
    return None


def _is_unique(card: ModelCard, official: str) -> bool:
    """Whether no other model's file has this name (`checkpoint.pth` may be any model's)."""
    entries = (models.loaded(name) for name in models)
    cards = (entry.card for entry in entries if entry is not None and entry.card is not None)
    return not any(official_name(other) == official for other in cards if other.name != card.name)
