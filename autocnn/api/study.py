"""A study on disk and its candidates, as objects that read what stands there now."""

import contextlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Unpack

from autocnn.api.candidate import Candidate
from autocnn.api.frames import to_frame
from autocnn.api.html import study_html
from autocnn.api.plots import StudyPlots
from autocnn.api.settings import Changes, PathLike, check_choice, page_path, read_settings
from autocnn.api.watch import interruptible, show
from autocnn.core.csv_tables import trial_table
from autocnn.core.errors import StudyError
from autocnn.core.paths import to_path
from autocnn.core.records import ExportFormat, LabelIssue, OperatingPoint, Precision
from autocnn.core.wording import count, metric_name
from autocnn.reporting import leaderboard as boards
from autocnn.reporting.operating_points import find_operating_point, find_operating_points
from autocnn.storage import StudyFolder, open_study
from autocnn.storage.status import StudyStatus

if TYPE_CHECKING:
    import pandas as pd

    from autocnn.inference.predict.model import Model
    from autocnn.integrations.dashboard import DashboardServer
    from autocnn.web.server import WebServer


@dataclass(frozen=True)
class LeaderboardSummary:
    """The leaderboard in short, as text.

    Attributes:
        ranked_on: `folds` or `val`.
        header: Names of the columns.
        rows: A row of texts per candidate, best first.
        meaning: What the columns hold, in a sentence or two.
    """

    ranked_on: Literal["folds", "val"]
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    meaning: str


class Study:
    """A study on disk: `autocnn.open_study` and `autocnn.search` give one.

    Every attribute reads what is in the folder now, so a study that runs in another process can be
    watched.

    Args:
        folder: The study.

    >>> import autocnn
    >>> study = autocnn.open_study("mine")
    >>> study.name, study.is_done, len(study.trials)
    ('mine', True, 24)
    >>> study.leaderboard[["rank", "kind", "test_clean_accuracy"]].to_dict("records")
    [{'rank': 1, 'kind': 'folds', 'test_clean_accuracy': 0.978}]
    >>> autocnn.Study.find("mine", results="empty")
    Traceback (most recent call last):
        ...
    autocnn.core.errors.StudyNotFoundError: mine: must be a study under empty or a path to one, \
got neither. Start one with `autocnn search`.
    """

    def __init__(self, folder: StudyFolder) -> None:
        self._folder = folder

    @classmethod
    def find(cls, study: PathLike | None = None, *, results: PathLike = "results") -> "Study":
        """A study on disk, whatever its state; its study.json is not read yet.

        Args:
            study: Its name under `results`, or its path; None: the newest.
            results: Folder that holds the studies.

        Raises:
            StudyError: When there is none.
        """
        return cls(open_study(None if study is None else os.fspath(study), to_path(results)))

    @property
    def name(self) -> str:
        """Name of the study: its folder's."""
        return self._folder.name

    @property
    def path(self) -> Path:
        """Its folder."""
        return self._folder.path

    @property
    def size_gb(self) -> float:
        """Size of its folder, GB (10^9 bytes)."""
        return self._folder.size_gb()

    @property
    def is_done(self) -> bool:
        """Whether its leaderboard is the last word."""
        return self._status().is_done

    @property
    def class_names(self) -> tuple[str, ...]:
        """In the order of all probabilities; empty until the data are prepared."""
        data = self._status().data
        return data.class_names if data is not None else ()

    @property
    def trials(self) -> "pd.DataFrame":
        """A row per trial, whatever its end: the columns of trials.csv."""
        return to_frame(*trial_table(self._folder.read_trials()))

    @property
    def leaderboard(self) -> "pd.DataFrame":
        """A row per candidate, best first: the columns of leaderboard.csv.

        Raises:
            StudyError: While there is none.
        """
        leaderboard = self._leaderboard()
        return to_frame(leaderboard.columns, leaderboard.rows)

    def leaderboard_text(self, format: Literal["csv", "json"] = "csv") -> str:  # noqa: A002
        """The leaderboard as text: leaderboard.csv as it is, or JSON, an object per row.

        Args:
            format: `csv` or `json`.

        Raises:
            UsageError: When the format is another one.
            StudyError: While there is none.
        """
        check_choice("format", format, ("csv", "json"))
        if format == "csv":
            return self._folder.read_leaderboard()
        return boards.to_json(self._leaderboard())

    def summary(self, *, wide: bool = False) -> LeaderboardSummary:
        """The leaderboard in short, as `autocnn leaderboard` prints it.

        Args:
            wide: With more columns than fit 80 characters.

        Raises:
            StudyError: While there is none.
        """
        leaderboard = self._leaderboard()
        header, rows = boards.summary_rows(leaderboard, wide=wide)
        ranked_on: Literal["folds", "val"] = "folds" if "folds" in header else "val"
        objective = "the objective"
        with contextlib.suppress(StudyError):  # the leaderboard can be read without study.json
            objective = metric_name(self._status().config.objective)
        how = f"{objective}, mean ± sd over them" if ranked_on == "folds" else objective
        judged = objective if boards.has_objective(leaderboard) else "accuracy"
        places = f"{ranked_on}: {how}; test: {judged}"
        if how == judged:
            places = f"{ranked_on} and test: {judged}"
        meaning = f"{places}; gap: accuracy on train less that on val."
        meaning += f" {boards.kind_meanings(leaderboard)}"
        if any(" =" in row[0] for row in rows):
            meaning += " 2 =1: test cannot distinguish candidate 2 from candidate 1."
        return LeaderboardSummary(ranked_on, header, rows, meaning)

    def operating_point(
        self, target: str, *, prevalence: float | None = None, candidate: int | None = None
    ) -> OperatingPoint:
        """The threshold at which a candidate reaches a target, and what holds there.

        It is chosen on predictions of images that the model had not seen, out of fold or on val,
        and judged on clean test: `judged` has sensitivity, specificity, PPV and NPV with their
        95 % intervals. `autocnn.load(study, target=...)` is the model that decides so.

        Args:
            target: `sensitivity of CLASS >= 0.95`, or specificity or precision; or
                `answered >= 0.9`: the least sure answers are `unsure`.
            prevalence: Share of the class where the model is used, as 0.02: PPV and NPV hold for
                it, and a precision is chosen for it; None: that of the study's images.
            candidate: Its number; None: the best.

        Raises:
            UsageError: When no threshold reaches the target; the message has what is reached.
            StudyError: When there is no such candidate, or its predictions are gone.
        """
        record = self._chosen(candidate).record
        return find_operating_point(self._folder, record, target, prevalence=prevalence)

    def operating_points(
        self, target: str, *, prevalence: float | None = None
    ) -> tuple[OperatingPoint, ...]:
        """Those of all candidates that reach a target, as the leaderboard ranks them: by folds.

        Args:
            target: As of `operating_point`.
            prevalence: As there.

        Raises:
            UsageError: When no candidate reaches it.
            StudyError: While there is no candidate, or their predictions are gone.
        """
        return find_operating_points(self._folder, target, prevalence=prevalence)

    @property
    def files(self) -> Mapping[str, Path]:
        """What a finished study has for people to open: name -> file."""
        folder = self._folder
        issues = folder.label_issues_path
        return {
            "report": folder.report_path,
            "leaderboard": folder.leaderboard_path,
            "confusion matrix": folder.candidate_picture_path(1, "confusion_matrix"),
            "ROC curves": folder.candidate_picture_path(1, "roc"),
            "learning curves": folder.candidate_picture_path(1, "learning_curves"),
            "best model": folder.candidate_model_path(1),
            "all trials": folder.trials_path,
            **({"doubted labels": issues} if issues.exists() else {}),
        }

    @property
    def label_issues(self) -> "pd.DataFrame":
        """Images of train and val whose label is doubted by models that have not learned from them.

        The most doubtful first: path, label, predicted, label_probability,
        predicted_probability, split, is_suspect (whether the label is likely wrong) and picture.

        Raises:
            StudyError: While there are none, as in a study without folds.
        """
        issues = self._folder.read_label_issues()
        if issues is None:
            raise StudyError(
                f"{self.path}: must have a label_issues.csv, got none: it takes folds, and a "
                "finished study that has learned something."
            )
        columns = list(LabelIssue.model_fields)
        return to_frame(columns, [[getattr(one, name) for name in columns] for one in issues])

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        """All candidates, by number; empty while there are none."""
        return tuple(Candidate(self.path, record) for record in self._folder.read_candidates())

    @property
    def best(self) -> Candidate:
        """The candidate that was chosen before the test split was opened.

        Raises:
            StudyError: While there is none.
        """
        choice = self._status().choice
        return Candidate(
            self.path, self._folder.read_candidate(choice.candidate if choice is not None else 1)
        )

    def report(
        self,
        format: Literal["html", "md"] = "html",  # noqa: A002 - the command's word
        *,
        images: int | None = None,
        samples: int | None = None,
        to: PathLike | None = None,
    ) -> Path:
        """Write the report, and return where it stands.

        Args:
            format: `html`: everything on one page; `md`: a model card of the best candidate.
            images: Most of your own images on the page, 0 for a report to share; None: all that
                the study keeps. A model card has none.
            samples: Images of each class among them; 0: none of your own at all; None: as the
                study was asked for.
            to: File to write; None: report.html or model_card.md in the study.

        Raises:
            UsageError: When the format is another one, or `to` is in no folder.
            StudyError: When the study cannot be read, or the file not be written.
        """
        from autocnn.core.atomic import replace_file
        from autocnn.reporting.model_card import build_model_card
        from autocnn.reporting.page import build_report

        check_choice("format", format, ("html", "md"))
        is_html = format == "html"
        asked = None if to is None else page_path(to)
        text = (
            build_report(self._folder, max_images=images, samples=samples)
            if is_html
            else build_model_card(self._folder)
        )
        own = self._folder.report_path if is_html else self._folder.model_card_path
        target = asked or own
        # A study may lie where one cannot write: what is asked for then has another place.
        replace_file(target, text.encode("utf-8", "surrogateescape"), setting="to")
        return target

    def export(
        self,
        format: ExportFormat = "keras",  # noqa: A002 - the command's word
        *,
        precision: Precision = "float32",
        candidate: int | None = None,
        to: PathLike | None = None,
        force: bool = False,
        target: str | None = None,
        prevalence: float | None = None,
        trust_code: bool = False,
        verbose: bool | None = None,
    ) -> Path:
        """Export a model, check it in a fresh process, and return its folder.

        Args:
            format: `keras`, `savedmodel`, `onnx` or `litert`.
            precision: `float32`, or `int8` for litert.
            candidate: Its number; None: the best.
            to: Folder to write; None: in the study.
            force: Replace an earlier export.
            target: The operating point that the export keeps and `autocnn.predict` follows; see
                `operating_point`. None: the largest probability decides.
            prevalence: Share of the target's class where the model is used; None: that of test.
            trust_code: Whether the code of a model with layers of somebody's own, which the study
                keeps, may run.
            verbose: As for `search`.

        Raises:
            ExportError: When it cannot be exported, or is not the same afterwards.
            MissingExtraError: When the format needs a package that is not installed.
            StudyError: When the study has no such candidate.
        """
        from autocnn.inference.export.formats import find_format

        find_format(format, precision)  # before anything large is imported or read
        from autocnn.inference.export import export_model

        observer = show(verbose)
        try:
            return export_model(
                self._folder,
                format,
                precision=precision,
                candidate=self.best.number if candidate is None else candidate,
                to=None if to is None else to_path(to),
                force=force,
                trust_code=trust_code,
                target=target,
                prevalence=prevalence,
                observer=observer,
            )
        finally:
            observer.close()

    def resume(
        self,
        *,
        verbose: bool | None = None,
        force_unlock: bool = False,
        trust_code: bool = False,
        **changes: Unpack[Changes],
    ) -> "Study":
        """Go on where it was stopped, or with more trials; return this study.

        Args:
            verbose: As for `search`.
            force_unlock: Take it from an owner on another host.
            trust_code: Whether the code of a model of somebody's own, which the study names, may
                run.
            **changes: The options of `autocnn resume`: `trials` and `budget` are totals of
                the study, not what is added.

        Raises:
            ConfigError: When a change is unknown or out of its range.
            UsageError: When it needs code that is not trusted.
            StudyError: When another process writes the study, or its data or space changed.
            SearchError: When no trial finished.
            SearchInterrupted: When it was stopped again.
        """
        from autocnn.study import run

        values = read_settings(changes, tuple(Changes.__annotations__))
        with interruptible() as interruption:
            run.resume(
                self._folder,
                show(verbose),
                changes=values,
                force_unlock=force_unlock,
                trust_code=trust_code,
                interruption=interruption,
            )
        return self

    def view(self, *, port: int = 8000, trust_code: bool = False) -> "WebServer":
        """A server that shows the study in a browser: as it runs, its images, an image of yours.

        `with study.view() as server: server.serve_forever()`; `server.url` is its address. Only
        this machine can reach it, and nothing is written.

        Args:
            port: To listen on; 0: a free one.
            trust_code: As for `load`.

        Raises:
            MissingExtraError: When fastapi or uvicorn is not installed.
            StudyError: When study.json cannot be read.
            UsageError: When nobody can listen there.
        """
        from autocnn.web.server import WebServer, check_web

        check_web("view")
        self.check()
        from autocnn.web.view import make_view

        return WebServer(
            make_view(self._folder, trust_code=trust_code), host="127.0.0.1", port=port
        )

    def dashboard(self, *, port: int = 8080, host: str = "127.0.0.1") -> "DashboardServer":
        """A server that shows the search in a browser, with optuna-dashboard.

        `with study.dashboard() as server: server.serve_forever()`; `server.url` is its address.
        Nothing is written.

        Args:
            port: To listen on; 0: a free one.
            host: Address to listen on; 0.0.0.0 shows the study to the whole network.

        Raises:
            MissingExtraError: When optuna-dashboard is not installed.
            StudyError: When the study has no database of Optuna.
            UsageError: When nobody can listen there.
        """
        from autocnn.integrations.dashboard import open_dashboard

        return open_dashboard(self._folder, host=host, port=port)

    def check(self) -> None:
        """See that study.json can be read.

        Raises:
            StudyError: When it cannot.
        """
        self._status()

    def check_removable(self, *, force_unlock: bool = False) -> None:
        """See that its folder may be deleted.

        Args:
            force_unlock: As of `remove`.

        Raises:
            StudyError: As `remove`.
        """
        self._folder.check_removable(force=force_unlock)

    def remove(self, *, force_unlock: bool = False) -> None:
        """Delete its folder for good, on a full disk too.

        Args:
            force_unlock: Although a process on another host, that wrote it last, did not say that
                it ended: it is gone.

        Raises:
            StudyError: When it is a link, holds files that are no study's, or is written just now.
        """
        self.check_removable(force_unlock=force_unlock)
        self._folder.lock(force=force_unlock, is_noted=False)
        self._folder.remove()

    def load(self, candidate: int | None = None, *, trust_code: bool = False) -> "Model":
        """A candidate's model, which predicts files, arrays and PIL images.

        Args:
            candidate: Its number; None: the best.
            trust_code: As for `autocnn.load`.

        Raises:
            StudyError: When there is no such candidate, or its model was deleted.
        """
        return self._chosen(candidate).load(trust_code=trust_code)

    @property
    def plot(self) -> StudyPlots:
        """Its pictures, drawn into your axes or into a figure of their own.

        `confusion_matrix`, `roc`, `learning_curves`, `reliability` and `gap` of a candidate, and
        `search`; each returns a display with `ax_`, `figure_` and its numbers as `table`.

        >>> import autocnn
        >>> autocnn.open_study("mine").plot.search().table.head(2)
           trial     state  objective
        0      0  complete   0.937542
        1      1  complete   0.903350
        """
        return StudyPlots(self._folder, lambda number: self._chosen(number).record)

    def __fspath__(self) -> str:
        return os.fspath(self.path)

    def __repr__(self) -> str:
        status, candidates = self._status(), self.candidates
        facts = [repr(self.name), status.status, count(len(self._folder.read_trials()), "trial")]
        facts += [f"best: {self.best}"] if candidates else []
        return f"Study({', '.join(facts)})"

    def _repr_html_(self) -> str:
        """What it is and how far, then the leaderboard as `autocnn leaderboard` shows it."""
        status, num_trials = self._status(), len(self._folder.read_trials())
        facts = (self.name, status.status, count(num_trials, "trial"), str(self.path))
        if not self._folder.leaderboard_path.exists():
            return study_html(facts, (), (), meaning="")
        summary = self.summary()
        return study_html(facts, summary.header, summary.rows, meaning=summary.meaning)

    def _leaderboard(self) -> boards.Leaderboard:
        return boards.from_csv(self._folder.read_leaderboard())

    def _status(self) -> StudyStatus:
        return self._folder.read_status()

    def _chosen(self, candidate: int | None) -> Candidate:
        """A candidate by its number; None: the best."""
        if candidate is None:
            return self.best
        return Candidate(self.path, self._folder.read_candidate(candidate))
