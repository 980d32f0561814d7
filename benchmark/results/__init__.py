"""Results: identity, schema, files and provenance."""
