"""Data sets: one reader each, all giving the same lazy Clip."""
