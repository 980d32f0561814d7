"""What `new-model` writes: a plugin package, with `$name` and the like still to be put in.

Each `.tmpl` file is a `string.Template`; `benchmark.plugins.scaffold` writes it to its place.
"""

from pathlib import Path

TEMPLATE = Path(__file__).parent
"""The folder of the templates, as `new_model` there takes it."""
