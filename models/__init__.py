"""Backbones: one file per family, a card and a builder each; importing it loads no torch."""

from tvseg_bench.benchmark.registry import models
from tvseg_bench.models.baselines import register as _baselines
from tvseg_bench.models.dino import register as _dino
from tvseg_bench.models.timm_adapter import register as _timm

for _register in (_baselines, _dino, _timm):
    _register(models)
