"""Label propagation from frame to frame over a window of context frames."""
