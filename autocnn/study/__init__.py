"""One study from start to end: prepare the data, run the trials, select and judge candidates."""
