"""Pages that show runs: pictures, tables and timelines, made without running a model."""
