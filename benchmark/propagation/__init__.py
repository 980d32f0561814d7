"""Labels carried from frame to frame over a window of context frames."""
