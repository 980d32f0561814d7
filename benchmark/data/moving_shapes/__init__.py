"""moving-shapes: the embedded data set, generated from seeds."""
