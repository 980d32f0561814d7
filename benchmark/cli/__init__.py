"""The command line of the engine: parsers, progress, tables."""
