"""What `new-model` writes: a plugin package, with `$name` and the like still to be put in.

Each `.tmpl` file is a `string.Template`; `benchmark.scaffold` says where it goes.
"""

from pathlib import Path

TEMPLATE = Path(__file__).parent
"""The folder of the templates, as `benchmark.scaffold.new_model` wants it."""
