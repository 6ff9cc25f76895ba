"""One study from start to end: prepare the data, run the trials, finish with candidates."""
