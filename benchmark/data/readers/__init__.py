"""One reader per data set: what its official layout looks like, and the clips it gives."""
