"""Dense nearest-neighbour retrieval."""
