"""Studies as a set: what is there, and two side by side."""

import datetime
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from autocnn.api.candidate import Candidate
from autocnn.api.frames import to_frame
from autocnn.api.settings import PathLike, page_path
from autocnn.api.study import Study
from autocnn.core.atomic import replace_file
from autocnn.core.errors import StudyError
from autocnn.core.objective import Goal
from autocnn.core.paths import to_path
from autocnn.storage import StudyFolder, find_candidate, open_study, study_names

if TYPE_CHECKING:
    import pandas as pd

    from autocnn.reporting.comparison import StudyComparison

UNREADABLE = "unreadable"


@dataclass(frozen=True)
class StudySummary:
    """A study in short; `pandas.DataFrame(autocnn.list_studies())` is a table of all.

    Attributes:
        name: Its folder's.
        state: `running`, `done`, `stopped` (`autocnn resume` goes on), or `unreadable`.
        trials: Those that ended.
        objective: What it improves; empty where it cannot be read.
        best: The best value of it so far: on folds of the chosen candidate, where there are some,
            else on val; None: nothing yet.
        data: Its images.
        size_gb: Of its folder, GB (10^9 bytes).
        changed: When its study.json was last written.
        path: Its folder.

    >>> import autocnn
    >>> newest, _ = autocnn.list_studies()
    >>> newest.name, newest.state, newest.trials, newest.objective
    ('mine', 'done', 24, 'balanced_accuracy')
    """

    name: str
    state: str
    trials: int
    objective: str
    best: float | None
    data: str
    size_gb: float
    changed: datetime.datetime
    path: Path


def list_studies(*, results: PathLike = "results") -> tuple[StudySummary, ...]:
    """The studies in a folder, the newest first.

    Args:
        results: Folder that holds the studies.

    >>> list_studies(results="no-folder")
    ()
    """
    place = to_path(results)
    return tuple(_summary(StudyFolder(place / name)) for name in study_names(place))


@dataclass(frozen=True, repr=False, eq=False)
class Comparison:
    """Two candidates of two studies on the test images that both have.

    Attributes:
        record: Everything: `metrics`, `num_common`, `params`, `settings`, `sentences`, ...
        pictures: (0 or 1, name) -> PNG of a candidate.
        page_path: Where its page stands; None where none was asked for.

    >>> import autocnn
    >>> found = autocnn.compare("mine", "yesterday")
    >>> found.differences[["metric", "difference"]].round(2).to_dict("records")[0]
    {'metric': 'balanced_accuracy', 'difference': 0.25}
    >>> print(found.record.sentences[0])  # doctest: +ELLIPSIS
    mine is better than yesterday by more than chance: balanced accuracy of mine minus ...
    """

    record: "StudyComparison"
    pictures: Mapping[tuple[int, str], bytes | None]
    page_path: Path | None = None

    @property
    def differences(self) -> "pd.DataFrame":
        """metric, difference, low, high, p_value and is_told_apart: first minus second."""
        columns = ["metric", "difference", "low", "high", "p_value", "is_told_apart"]
        return to_frame(
            columns,
            [
                [
                    one.metric,
                    one.difference.value,
                    one.difference.low,
                    one.difference.high,
                    one.p_value,
                    one.is_told_apart,
                ]
                for one in self.record.metrics
            ],
        )

    def to_html(self, path: PathLike) -> Path:
        """Write it as a page, one file that opens offline, and return where it stands.

        Args:
            path: File to write.

        Raises:
            UsageError: When it is in no folder.
            StudyError: When it cannot be written.
        """
        from autocnn.reporting.page import render_comparison

        target = page_path(path)
        html = render_comparison(self.record, self.pictures)
        replace_file(target, html.encode("utf-8"), setting="to")
        return target

    def __repr__(self) -> str:
        return f"Comparison({self.record.sentences[0]!r})"


def compare(
    first: PathLike | Study | Candidate,
    second: PathLike | Study | Candidate,
    *,
    to: PathLike | None = None,
    results: PathLike = "results",
) -> Comparison:
    """Compare two studies: the same test images, paired; and what differs in them.

    Args:
        first: A study, its name under `results`, its path, or a candidate of it
            (results/mine/candidates/02).
        second: The other, or another candidate of the same study.
        to: File for a page, HTML, with all of it; None: none.
        results: Folder that holds the studies.

    Raises:
        StudyError: When there is no such study, one is not finished, they have other classes, or
            no test image is in both.
        UsageError: When the page is in no folder.

    >>> compare("one", "two", results="no-folder")
    Traceback (most recent call last):
        ...
    autocnn.core.errors.StudyNotFoundError: one: must be a study under no-folder or a path to \
one, got neither. Start one with `autocnn search`.
    """
    from autocnn.reporting.comparison import PICTURES, compare_studies

    if to is not None:
        page_path(to)
    places = [_find(place, to_path(results)) for place in (first, second)]
    (one, number_one), (two, number_two) = places
    found = compare_studies(one, two, candidates=(number_one, number_two))
    pictures = {
        (number, name): folder.read_candidate_picture(side.record.candidate, f"{name}.png")
        for number, (folder, side) in enumerate(((one, found.first), (two, found.second)))
        for name in PICTURES
    }
    compared = Comparison(found, pictures)
    return compared if to is None else replace(compared, page_path=compared.to_html(to))


def _find(place: PathLike | Study | Candidate, results: Path) -> tuple[StudyFolder, int | None]:
    if isinstance(place, Candidate):
        return StudyFolder(place.path), place.number
    return find_candidate(to_path(place)) or (open_study(os.fspath(place), results), None)


def _summary(folder: StudyFolder) -> StudySummary:
    summary = StudySummary(
        name=folder.name,
        state=UNREADABLE,
        trials=0,
        objective="",
        best=None,
        data="",
        size_gb=folder.size_gb(),
        changed=datetime.datetime.fromtimestamp(folder.changed, datetime.UTC),
        path=folder.path,
    )
    try:
        status, trials = folder.read_status(), folder.read_trials()
        candidates = folder.read_candidates() if folder.leaderboard_path.exists() else []
    except StudyError:
        return summary
    ended = [trial for trial in trials if not trial.is_open]
    goal = Goal(status.config.objective, status.config.max_gap)
    ranked = goal.rank([trial for trial in ended if trial.may_win])
    best = ranked[0].objective if ranked else None
    for record in candidates:
        if status.choice is not None and record.candidate == status.choice.candidate:
            best = record.objective if record.cv_mean is None else record.cv_mean
    return replace(
        summary,
        state="done" if status.is_done else "running" if folder.writer() else "stopped",
        trials=len(ended),
        objective=goal.objective,
        best=best,
        data=status.config.data,
    )
