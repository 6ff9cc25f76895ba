"""A study as it runs, as JSON: its state, its trials, what is best so far."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from autocnn.core import wording
from autocnn.core.errors import StudyError
from autocnn.core.objective import Goal
from autocnn.core.records import TrialRecord
from autocnn.reporting import leaderboard as boards
from autocnn.storage import StudyFolder
from autocnn.storage.status import StudyStatus

LOG_BYTES = 20_000
"""Of the end of a log."""


@dataclass(frozen=True, eq=False)
class LiveStudy:
    """Reads a study again and again, each record once for each time that it was written.

    Attributes:
        folder: The study.
    """

    folder: StudyFolder
    _known: dict[int, tuple[int, TrialRecord]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def state(self) -> dict[str, Any]:
        """All that the page shows of it, but for single trials.

        Raises:
            StudyError: When study.json cannot be read, or the study is gone.
        """
        status, trials = self.folder.read_status(), self.trials()
        goal = Goal(status.config.objective, status.config.max_gap)
        ranked = goal.rank([trial for trial in trials if trial.may_win])
        counts: dict[str, int] = {}
        for trial in trials:
            counts[str(trial.state)] = counts.get(str(trial.state), 0) + 1
        is_running = self.folder.writer() is not None
        objective = wording.metric_name(goal.objective)
        return {
            "name": self.folder.name,
            "stage": status.status,
            "is_running": is_running,
            "sentence": describe(
                status, trials, resume=self.folder.resume_command(), is_running=is_running
            ),
            "objective": objective,
            "is_larger_better": goal.maximize,
            "seconds": status.seconds,
            "budget_s": status.config.budget_s,
            "asked": status.config.trials,
            "counts": counts,
            "best": ranked[0].trial if ranked else None,
            "leaders": _leaders(trials, goal),
            "trials": [_row(trial, goal) for trial in trials],
            "leaderboard": self.leaderboard(objective),
            "has_report": self.folder.report_path.is_file(),
        }

    def trials(self) -> list[TrialRecord]:
        """All trials that have begun; those that run with their epochs so far."""
        with self._lock:
            for number, stamp in self.folder.trial_stamps().items():
                before = self._known.get(number)
                if before is None or before[0] != stamp or before[1].is_open:
                    try:
                        self._known[number] = stamp, self.folder.read_trial(number)
                    except StudyError:  # torn by a power cut: a resume sets it aside
                        continue
            return [record for _, record in sorted(self._known.values(), key=_number)]

    def trial(self, number: int) -> dict[str, Any]:
        """One trial: its params, its epochs, the end of its log.

        Raises:
            StudyError: When there is no such trial.
        """
        record = self.folder.read_trial(number)
        objective = self.folder.read_status().config.objective
        return {
            "trial": record.trial,
            "state": str(record.state),
            "reason": record.reason,
            "params": {name: wording.setting(value) for name, value in record.params.items()},
            "epochs": [
                {
                    "epoch": score.epoch,
                    "train": score.train.of(objective),
                    "val": score.val.of(objective),
                    "loss": score.train_loss,
                    "seconds": score.seconds,
                }
                for score in record.history
            ],
            "of": record.epochs,
            "log": self.folder.read_trial_log(number, most=LOG_BYTES),
            "traceback": record.traceback,
        }

    def leaderboard(self, objective: str) -> dict[str, Any] | None:
        """What its columns are, header and rows; None while there is none."""
        try:
            board = boards.from_csv(self.folder.read_leaderboard())
        except StudyError:
            return None
        header, rows = boards.summary_rows(board)
        ranked = "folds" if "folds" in header else "val"
        caption = (
            f"{wording.capital(objective)}; ranked on {ranked}, never by test. =1: test cannot "
            "distinguish it from the first. gap: accuracy on train minus val. "
            + boards.kind_meanings(board)
        )
        return {"caption": caption, "header": header, "rows": rows}


def describe(
    status: StudyStatus, trials: Sequence[TrialRecord], *, resume: str, is_running: bool
) -> str:
    """What the study does now, in a sentence; `resume` is the command that goes on with it."""
    ended = sum(not trial.is_open for trial in trials)
    asked = status.config.trials
    number = f"{ended:,} of {asked:,} trials" if asked else wording.count(ended, "trial")
    of_all = f"{number} ended"
    if status.is_done:
        if not trials:  # a copy without its trials
            return f"Done, {wording.duration(status.seconds)} in all."
        return f"Done: {of_all}, {wording.duration(status.seconds)} in all."
    if not is_running:
        return f"Stopped: {of_all}. `{resume}` goes on."
    doing = {
        "preparing": "It reads the images",
        "searching": f"It searches: {of_all}",
        "finalists": f"It compares and retrains the best: {of_all}",
    }.get(status.status, of_all)
    left = ""
    if status.config.budget_s is not None:
        left_s = max(0.0, status.config.budget_s - status.seconds)
        left = f", about {wording.rough_duration(left_s)} of the budget left"
    return f"{doing}{left}."


def _leaders(trials: Sequence[TrialRecord], goal: Goal) -> list[int]:
    """The trials that were the best so far, in order; none that was stopped behind others."""
    leaders: list[TrialRecord] = []
    for trial in (trial for trial in trials if trial.may_win and trial.objective is not None):
        if not leaders or goal.place_of(trial) < goal.place_of(leaders[-1]):
            leaders.append(trial)
    return [trial.trial for trial in leaders]


def _row(trial: TrialRecord, goal: Goal) -> dict[str, Any]:
    return {
        "trial": trial.trial,
        "state": str(trial.state),
        "objective": trial.objective,
        "epoch": len(trial.history),
        "epochs": trial.epochs,
        "seconds": round(trial.seconds or sum(score.seconds for score in trial.history), 1),
        "curve": [goal.value_of(score.val) for score in trial.history],
    }


def _number(pair: tuple[int, TrialRecord]) -> int:
    return pair[1].trial
