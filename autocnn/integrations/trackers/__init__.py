"""Where the numbers of a study go besides its folder: TensorBoard's files, an MLflow server.

The records stay the truth. A tracker hears what an observer hears, and can be told all of it
again from the records, so that a resumed study neither doubles nor loses a point. Whatever a
tracker meets, the study goes on: its first error becomes a warning, and it is not used again.
"""

from autocnn.integrations.trackers.tracked import check_extras, tracked

__all__ = ["check_extras", "tracked"]
