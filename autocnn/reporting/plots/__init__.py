"""The pictures of a study, for every package that draws one: records in, a figure out.

A function `draw_x` makes a whole figure; beside it, `plot_x` draws the same into axes that are
there, for `Study.plot`.

`scores` draws predictions on one set, `candidate` one model or several, `search` the trials.
The numbers in the pictures, and the tables beside them, are made by `score_values` and
`search_values`, which know nothing of matplotlib; no score is computed here. `style` has
colours, type and `save_png`, `overlay` lays a map of attention over an image. Nothing global is
touched.
"""

from autocnn.reporting.plots.candidate import draw_gap, draw_learning_curves, draw_robustness
from autocnn.reporting.plots.scores import (
    draw_confusion_matrix,
    draw_pr,
    draw_reliability,
    draw_reliability_bins,
    draw_roc,
)
from autocnn.reporting.plots.search import draw_history, draw_importances, draw_parallel

__all__ = [
    "draw_confusion_matrix",
    "draw_gap",
    "draw_history",
    "draw_importances",
    "draw_learning_curves",
    "draw_parallel",
    "draw_pr",
    "draw_reliability",
    "draw_reliability_bins",
    "draw_robustness",
    "draw_roc",
]
