"""Losses of dense features and the assignments that they compare."""
