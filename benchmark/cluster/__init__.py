"""Seeded, exact k-means on implicitly upsampled features; standardisation and PCA."""
