"""The study folder: the only package that knows a path inside a study.

Every file is written whole: to a temporary name in the same folder, fsync, rename.
A reader therefore sees the old file or the new one, never half of one.

    results/<study>/
      study.json  space.yaml  split.csv  audit.json  audit/  trials.csv
      builder/  builder.txt                                  copy and trial of an own model
      weights.txt                                            of loading pretrained weights
      optuna.db or keras_tuner/                              views of the engine
      trials/0007/       trial.json  epochs.csv  log.txt  checkpoint/  model.keras
      finalists/0007/    refit/  refit-2/  fold-1/  ...  each with retrained.json  log.txt
                         checkpoint/  and model.keras
      leaderboard.csv  report.html  model_card.md
      candidates/01/     candidate.json  metrics.json  model.keras  predictions.csv
                         confusion_matrix.csv/.png  roc.csv/.png  learning_curves.csv/.png
                         familiarity.npz  log.txt  and the CSV files beside the pictures
      exports/onnx/      what `autocnn export` made, where it was given no other folder
"""

from autocnn.storage.folder import StudyFolder, find_candidate, open_study, study_names

__all__ = ["StudyFolder", "find_candidate", "open_study", "study_names"]
