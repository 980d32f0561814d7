"""The feature cache: bounded, crash-safe, and never another model's features."""
