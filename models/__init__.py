"""Backbones: one file per family, cards and a builder each; importing it loads no torch.

Every file of this folder is a family with a function `register(models)`, except for those that
families share.
"""

from importlib import import_module
from pkgutil import iter_modules

from tvseg_bench.benchmark.registry import models

SHARED = frozenset(
    {
        "architecture",
        "backbones",
        "checkpoint",
        "dense",
        "families",
        "hub_features",
        "inert_pickle",
        "naming",
        "pos_embed",
        "prototypes",
        "stego_net",
        "video_vit",
        "weights",
    }
)

FAMILIES = tuple(
    module.name
    for module in iter_modules(__path__)
    if not module.ispkg and module.name not in SHARED
)

for _family in FAMILIES:
    import_module(f"{__name__}.{_family}").register(models)
