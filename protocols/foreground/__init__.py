"""Cluster-based foreground extraction, and its division into classes."""
