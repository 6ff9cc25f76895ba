"""The search: the loop that asks an engine for params and runs them, and its time budget."""
