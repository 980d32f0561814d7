"""From what was asked for to results: selection, plan, run."""
