"""Pages that show runs: images, tables and timelines, made without running a model."""
