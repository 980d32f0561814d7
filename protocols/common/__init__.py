"""What families of protocols share: ground truth, scoring, splits, configuration."""
