"""k-means per frame, clip and data set, matched to the ground truth."""
