"""Evaluation protocols: one file each, with its citation, its config and its named presets."""
