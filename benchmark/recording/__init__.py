"""What a run records for reports: pictures of a few clips, written and read back."""
