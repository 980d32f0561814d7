"""Submissions: packed, inspected, and held against accepted results."""
