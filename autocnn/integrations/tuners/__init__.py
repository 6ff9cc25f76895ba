"""The spaces and networks of autocnn in somebody's own script for KerasTuner or Optuna.

`neighbours.keras_tuner` has a HyperModel, `neighbours.optuna` a suggest function, and
`neighbours.fitting` trains what either proposes as a study would. docs/neighbours.md shows them.
"""
