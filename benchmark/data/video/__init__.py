"""Video files as numbered frames, exact."""
