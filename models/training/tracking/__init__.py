"""Points followed through clips."""
