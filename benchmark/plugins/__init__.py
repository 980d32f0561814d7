"""Models by reference: resolving names, loading plugins, finding weights."""
