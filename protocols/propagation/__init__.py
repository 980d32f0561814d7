"""Label propagation: the objects of the first frame followed through the clip."""
