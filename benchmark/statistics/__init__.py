"""How sure a number is: intervals and comparisons, with the clip as the unit."""
