"""`timm:NAME`: dense features of any timm model that has them.

Weights come from a file on this machine: `--weights FILE`, else timm's own caches (Hugging Face
hub, torch hub) where an earlier download left them. Nothing is downloaded here.
`timm:NAME?weights=random` uses the untrained architecture, and the revision states it.
"""

from __future__ import annotations

import re
from dataclasses import replace
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Any

from tvseg_bench.benchmark.errors import ModelError, UsageError
from tvseg_bench.benchmark.plugins.weights import locate
from tvseg_bench.benchmark.registry import ModelEntry, Registry
from tvseg_bench.benchmark.types import FeatureModel, ModelCard

_SEED = 0
_REST = re.compile(r"(?P<name>[\w.-]+)(\?weights=(?P<weights>\w+))?")


def register(models: Registry[ModelEntry]) -> None:
    """Add the scheme to a registry."""
    models.scheme("timm", resolve)


def resolve(name: str) -> ModelEntry:
    """Turn what follows `timm:` into an entry; whether timm has it shows when it is built.

    Raises:
        UsageError: if it is not a name, or its option is not `weights=random`.

    Example:
        >>> [resolve(n).needs_weights for n in ("resnet18.a1_in1k", "resnet18?weights=random")]
        [True, False]
    """
    match = _REST.fullmatch(name)
    if match is None or match["weights"] not in (None, "random"):
        raise UsageError(
            f"'timm:{name}' is not a reference; expected timm:NAME or timm:NAME?weights=random"
        )
    if match["weights"]:
        return ModelEntry(card=None, build=partial(build_untrained, match["name"]))
    build = partial(build_pretrained, match["name"])
    return ModelEntry(card=None, build=build, takes_weights=True, needs_weights=True)


def build_untrained(name: str) -> FeatureModel:
    """Build a timm model with its own initialisation, drawn from a fixed seed.

    Raises:
        UsageError: if timm does not know the name.
    """
    import timm
    import torch

    from tvseg_bench.models.networks.dense import create_net, dense_model

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_SEED)
        net = create_net(_known(name))
    versions = f"timm:{timm.__version__}/torch:{torch.__version__.partition('+')[0]}"
    return dense_model(net, _card(net, f"untrained/seed:{_SEED}/{versions}"))


def build_pretrained(name: str, weights: Path | None = None) -> FeatureModel:
    """Build a timm model with weights from a local file in timm's naming.

    Raises:
        UsageError: if timm does not know the name.
        ModelError: if there is no file, or it does not hold this model.
    """
    from tvseg_bench.models.loading.weights import find_weights, load_weights
    from tvseg_bench.models.networks.dense import create_net, dense_model

    net = create_net(_known(name))
    card = _card(net, revision="")
    path = find_weights(card, weights or _cached(net))
    return dense_model(net, replace(card, revision=load_weights(net, path).revision))


def _known(name: str) -> str:
    import timm

    names = [*timm.list_models(), *timm.list_models(pretrained=True)]
    if name not in names:
        near = get_close_matches(name, names, n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else "see timm.list_models()"
        raise UsageError(f"timm {timm.__version__} has no model {name!r}; {hint}")
    return name


def _card(net: Any, revision: str) -> ModelCard:
    """Fill a card from what timm knows about the weights of this name."""
    config = net.pretrained_cfg
    tag = config.get("tag") if not revision else None
    name = ".".join(part for part in (config["architecture"], tag) if part)
    prefix = getattr(net, "num_prefix_tokens", None)
    trained = {"notes": "Untrained."} if revision else _provenance(config)
    return ModelCard(
        name=f"timm/{name}",
        revision=revision,
        patch_size=_stride(net),
        embed_dim=net.num_features,
        params_m=round(sum(p.numel() for p in net.parameters()) / 1e6, 2),
        mean=tuple(config["mean"]),
        std=tuple(config["std"]),
        interpolation="bilinear" if config["interpolation"] == "bilinear" else "bicubic",
        num_prefix_tokens=prefix or 0,
        exact_grid=prefix is not None,
        pos_interp=_pos_interp(net),
        code="https://github.com/huggingface/pytorch-image-models",
        **trained,
    )


def _provenance(config: dict[str, Any]) -> dict[str, Any]:
    hub, papers = config.get("hf_hub_id"), config.get("paper_ids") or ()
    return {
        "licence": config.get("license") or "unknown",
        "paper": papers if isinstance(papers, str) else ", ".join(papers) or None,
        "trained_on_labels": config["num_classes"] > 0,
        "weights_url": f"https://huggingface.co/{hub}" if hub else config.get("url"),
        "notes": "trained_on_labels is taken from the classifier that timm lists for the weights.",
    }


def _stride(net: Any) -> int:
    info = getattr(net, "feature_info", None)
    if not info:
        raise ModelError(f"timm's {type(net).__name__} does not state the stride of its features")
    return int(info[-1]["reduction"])


def _pos_interp(net: Any) -> str | None:
    if getattr(net, "rope", None) is not None:
        return "rope"
    return "timm" if getattr(net, "pos_embed", None) is not None else None


def _cached(net: Any) -> Path | None:
    """Return the file that an earlier download left in one of timm's caches, if any."""
    config = net.pretrained_cfg
    hub, url = config.get("hf_hub_id"), config.get("url")
    found = locate.in_hugging_face_cache(hub) if hub else None
    if found is None and url:
        path = locate.torch_cache() / url.rpartition("/")[2]
        return path if path.is_file() else None
    return found
