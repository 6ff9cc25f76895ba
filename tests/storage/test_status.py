"""study.json: all that repeating a study needs, and nothing else."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from autocnn import __version__
from autocnn.core.config import StudyConfig, resolve_config
from autocnn.core.errors import StudyError
from autocnn.storage.status import (
    VERSIONS_OF,
    DataFacts,
    FinalistFacts,
    StudyStatus,
    installed_versions,
    timestamp,
)

SOURCE = Path("results/mine/study.json")


def new(**changes: Any) -> StudyStatus:
    config = resolve_config({"data": "images", "budget_s": "2h", "weights": Path("w.h5")})
    return StudyStatus.new("mine", config, epochs=30).model_copy(update=changes)


def full() -> StudyStatus:
    """A study that has gone through every stage."""
    return new(
        resumed=(timestamp(), timestamp()),
        status="done",
        seconds=61.5,
        machine={"num_cpus": 2, "memory_gb": 7.5, "cpu": "Fast", "has_bfloat16": False},
        resources={"workers": 2, "threads": 1},
        data=DataFacts(
            fingerprint="00ff",
            class_names=("Äpfel", "b"),
            image_shape=(64, 64, 3),
            split={"train": 70, "val": 15, "test": 15},
        ),
        space_fingerprint="ff00",
        finalists=(FinalistFacts(trial=4, epochs=12), FinalistFacts(trial=0, epochs=3)),
    )


def problem(data: Any) -> StudyError:
    with pytest.raises(StudyError) as caught:
        StudyStatus.from_json(data, source=SOURCE)
    assert caught.value.exit_code == 4
    assert str(SOURCE) in caught.value.message
    return caught.value


@pytest.mark.parametrize("status", [new(), full()], ids=["new", "done"])
def test_a_status_comes_back_from_json(status: StudyStatus) -> None:
    data = json.loads(json.dumps(status.to_json()))
    assert StudyStatus.from_json(data, source=SOURCE) == status


def test_a_new_study_is_being_prepared() -> None:
    status = new()
    assert (status.name, status.status, status.seconds, status.epochs) == (
        "mine",
        "preparing",
        0.0,
        30,
    )
    assert (status.is_prepared, status.is_done) == (False, False)
    assert status.versions == installed_versions()
    age = datetime.now(UTC) - datetime.fromisoformat(status.created)
    assert timedelta(0) <= age < timedelta(minutes=1)


def test_a_study_with_data_is_prepared_and_only_a_finished_one_is_done() -> None:
    assert (full().is_prepared, full().is_done) == (True, True)
    for stage in ("preparing", "searching", "finalists", "interrupted", "failed"):
        assert not full().model_copy(update={"status": stage}).is_done


def test_the_fields_of_study_json_are_the_contract() -> None:
    assert list(new().to_json()) == [
        "schema_version",
        "name",
        "created",
        "resumed",
        "status",
        "seconds",
        "config",
        "epochs",
        "versions",
        "machine",
        "resources",
        "data",
        "space_fingerprint",
        "model_files",
        "objective_files",
        "finalists",
        "num_folds",
        "choice",
        "test_looks",
    ]
    assert list(new().to_json()["config"]) == list(StudyConfig.model_fields)


def test_a_status_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        new().status = "done"


def test_the_versions_are_those_installed() -> None:
    versions = installed_versions()
    assert tuple(versions) == VERSIONS_OF
    assert versions["autocnn"] == __version__
    assert versions["numpy"] is not None


def test_a_package_that_is_not_installed_has_no_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autocnn.storage.status.VERSIONS_OF", ("numpy", "no-such-package-anywhere"))
    assert installed_versions()["no-such-package-anywhere"] is None


# -- mistakes ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"surprise": 1}, "surprise: Extra inputs are not permitted, got 1."),
        ({"status": "waiting"}, "status: Input should be 'preparing', "),
        ({"seconds": "long"}, "seconds: Input should be a valid number"),
        ({"epochs": None}, "epochs: Input should be a valid integer, got None."),
        ({"finalists": [{"trial": 1}]}, "finalists.0.epochs: Field required"),
        ({"finalists": [{"trial": "x", "epochs": 1}]}, "finalists.0.trial: Input should be "),
        ({"data": {"fingerprint": 3}}, "data.fingerprint: Input should be a valid string, got 3."),
        ({"config": {"data": 3}}, "config.data: Input should be a valid string, got 3."),
        ({"config": {"trails": 3}}, "config.trails: Extra inputs are not permitted, got 3."),
        ({"config": {"trials": 0}}, "config.trials: Input should be greater than or equal to 1"),
    ],
)
def test_what_does_not_belong_is_told_with_its_place(change: dict[str, Any], place: str) -> None:
    error = problem(full().to_json() | change)
    assert error.message.startswith(f"{SOURCE}: {place}")
    assert error.remedy == "Was it written by another version of autocnn? Install that one."


def test_a_missing_key_is_told() -> None:
    data = new().to_json()
    del data["created"]
    assert problem(data).message.startswith(f"{SOURCE}: created: Field required")


@pytest.mark.parametrize("data", [{}, [], None, 3, "text"])
def test_what_is_no_status_is_told(data: object) -> None:
    assert problem(data).remedy


@pytest.mark.parametrize(
    "config", [None, 3, [], "text", {"engine": ["optuna"]}, {"engine": {"a": 1}}]
)
def test_a_config_of_a_wrong_type_is_told(config: object) -> None:
    assert "config" in problem(new().to_json() | {"config": config}).message
