"""Arrays in, numbers out: how good predictions are, and how sure that is."""
