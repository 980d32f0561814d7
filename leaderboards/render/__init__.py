"""A board as Markdown and as one HTML page."""
