"""How numbers on a board were compared, in the words that every form of it prints."""

INTERVAL = (
    "95 % intervals over clips: Student's t times the jackknife's standard error on the logit "
    "scale, each clip left out in turn (below ten clips, marked †, they are a rough guide)"
)
COMPARISON = (
    "models are compared in pairs over the clips they share, by Student's t, with Holm's "
    "correction over all pairs of a table: the chance that any two equal models are called "
    "different is at most 5 %"
)
