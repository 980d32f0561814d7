"""The version of the suite, which results, archives and trained models carry."""

__version__ = "0.1.0"
