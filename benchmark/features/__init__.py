"""Extraction of dense features from clips, ahead of the consumer and with a cache."""
