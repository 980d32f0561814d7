"""From clips to dense features: the extraction pass and what it shares."""
