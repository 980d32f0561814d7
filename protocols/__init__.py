"""Evaluation protocols: one folder per family, with its citation, its config and its presets.

Every package of this folder but `common` is a family with a function `register(protocols)`.
Importing this package registers them; it loads neither numpy nor torch.
"""

from importlib import import_module
from pkgutil import iter_modules

from tvseg_bench.benchmark.registry import protocols

FAMILIES = tuple(m.name for m in iter_modules(__path__) if m.ispkg and m.name != "common")

for _family in FAMILIES:
    import_module(f"{__name__}.{_family}").register(protocols)
