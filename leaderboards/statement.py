"""How numbers on a board were compared, in the words that every form of it prints."""

INTERVAL = (
    "95 % intervals over clips by bootstrap (expanded percentiles; below ten clips, marked †, "
    "the bootstrap's standard error with Student's t)"
)
COMPARISON = (
    "models are compared in pairs over the clips they share, by Student's t, with Holm's "
    "correction over all pairs of a table: the chance that any two equal models are called "
    "different is at most 5 %"
)
