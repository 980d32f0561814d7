"""The commands on folders of results, a module each: its arguments, and what it runs."""
