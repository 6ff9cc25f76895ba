"""A study from Python: the built-in digits, four trials, the leaderboard as a DataFrame.

Run it with `python examples/search_in_python.py`; it takes about two minutes.
"""

import pandas as pd

from autocnn import StudyConfig, search

folder = search(StudyConfig(data="digits", space="quick", trials=4, budget_s="5m"))
leaderboard = pd.read_csv(folder.leaderboard_path)
print(leaderboard[["rank", "trial", "val_accuracy", "test_accuracy", "gap_train_val"]])
