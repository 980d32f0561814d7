"""The commands of the engine, a module each: its arguments, and what it runs."""
