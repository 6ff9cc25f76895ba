"""A study from Python: the built-in digits, four trials, the leaderboard as a DataFrame.

Run it with `python examples/search_in_python.py`; it takes about two minutes.
"""

import autocnn

study = autocnn.search("digits", space="quick", trials=4, budget="5m")
print(study.leaderboard[["rank", "trial", "val_accuracy", "test_accuracy", "gap_train_val"]])
