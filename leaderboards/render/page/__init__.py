"""What every page of ours shares: one base template, one look, one theme toggle; no network."""
