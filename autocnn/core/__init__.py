"""What all other packages use and what imports none of them.

Errors, events, records (what a study remembers), the config, the objective, files written whole,
CSV, and quantities such as `2h`. A module belongs here only if three packages use it.
"""
