"""Evaluation protocols: one folder per family, with its citation, its config and its presets.

Every folder here but `common` is a family whose `entries` have a function `register()`.
Importing this package registers them; it loads neither numpy nor torch.
"""

from importlib import import_module
from pkgutil import iter_modules

FAMILIES = tuple(m.name for m in iter_modules(__path__) if m.ispkg and m.name != "common")

for _family in FAMILIES:
    import_module(f"{__name__}.{_family}.entries").register()
