"""The pictures of a study: of its search and of its candidates.

Records in, a matplotlib figure out; no score is computed here, and nothing global is
touched. `style.save_png` writes a figure.
"""

from autocnn.reporting.plots.calibration import draw_reliability, draw_reliability_bins
from autocnn.reporting.plots.confusion import draw_confusion_matrix
from autocnn.reporting.plots.curves import draw_pr, draw_roc
from autocnn.reporting.plots.gap import draw_gap
from autocnn.reporting.plots.learning import draw_learning_curves
from autocnn.reporting.plots.parallel import draw_parallel
from autocnn.reporting.plots.robustness import draw_robustness
from autocnn.reporting.plots.search import draw_history, draw_importances

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
