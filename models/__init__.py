"""Backbones: one file per family, a card and a builder each; importing it loads no torch."""
