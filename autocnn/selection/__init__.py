"""The end of a study: top trials retrained, compared on folds, and judged on test, once.

`retrain` trains each finalist on train + val and on that without each fold, `compare` ranks them
without test and says which candidate is best, `judge` builds the candidates' models and
opens the test split. Each retrained model is kept with a record as soon as it is whole, and
each epoch of the others with a checkpoint, so a study that was stopped here goes on.
"""
