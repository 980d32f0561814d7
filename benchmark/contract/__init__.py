"""The contract test of a model plugin."""
