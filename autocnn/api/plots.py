"""Pictures of a study as objects: drawn into a notebook's own axes, with their numbers beside them.

The drawings are those of the report and of the files in `candidates/`.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from autocnn.api.frames import to_frame
from autocnn.api.settings import check_choice
from autocnn.core.csv_tables import epoch_table
from autocnn.core.errors import StudyError
from autocnn.core.objective import Goal
from autocnn.core.records import CandidateRecord
from autocnn.reporting.facts import find_default
from autocnn.reporting.names import picture_title
from autocnn.storage import StudyFolder

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from autocnn.reporting.plots.candidate import EpochMetric
    from autocnn.reporting.plots.score_values import Table

Value = TypeVar("Value")


class PlotDisplay:
    """A picture of a study, as scikit-learn's displays are; `study.plot` makes them.

    Attributes:
        title: What it shows.
        table: Its numbers.
        ax_: Axes that it is drawn in; of several, the first.
        figure_: Their figure.

    Args:
        title: What it shows.
        table: Its numbers.
        draw: Draws all of it into an empty figure.
        draw_part: Draws it, or what of it one axes can hold, into axes.
    """

    ax_: "Axes"
    figure_: "Figure"

    def __init__(
        self,
        title: str,
        table: "pd.DataFrame",
        *,
        draw: "Callable[[Figure], object]",
        draw_part: "Callable[[Axes], None]",
    ) -> None:
        self.title = title
        self.table = table
        self._draw = draw
        self._draw_part = draw_part

    def plot(self, ax: "Axes | None" = None) -> "PlotDisplay":
        """Draw it, once more or for the first time; return this display.

        Args:
            ax: Axes to draw in; None: a new figure of matplotlib.pyplot.
        """
        from autocnn.reporting.plots.style import finish_axes, plot_style

        if ax is None:
            import matplotlib.pyplot as plt

            # Before the style: the first figure loads the backend, and what a notebook's turns on
            # to show figures would end with the style.
            self.figure_ = plt.figure()
        with plot_style():
            if ax is None:
                self.figure_.set_facecolor(plt.rcParams["figure.facecolor"])
                self._draw(self.figure_)
                self.ax_ = self.figure_.axes[0]
                self.figure_.draw_without_rendering()  # ticks get their style when they are drawn
            else:
                self._draw_part(ax)
                finish_axes(ax, self.title)
                self.ax_ = ax
                root = ax.figure
                while root is not root.figure:
                    root = root.figure
                self.figure_ = root
        return self

    def __repr__(self) -> str:
        return f"PlotDisplay({self.title!r})"


class StudyPlots:
    """The pictures of a study: `study.plot`.

    Each takes axes of matplotlib to draw in, or makes a figure of its own, and returns a
    `PlotDisplay` with `ax_`, `figure_` and its numbers as `table`. Without `candidate` it is of
    the chosen one.

    Args:
        folder: Of the study.
        find: Gives the record of a candidate by its number; None: of the best.
    """

    def __init__(self, folder: StudyFolder, find: Callable[[int | None], CandidateRecord]) -> None:
        self._folder = folder
        self._find = find

    def __repr__(self) -> str:
        names = [name for name in vars(type(self)) if not name.startswith("_")]
        return f"StudyPlots of {self._folder.name}: {', '.join(names)}"

    def confusion_matrix(
        self, ax: "Axes | None" = None, candidate: int | None = None
    ) -> PlotDisplay:
        """Who was taken for whom on test, on its clean part where test has copies.

        Args:
            ax: Axes to draw in; None: a figure of its own.
            candidate: Its number; None: the best.

        Raises:
            StudyError: When there is no such candidate, or its table is gone.
        """
        import pandas as pd

        from autocnn.reporting.plots import scores
        from autocnn.reporting.plots.score_values import read_confusion

        record = self._find(candidate)
        matrix = self._read(record, "confusion_matrix", read_confusion)
        title = picture_title("confusion_matrix", record)
        labels = pd.Index(matrix.labels, name="label")
        columns = pd.Index(matrix.labels, name="predicted")
        return PlotDisplay(
            title,
            pd.DataFrame(matrix.counts, index=labels, columns=columns),
            draw=lambda figure: scores.draw_confusion_matrix(matrix, title=title, figure=figure),
            draw_part=lambda axes: scores.plot_confusion_matrix(axes, matrix),
        ).plot(ax)

    def roc(self, ax: "Axes | None" = None, candidate: int | None = None) -> PlotDisplay:
        """ROC curves of every class against the rest, and their averages.

        Args:
            ax: Axes to draw in, with the legend inside them; None: a figure of its own.
            candidate: Its number; None: the best.

        Raises:
            StudyError: When there is no such candidate, or its table is gone.
        """
        from autocnn.reporting.plots import scores
        from autocnn.reporting.plots.score_values import read_roc, roc_table

        record = self._find(candidate)
        curves = self._read(record, "roc", read_roc)
        title = picture_title("roc", record)
        return PlotDisplay(
            title,
            _frame(roc_table(curves)),
            draw=lambda figure: scores.draw_roc(curves, title=title, figure=figure),
            draw_part=lambda axes: scores.plot_roc(axes, curves),
        ).plot(ax)

    def reliability(self, ax: "Axes | None" = None, candidate: int | None = None) -> PlotDisplay:
        """How often the model is right against how sure it is, on test, after its temperature.

        Args:
            ax: Axes to draw in, without the numbers of images; None: a figure of its own.
            candidate: Its number; None: the best.

        Raises:
            StudyError: When there is no such candidate, or it has no temperature.
        """
        from autocnn.reporting.plots import scores
        from autocnn.reporting.plots.score_values import reliability_table

        record = self._find(candidate)
        fitted = record.calibration
        if fitted is None:
            raise self._missing(record, "a temperature")
        title = picture_title("reliability", record)
        return PlotDisplay(
            title,
            _frame(reliability_table(fitted.bins)),
            draw=lambda figure: scores.draw_reliability(fitted, title=title, figure=figure),
            draw_part=lambda axes: scores.plot_reliability(axes, fitted.bins),
        ).plot(ax)

    def gap(self, ax: "Axes | None" = None, candidate: int | None = None) -> PlotDisplay:
        """Where accuracy is lost between train and test.

        Args:
            ax: Axes to draw in, with words on both sides; None: a figure of its own.
            candidate: Its number; None: the best.

        Raises:
            StudyError: When there is no such candidate, or its gap was not measured.
        """
        from autocnn.reporting.plots import candidate as drawings
        from autocnn.reporting.plots.score_values import gap_table

        record = self._find(candidate)
        gap = record.gap
        if gap is None:
            raise self._missing(record, "a gap that was measured")
        title = picture_title("gap", record)
        return PlotDisplay(
            title,
            _frame(gap_table(gap)),
            draw=lambda figure: drawings.draw_gap(gap, title=title, figure=figure),
            draw_part=lambda axes: drawings.plot_gap(axes, gap),
        ).plot(ax)

    def learning_curves(
        self,
        ax: "Axes | None" = None,
        candidate: int | None = None,
        *,
        metric: "EpochMetric" = "accuracy",
    ) -> PlotDisplay:
        """Log loss and accuracy over the epochs, of the trial and of its refit.

        Args:
            ax: Axes to draw one of them in; None: a figure of its own with both.
            candidate: Its number; None: the best.
            metric: Which one axes show: `accuracy` or `log_loss`.

        Raises:
            StudyError: When there is no such candidate, or the record of its trial is gone.
            UsageError: When the metric is another one.
        """
        from autocnn.reporting.plots import candidate as drawings

        check_choice("metric", metric, tuple(drawings.EPOCH_METRICS))
        record = self._find(candidate)
        trials = self._folder.read_trials()
        trial = next((one for one in trials if one.trial == record.trial), None)
        if trial is None:
            raise self._missing(record, f"the record of trial {record.trial}")
        title = picture_title("learning_curves", record)
        best_epoch = trial.best_epoch or 1

        def draw_part(axes: "Axes") -> None:
            drawings.plot_learning_curve(
                axes, trial.history, record.history, best_epoch=best_epoch, metric=metric
            )
            axes.legend(frameon=True)

        return PlotDisplay(
            title,
            to_frame(*epoch_table([("search", trial.history), ("refit", record.history)])),
            draw=lambda figure: drawings.draw_learning_curves(
                trial.history, record.history, best_epoch=best_epoch, title=title, figure=figure
            ),
            draw_part=draw_part,
        ).plot(ax)

    def search(self, ax: "Axes | None" = None) -> PlotDisplay:
        """The objective of each trial in order, and the best so far.

        Args:
            ax: Axes to draw in, without the trials that have no objective or lie far off the
                others; None: a figure of its own with all.
        """
        from autocnn.reporting.plots import search as drawings
        from autocnn.reporting.plots.search_values import search_history

        trials = self._folder.read_trials()
        config = self._folder.read_status().config
        goal = Goal(config.objective, config.max_gap)
        default = find_default(self._folder, trials)
        history = search_history(trials, goal=goal, default=default)
        title = f"Search of {self._folder.name}"

        def draw_part(axes: "Axes") -> None:
            drawings.plot_history(axes, history, objective=goal.objective)
            axes.legend(handles=drawings.history_handles(history), frameon=True)

        return PlotDisplay(
            title,
            to_frame(
                ("trial", "state", "objective"),
                [(point.trial, str(point.state), point.objective) for point in history.points],
            ),
            draw=lambda figure: drawings.draw_history(
                trials, goal=goal, title=title, default=default, figure=figure
            ),
            draw_part=draw_part,
        ).plot(ax)

    def _read(self, record: CandidateRecord, name: str, parse: Callable[..., Value]) -> Value:
        """A table of a candidate, parsed."""
        rows = list(self._folder.read_candidate_table(record.candidate, name))
        if not rows:
            raise self._missing(record, f"a {name}.csv")
        try:
            return parse(rows)
        except ValueError as error:
            raise StudyError(
                f"{self._folder.path}: {name}.csv of candidate {record.candidate} must be as "
                f"autocnn wrote it, got one that cannot be read: {error}."
            ) from error

    def _missing(self, record: CandidateRecord, what: str) -> StudyError:
        return StudyError(
            f"{self._folder.path}: candidate {record.candidate} must have {what}, got none."
        )


def _frame(table: "Table") -> "pd.DataFrame":
    columns, rows = table
    return to_frame(columns, list(rows))
