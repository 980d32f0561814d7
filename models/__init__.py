"""Backbones: one file per family, cards and a builder each; importing it loads no torch.

Every file of this folder is a family with a function `register(models)`; what families share
lies in the folders `loading` and `networks`.
"""

from importlib import import_module
from pkgutil import iter_modules

from tvseg_bench.benchmark.registry import models

FAMILIES = tuple(module.name for module in iter_modules(__path__) if not module.ispkg)

for _family in FAMILIES:
    import_module(f"{__name__}.{_family}").register(models)
