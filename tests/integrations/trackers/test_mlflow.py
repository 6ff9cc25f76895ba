"""Runs in MLflow: one per trial below the study's, none twice. The server is a pretended one."""

import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from autocnn.core.config import StudyConfig
from autocnn.core.records import TrialState
from autocnn.storage import StudyFolder
from autocnn.storage.status import StudyStatus
from tests.samples import candidate, epoch, open_trial, trial

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # MLflow's own, about what it will change
    pytest.importorskip("mlflow")
    from autocnn.integrations.trackers.mlflow import PARENT_TAG, MlflowTracker


@dataclass
class Info:
    run_id: str


@dataclass
class Data:
    tags: dict[str, str]
    metrics: dict[str, float] = field(default_factory=dict)
    params: dict[str, str] = field(default_factory=dict)


@dataclass
class FakeRun:
    info: Info
    data: Data
    name: str
    status: str = "RUNNING"
    points: list[tuple[str, int]] = field(default_factory=list)
    artifacts: list[str] = field(default_factory=list)


class Page(list[FakeRun]):
    token: str | None = None


class FakeClient:
    """What the tracker needs of MlflowClient, in memory; pages hold two runs."""

    def __init__(self) -> None:
        self.experiments: list[str] = []
        self.runs: dict[str, FakeRun] = {}
        self.deleted: list[FakeRun] = []

    def get_experiment_by_name(self, name: str) -> Any:
        if name not in self.experiments:
            return None
        return type("Experiment", (), {"experiment_id": str(self.experiments.index(name))})

    def create_experiment(self, name: str) -> str:
        self.experiments.append(name)
        return str(len(self.experiments) - 1)

    def create_run(
        self, experiment_id: str, *, start_time: int, tags: dict[str, str], run_name: str
    ) -> FakeRun:
        run = FakeRun(Info(f"run{len(self.runs) + len(self.deleted)}"), Data(dict(tags)), run_name)
        self.runs[run.info.run_id] = run
        return run

    def delete_run(self, run_id: str) -> None:
        self.deleted.append(self.runs.pop(run_id))

    def search_runs(
        self, experiment_ids: list[str], *, filter_string: str, page_token: str | None
    ) -> Page:
        key, value = filter_string.removeprefix("tags.`").split("` = ")
        found = [run for run in self.runs.values() if run.data.tags.get(key) == value.strip("'")]
        first = int(page_token or 0)
        page = Page(found[first : first + 2])
        page.token = str(first + 2) if first + 2 < len(found) else None
        return page

    def log_batch(
        self, run_id: str, *, metrics: Any = (), params: Any = (), tags: Any = ()
    ) -> None:
        run = self.runs[run_id]
        assert len(metrics) <= 1000
        for metric in metrics:
            run.points.append((metric.key, metric.step))
            run.data.metrics[metric.key] = metric.value
        for param in params:
            assert run.data.params.setdefault(param.key, param.value) == param.value
        run.data.tags.update({tag.key: tag.value for tag in tags})

    def update_run(self, run_id: str, *, status: str) -> None:
        self.runs[run_id].status = status

    def set_terminated(self, run_id: str, *, status: str, end_time: int | None = None) -> None:
        self.runs[run_id].status = status

    def log_artifact(self, run_id: str, path: str) -> None:
        assert Path(path).is_file()
        self.runs[run_id].artifacts.append(Path(path).name)

    def named(self, name: str) -> FakeRun:
        (run,) = [run for run in self.runs.values() if run.name == name]
        return run


@pytest.fixture
def folder(tmp_path: Path) -> StudyFolder:
    status = StudyStatus.new("mine", StudyConfig(name="mine"), epochs=3)
    return StudyFolder.create(tmp_path, "mine", status.to_json())


def make_tracker(client: FakeClient, folder: StudyFolder) -> MlflowTracker:
    return MlflowTracker(client, folder)  # type: ignore[arg-type]


def steps_of(run: FakeRun, metric: str) -> list[int]:
    return [step for name, step in run.points if name == metric]


def test_a_study_is_an_experiment_with_a_run_per_trial(folder: StudyFolder) -> None:
    client = FakeClient()
    tracker = make_tracker(client, folder)
    tracker.begin([])
    tracker.start(0, {"family": "plain", "width": 8})
    tracker.add(0, epoch(1))
    assert client.named("trial 0").data.metrics["val_accuracy"] == 0.5
    tracker.end(trial(0, history=(epoch(1), epoch(2))))
    tracker.start(1, {"family": "plain"})
    tracker.end(trial(1, state=TrialState.FAILED, reason="x" * 9999, objective=None, history=()))
    folder.write_candidate(candidate(2))
    folder.write_candidate(candidate(1).model_copy(update={"num_weights": 77}))
    folder.write_leaderboard("rank\n1\n")
    tracker.finish(folder)
    tracker.close()

    assert client.experiments == ["mine"]
    whole, failed, parent = (client.named(name) for name in ("trial 0", "trial 1", "mine"))
    assert whole.data.params == {"family": "plain", "width": "8"}
    assert steps_of(whole, "train_loss") == [1, 2]
    assert whole.data.metrics["objective"] == 0.5
    assert whole.data.metrics["seconds"] == 2.00049
    assert whole.data.tags["autocnn.state"] == "complete"
    assert whole.data.tags[PARENT_TAG] == parent.info.run_id
    assert "objective" not in failed.data.metrics
    assert failed.data.tags["autocnn.reason"] == "x" * 500
    assert (whole.status, failed.status, parent.status) == ("FINISHED", "FAILED", "FINISHED")
    assert parent.artifacts == ["leaderboard.csv"]
    assert parent.data.metrics["num_weights"] == 77, "the first of the leaderboard"
    assert parent.data.tags["autocnn.candidate"] == "refit of trial 0"


def test_a_resumed_study_doubles_no_run_and_no_point(folder: StudyFolder) -> None:
    client = FakeClient()
    killed = make_tracker(client, folder)
    killed.begin([])
    for number in range(4):
        killed.start(number, {"width": number})
        killed.add(number, epoch(1))
    killed.end(trial(0, params={"width": 0}))
    killed.add(2, epoch(2))  # its checkpoint was not written any more
    first = {name: client.named(name).info.run_id for name in ("mine", "trial 0", "trial 1")}
    assert client.named("mine").status == "RUNNING"

    going_on = open_trial(1).model_copy(update={"history": (epoch(1), epoch(2))})
    set_back = open_trial(2).model_copy(update={"history": (epoch(1),)})
    unseen = trial(3, history=(epoch(1), epoch(2), epoch(3)), params={"width": 3})
    elsewhere = trial(4, params={"width": 4})
    resumed = make_tracker(client, folder)
    resumed.begin([trial(0, params={"width": 0}), going_on, set_back, unseen, elsewhere])
    for number in (1, 2):
        resumed.start(number, {"width": number})
    resumed.add(1, epoch(3))
    resumed.add(2, epoch(2))
    resumed.end(trial(1, history=(epoch(1), epoch(2), epoch(3))))
    resumed.end(open_trial(2, TrialState.INTERRUPTED))
    resumed.close()

    assert len(client.runs) == 6
    assert {name: client.named(name).info.run_id for name in first} == first
    expected = {0: [1], 1: [1, 2, 3], 2: [1, 2], 3: [1, 2, 3], 4: [1]}
    for number, steps in expected.items():
        assert steps_of(client.named(f"trial {number}"), "val_accuracy") == steps
        assert client.named(f"trial {number}").data.params == {"width": str(number)}
    for number in (0, 1, 3, 4):
        assert steps_of(client.named(f"trial {number}"), "objective") == [0]
    statuses = [client.named(name).status for name in ("trial 1", "trial 2", "mine")]
    assert statuses == ["FINISHED", "KILLED", "KILLED"]


def test_a_trial_that_is_repeated_is_a_new_run(folder: StudyFolder) -> None:
    client = FakeClient()
    tracker = make_tracker(client, folder)
    tracker.begin([])
    for _ in range(2):  # the second time with half its batch
        tracker.start(0, {"width": 8})
        tracker.add(0, epoch(1))
    assert len(client.deleted) == 1
    assert steps_of(client.named("trial 0"), "val_accuracy") == [1]


def test_a_study_of_the_same_name_is_another_one(folder: StudyFolder, tmp_path: Path) -> None:
    client = FakeClient()
    facts = {**folder.read_study(), "created": "2020-01-01T00:00:00+00:00"}
    older = StudyFolder.create(tmp_path / "older", "mine", facts)
    for study in (older, folder):
        tracker = make_tracker(client, study)
        tracker.begin([trial(0)])
        tracker.close()
    assert client.experiments == ["mine"]
    assert sorted(run.name for run in client.runs.values()) == [
        "mine",
        "mine",
        "trial 0",
        "trial 0",
    ]
