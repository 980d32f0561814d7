"""Training clips: sources, sampling, augmentation, batches."""
