"""Trials as MLflow runs, below one run of the study that gets its candidates' scores.

The experiment has the study's name. A tag names the study that a run belongs to, and another its
trial, so that a resumed study finds its own runs again.
"""

import logging
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, Run, RunTag

from autocnn.core.records import CandidateRecord, EpochScore, Params, Scores, TrialRecord
from autocnn.integrations.trackers.base import points_of
from autocnn.storage import StudyFolder

STUDY_TAG = "autocnn.study"
TRIAL_TAG = "autocnn.trial"
STATE_TAG = "autocnn.state"
REASON_TAG = "autocnn.reason"
CANDIDATE_TAG = "autocnn.candidate"
PARENT_TAG = "mlflow.parentRunId"

EPOCH = "epoch"
"""A metric that says how many epochs a run has: the others may lack some."""

MOST_METRICS = 1000
"""MLflow takes so many at once."""

MOST_REASON = 500
"""Characters of a reason; MLflow takes 8,000 in a tag."""


def connect(address: str | None) -> MlflowClient:
    """A client of a tracking server or database.

    Args:
        address: Its URI; None: what MLflow itself takes, MLFLOW_TRACKING_URI first.
    """
    for name in ("mlflow", "alembic"):  # a new database is told line by line
        logging.getLogger(name).setLevel(logging.WARNING)
    # Else each ended run prints its address to stdout, between our tables.
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    return MlflowClient(tracking_uri=address)


@dataclass
class _TrialRun:
    """The run of a trial, and what it has.

    Attributes:
        run_id: MLflow's.
        epoch: Its last epoch, 0 before the first.
        state: How the trial ended, empty while that is not said.
    """

    run_id: str
    epoch: int = 0
    state: str = ""


class MlflowTracker:
    """Keeps trials as MLflow runs; see `base.Tracker`.

    Args:
        client: Of the server.
        folder: The study's; its study.json names it.
    """

    name = "MLflow"

    def __init__(self, client: MlflowClient, folder: StudyFolder) -> None:
        status = folder.read_status()
        self._client = client
        self._study = status.name
        self._study_id = f"{status.name} {status.created}"
        self._experiment_id = ""
        self._parent_id = ""
        self._is_finished = False
        self._runs: dict[int, _TrialRun] = {}
        self._restored: dict[int, tuple[EpochScore, ...]] = {}
        self._started: set[int] = set()

    def begin(self, earlier: Sequence[TrialRecord]) -> None:
        """Find or make the experiment and the study's run; add trials that are not there."""
        experiment = self._client.get_experiment_by_name(self._study)
        self._experiment_id = (
            experiment.experiment_id if experiment else self._client.create_experiment(self._study)
        )
        for run in self._own_runs():
            tags, metrics = run.data.tags, run.data.metrics
            if TRIAL_TAG not in tags:
                self._parent_id = run.info.run_id
                continue
            self._runs[int(tags[TRIAL_TAG])] = _TrialRun(
                run.info.run_id, int(metrics.get(EPOCH, 0)), tags.get(STATE_TAG, "")
            )
        if self._parent_id:
            self._client.update_run(self._parent_id, status="RUNNING")
        else:
            self._parent_id = self._create_run(self._study, {}, started=time.time())
        self._restored = {record.trial: record.history for record in earlier if record.is_open}
        for record in earlier:
            known = self._runs.get(record.trial)
            if not record.is_open and (known is None or known.state != record.state):
                self.end(record)

    def start(self, trial: int, params: Params) -> None:
        """Make the run of a trial, or go on with it; see `base.Tracker`.

        A run that has epochs which the trial has not is of a beginning that was given up.
        """
        history = self._restored.pop(trial, ())
        known = self._runs.get(trial)
        last = history[-1].epoch if history else 0
        if known is not None and (trial in self._started or known.epoch > last or not history):
            self._client.delete_run(known.run_id)
            known = None
        if known is None:
            self._runs[trial] = self._create_trial_run(trial, params, started=time.time())
        else:
            self._client.update_run(known.run_id, status="RUNNING")
        self._started.add(trial)
        self._add_epochs(self._runs[trial], history)

    def add(self, trial: int, score: EpochScore) -> None:
        """Log an epoch; see `base.Tracker`."""
        self._add_epochs(self._runs[trial], [score])

    def end(self, record: TrialRecord) -> None:
        """Log what the whole trial has, and close its run; see `base.Tracker`."""
        run = self._runs.get(record.trial)
        if run is None:
            started = time.time() - record.seconds
            run = self._create_trial_run(record.trial, record.params, started=started)
            self._runs[record.trial] = run
        self._add_epochs(run, record.history)
        now_ms = int(time.time() * 1000)
        metrics = [] if record.is_open else list(_trial_metrics(record, now_ms))
        tags = [RunTag(STATE_TAG, record.state), RunTag(REASON_TAG, record.reason[:MOST_REASON])]
        self._client.log_batch(run.run_id, metrics=metrics, tags=tags)
        self._client.set_terminated(run.run_id, status=_run_status(record), end_time=now_ms)
        run.state = record.state

    def finish(self, folder: StudyFolder) -> None:
        """Log the chosen candidate's scores and the leaderboard; see `base.Tracker`."""
        best = min(folder.read_candidates(), key=lambda candidate: candidate.rank)
        metrics = list(_candidate_metrics(best, int(time.time() * 1000)))
        said = best.kind if best.members else f"{best.kind} of trial {best.trial}"
        self._client.log_batch(self._parent_id, metrics=metrics, tags=[RunTag(CANDIDATE_TAG, said)])
        self._client.log_artifact(self._parent_id, str(folder.leaderboard_path))
        self._client.set_terminated(self._parent_id, status="FINISHED")
        self._is_finished = True

    def close(self) -> None:
        """Say that the study was stopped, unless it is done; see `base.Tracker`."""
        if self._parent_id and not self._is_finished:
            self._client.set_terminated(self._parent_id, status="KILLED")

    def _own_runs(self) -> Iterator[Run]:
        token: str | None = None
        while True:
            page = self._client.search_runs(
                [self._experiment_id],
                filter_string=f"tags.`{STUDY_TAG}` = '{self._study_id}'",
                page_token=token,
            )
            yield from page
            token = page.token
            if not token:
                return

    def _create_trial_run(self, trial: int, params: Params, *, started: float) -> _TrialRun:
        tags = {TRIAL_TAG: str(trial), PARENT_TAG: self._parent_id}
        run_id = self._create_run(f"trial {trial}", tags, started=started)
        values = [Param(name, str(value)) for name, value in params.items()]
        self._client.log_batch(run_id, params=values)
        return _TrialRun(run_id)

    def _create_run(self, name: str, tags: dict[str, str], *, started: float) -> str:
        run = self._client.create_run(
            self._experiment_id,
            start_time=int(started * 1000),
            tags={STUDY_TAG: self._study_id, **tags},
            run_name=name,
        )
        return str(run.info.run_id)

    def _add_epochs(self, run: _TrialRun, history: Sequence[EpochScore]) -> None:
        """Log the epochs that the run has not."""
        history = [score for score in history if score.epoch > run.epoch]
        if not history:
            return
        ended = time.time() - sum(score.seconds for score in history)
        metrics: list[Metric] = []
        for score in history:
            ended += score.seconds
            at_ms = int(ended * 1000)
            metrics += [
                Metric(f"{point.split}_{point.name}", point.value, at_ms, score.epoch)
                for point in points_of(score)
            ]
            metrics.append(Metric(EPOCH, score.epoch, at_ms, score.epoch))
        for first in range(0, len(metrics), MOST_METRICS):
            self._client.log_batch(run.run_id, metrics=metrics[first : first + MOST_METRICS])
        run.epoch = history[-1].epoch


def _run_status(record: TrialRecord) -> str:
    """MLflow's word for how a trial stands."""
    if record.is_open:
        return "KILLED"
    return "FINISHED" if record.state.is_scored else "FAILED"


def _trial_metrics(record: TrialRecord, now_ms: int) -> Iterator[Metric]:
    for name in ("objective", "best_epoch", "num_weights", "seconds", "peak_memory_mb"):
        value = getattr(record, name)
        if value is not None:
            yield Metric(name, value, now_ms, 0)


def _candidate_metrics(candidate: CandidateRecord, now_ms: int) -> Iterator[Metric]:
    splits = (candidate.train, candidate.val, candidate.folds, candidate.test, candidate.test_clean)
    for split in splits:
        if split is None:
            continue
        for name in Scores.model_fields:
            value = getattr(split.scores, name)
            if value is not None:
                yield Metric(f"{split.split}_{name}", value, now_ms, 0)
    yield Metric("num_weights", candidate.num_weights, now_ms, 0)
