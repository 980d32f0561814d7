"""What a run records for reports: label maps and frames of a few clips, written and read back."""
