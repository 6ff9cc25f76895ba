"""The spaces and networks of autocnn in your own script for KerasTuner or Optuna.

`keras_tuner` has a HyperModel, `optuna` a suggest function, and `fitting` trains what either
proposes, as a study would. docs/integrations.md has an example of each.
"""
