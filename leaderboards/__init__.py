"""Boards made from folders of results, without torch."""
