"""Numbers that others have published, and comparing ours with them."""
