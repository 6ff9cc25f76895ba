"""Arrays in, numbers out: how good predictions are, and how certain that is."""
