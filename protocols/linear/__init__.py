"""A linear probe on frozen features."""
