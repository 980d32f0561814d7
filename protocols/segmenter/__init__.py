"""A model that brings its own clusters, scored by the same matching."""
