"""Puts what the tests of this folder share where they can import it: tests are no package."""

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

_spec = spec_from_file_location("clip_scores", Path(__file__).with_name("clip_scores.py"))
assert _spec
assert _spec.loader
sys.modules["clip_scores"] = _module = module_from_spec(_spec)
_spec.loader.exec_module(_module)
