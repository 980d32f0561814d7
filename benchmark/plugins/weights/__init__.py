"""Weights files: where they lie, and fetching official ones on request."""
