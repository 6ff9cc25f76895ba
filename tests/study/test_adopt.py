"""A study that begins with the trials of another one, as far as they still hold."""

from pathlib import Path
from typing import Any

import pytest

from autocnn.core.config import StudyConfig, resolve_config
from autocnn.core.errors import ConfigError, StudyError
from autocnn.core.events import Observer
from autocnn.core.records import TrialRecord, TrialState
from autocnn.spaces.space import Categorical, Int, SearchSpace
from autocnn.storage import StudyFolder
from autocnn.storage.status import DataFacts, StudyStatus
from autocnn.study.adopt import adopt_trials
from tests.samples import open_trial, trial

ROWS = [("a.png", "cat", "", "train", "1"), ("b.png", "dog", "", "val", "2")]

SPACE = SearchSpace(
    name="mine",
    description="For tests",
    epochs=4,
    channels="auto",
    parameters=(
        Categorical("family", choices=("plain", "resnet")),
        Int("width", low=8, high=32, step=8),
    ),
    start=({"family": "plain", "width": 8},),
)


class Recorder(Observer):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.warnings: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)

    def warn(self, text: str) -> None:
        self.warnings.append(text)


def ended(number: int, *, width: int = 8, **changes: Any) -> TrialRecord:
    return trial(
        number, **{"params": {"family": "plain", "width": width}, "end_order": number, **changes}
    )


@pytest.fixture
def source(tmp_path: Path) -> StudyFolder:
    """A prepared study without trials."""
    folder = StudyFolder.create(tmp_path, "old", {})
    write_status(folder)
    folder.write_split(ROWS)
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> StudyFolder:
    """The new study."""
    return StudyFolder.create(tmp_path, "new", {})


def write_status(folder: StudyFolder, *, is_prepared: bool = True, **config: Any) -> None:
    data = DataFacts(
        fingerprint="same",
        class_names=("cat", "dog"),
        image_shape=(8, 8, 1),
        split={"train": 1, "val": 1, "test": 0},
    )
    status = StudyStatus.new(folder.name, resolve_config(config), epochs=4)
    status = status.model_copy(update={"data": data if is_prepared else None})
    folder.write_study(status.to_json())


def adopt(
    source: StudyFolder,
    folder: StudyFolder,
    *,
    fingerprint: str = "same",
    rows: list[tuple[str, str, str, str, str]] = ROWS,
    image_shape: tuple[int, int, int] = (8, 8, 1),
    levels: tuple[float, float] | None = None,
    epochs: int = 4,
    objective_files: dict[str, str] | None = None,
    **config: Any,
) -> tuple[int, Recorder]:
    observer = Recorder()
    asked: StudyConfig = resolve_config({"fork": str(source.path), **config})
    taken = adopt_trials(
        asked,
        SPACE,
        fingerprint,
        rows,
        folder,
        observer,
        image_shape=image_shape,
        levels=levels,
        epochs=epochs,
        objective_files=objective_files,
    )
    return taken, observer


def test_scores_of_another_window_are_not_taken_over(
    source: StudyFolder, folder: StudyFolder
) -> None:
    source.write_trial(ended(0))
    facts = source.read_study()
    data = {**facts["data"], "levels": [-160.0, 240.0]}
    source.write_study({**facts, "data": data})
    taken, observer = adopt(source, folder, levels=(-500.0, 1500.0))
    assert taken == 0
    assert observer.warnings == [
        "Took over none of 1 ended trial of old: black and white of their images are -160 and 240, "
        "of the new study's -500 and 1500."
    ]
    assert adopt(source, folder, levels=(-160.0, 240.0))[0] == 1


# -- what still holds ----------------------------------------------------------------------


def test_all_trials_that_still_hold_are_taken_over(
    source: StudyFolder, folder: StudyFolder
) -> None:
    records = [ended(0), ended(1, width=16), ended(2, width=32, state=TrialState.PRUNED)]
    for record in records:
        source.write_trial(record)
    taken, observer = adopt(source, folder)
    assert taken == 3
    assert observer.notes == ["Took over 3 of 3 ended trials of old."]
    assert observer.warnings == []
    for old, new in zip(records, folder.read_trials(), strict=True):
        kept = {"state", "params", "objective", "history", "best_epoch", "num_weights", "seconds"}
        assert new.model_dump(include=kept) == old.model_dump(include=kept)


def test_their_numbers_follow_each_other_as_if_they_had_run_one_by_one(
    source: StudyFolder, folder: StudyFolder
) -> None:
    source.write_trial(ended(1, num_ended_before=0, end_order=1))
    source.write_trial(ended(4, num_ended_before=2, end_order=0))
    source.write_trial(ended(7, num_ended_before=2, end_order=2))
    assert adopt(source, folder)[0] == 3
    numbers = [(r.trial, r.num_ended_before, r.end_order) for r in folder.read_trials()]
    assert numbers == [(0, 0, 0), (1, 1, 1), (2, 2, 2)]


def test_models_and_logs_come_along_under_the_new_numbers(
    source: StudyFolder, folder: StudyFolder
) -> None:
    for number in (2, 5):
        source.write_trial(ended(number))
        source.trial_log_path(number).write_text(f"log {number}")
    source.trial_model_path(5).write_text("model 5")
    adopt(source, folder)
    assert [folder.trial_log_path(number).read_text() for number in (0, 1)] == ["log 2", "log 5"]
    assert not folder.trial_model_path(0).exists()
    assert folder.trial_model_path(1).read_text() == "model 5"
    assert source.trial_model_path(5).read_text() == "model 5"


@pytest.mark.parametrize(
    "state", [TrialState.FAILED, TrialState.OUT_OF_MEMORY, TrialState.TIMED_OUT]
)
def test_trials_without_a_result_stay_behind(
    source: StudyFolder, folder: StudyFolder, state: TrialState
) -> None:
    source.write_trial(ended(0, state=state))
    source.write_trial(open_trial(1))
    source.write_trial(open_trial(2, TrialState.INTERRUPTED))
    source.write_trial(ended(3))
    taken, observer = adopt(source, folder)
    assert taken == 1
    assert observer.notes == ["Took over 1 of 1 ended trial of old."]
    assert [record.trial for record in folder.read_trials()] == [0]


def test_a_study_without_trials_gives_none(source: StudyFolder, folder: StudyFolder) -> None:
    taken, observer = adopt(source, folder)
    assert taken == 0
    assert observer.notes == ["Took over 0 of 0 ended trials of old."]
    assert folder.read_trials() == []


def test_a_study_may_be_taken_over_while_another_process_writes_it(
    source: StudyFolder, folder: StudyFolder
) -> None:
    source.write_trial(ended(0))
    source.lock()
    assert adopt(source, folder)[0] == 1
    source.unlock()


def test_taking_over_twice_gives_the_same(source: StudyFolder, folder: StudyFolder) -> None:
    """As after a crash before the new study was prepared."""
    for number in (1, 3):
        source.write_trial(ended(number))
    adopt(source, folder)
    first = folder.read_trials()
    assert adopt(source, folder)[0] == 2
    assert folder.read_trials() == first


def test_a_trial_that_began_with_the_weights_of_another_does_not_come_without_it(
    source: StudyFolder, folder: StudyFolder
) -> None:
    """As in KerasTuner's hyperband: parents are not kept, and epochs above 1 need one."""
    write_status(source, engine="keras-tuner", sampler="hyperband")
    source.write_trial(ended(0))
    source.write_trial(ended(1, parent=0, first_epoch=3))
    taken, observer = adopt(source, folder)
    assert taken == 1
    assert [record.first_epoch for record in folder.read_trials()] == [1]
    assert observer.notes[1] == (
        "The others do not fit: trial 1: it began with the weights of trial 0."
    )


# -- what does not -------------------------------------------------------------------------


def test_trials_outside_the_space_stay_behind_and_are_named(
    source: StudyFolder, folder: StudyFolder
) -> None:
    source.write_trial(ended(0, width=12))
    source.write_trial(ended(1))
    source.write_trial(ended(2, params={"family": "plain"}))
    source.write_trial(ended(3, width=16))
    taken, observer = adopt(source, folder)
    assert taken == 2
    assert [record.params["width"] for record in folder.read_trials()] == [8, 16]
    assert [record.trial for record in folder.read_trials()] == [0, 1]
    assert observer.notes == [
        "Took over 2 of 4 ended trials of old.",
        "The others do not fit: trial 0: width must be in 8 .. 32, step 8, got 12; "
        "trial 2: width is missing.",
    ]


def test_only_the_first_problems_are_told(source: StudyFolder, folder: StudyFolder) -> None:
    for number in range(5):
        source.write_trial(ended(number, params={"family": "resnet"}))
    taken, observer = adopt(source, folder)
    assert taken == 0
    assert observer.notes[1] == (
        "The others do not fit: trial 0: width is missing; trial 1: width is missing; "
        "trial 2: width is missing ..."
    )
    assert folder.read_trials() == []


def test_trials_on_other_images_are_refused_with_what_changed(
    source: StudyFolder, folder: StudyFolder
) -> None:
    source.write_trial(ended(0))
    rows = [ROWS[0], ("b.png", "cat", "", "val", "2")]
    taken, observer = adopt(source, folder, fingerprint="other", rows=rows)
    assert taken == 0
    assert observer.notes == []
    assert observer.warnings == [
        "Took over none of 1 ended trial of old: their scores were measured on other images: "
        "1 image has another label: b.png (dog, now cat)."
    ]
    assert folder.read_trials() == []


def test_the_same_files_read_otherwise_are_other_images(
    source: StudyFolder, folder: StudyFolder
) -> None:
    source.write_trial(ended(0))
    taken, observer = adopt(source, folder, fingerprint="other")
    assert taken == 0
    assert observer.warnings[0].endswith("on other images: The images are read differently.")


@pytest.mark.parametrize(
    ("old", "new", "taken"),
    [
        (("m.py:build", {"m.py": "00"}), ("/moved/m.py:build", {"m.py": "00"}), 1),
        (("m.py:build", {"m.py": "00"}), ("m.py:build", {"m.py": "11"}), 0),
        (("m.py:build", {"m.py": "00"}), ("m.py:other", {"m.py": "00"}), 0),
        (("m.py:build", {"m.py": "00"}), (None, None), 0),
        ((None, None), ("m.py:build", {"m.py": "00"}), 0),
    ],
)
def test_trials_of_another_model_are_refused(
    source: StudyFolder, folder: StudyFolder, old: Any, new: Any, taken: int
) -> None:
    write_status(source, model=old[0])
    source.write_study({**source.read_study(), "model_files": old[1]})
    source.write_trial(ended(0))
    config = resolve_config({"fork": str(source.path), "model": new[0]})
    observer = Recorder()
    got = adopt_trials(
        config,
        SPACE,
        "same",
        ROWS,
        folder,
        observer,
        image_shape=(8, 8, 1),
        levels=None,
        epochs=4,
        model_files=new[1],
    )
    assert got == taken
    assert observer.warnings == [
        "Took over none of 1 ended trial of old: their networks are those of another model."
    ] * (1 - taken)


def test_a_study_that_was_never_prepared_has_nothing_to_give(
    source: StudyFolder, folder: StudyFolder
) -> None:
    write_status(source, is_prepared=False)
    taken, observer = adopt(source, folder)
    assert taken == 0
    assert observer.warnings[0].startswith("Took over none of 0 ended trials of old: ")


def test_trials_with_another_objective_are_refused(
    source: StudyFolder, folder: StudyFolder
) -> None:
    write_status(source, objective="accuracy")
    source.write_trial(ended(0))
    taken, observer = adopt(source, folder)
    assert taken == 0
    assert observer.warnings == [
        "Took over none of 1 ended trial of old: they kept the weights that are best in accuracy."
    ]
    assert adopt(source, folder, objective="accuracy")[0] == 1


def test_trials_of_another_objective_function_of_that_name_are_refused(
    source: StudyFolder, folder: StudyFolder
) -> None:
    write_status(source, objective="costs.py:cost")
    source.write_study({**source.read_study(), "objective_files": {"costs.py": "00"}})
    source.write_trial(ended(0))
    changed, same = (
        adopt(source, folder, objective="costs.py:cost", objective_files={"costs.py": sha256})
        for sha256 in ("11", "00")
    )
    assert (changed[0], same[0]) == (0, 1)
    assert changed[1].warnings == [
        "Took over none of 1 ended trial of old: costs:cost is another function now."
    ]


def test_trials_on_images_that_were_made_square_otherwise_are_refused(
    source: StudyFolder, folder: StudyFolder
) -> None:
    source.write_trial(ended(0))
    taken, observer = adopt(source, folder, fit="pad")
    assert taken == 0
    assert observer.warnings == [
        "Took over none of 1 ended trial of old: their images were made square by stretch, "
        "not by pad."
    ]


def test_trials_on_images_of_another_size_stay_behind(
    source: StudyFolder, folder: StudyFolder
) -> None:
    """They would be ranked beside the others, and their models could not predict at the end."""
    source.write_trial(ended(0))
    source.write_trial(ended(1, width=16))
    taken, observer = adopt(source, folder, image_shape=(16, 16, 1))
    assert taken == 0
    assert observer.notes == [
        "Took over 0 of 2 ended trials of old.",
        "The others do not fit: trial 0: its images have 8 px, not 16 px; "
        "trial 1: its images have 8 px, not 16 px.",
    ]


def test_a_size_that_is_a_param_holds_whatever_the_default_is(
    source: StudyFolder, folder: StudyFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    space = SearchSpace(
        "mine", "", 4, "auto", (Categorical("image_size", choices=(0, 32)),), ({"image_size": 0},)
    )
    monkeypatch.setattr("tests.study.test_adopt.SPACE", space)
    source.write_trial(ended(0, params={"image_size": 32}))
    source.write_trial(ended(1, params={"image_size": 0}))
    taken, observer = adopt(source, folder, image_shape=(16, 16, 1))
    assert taken == 1
    assert folder.read_trials()[0].params == {"image_size": 32}
    assert "trial 1: its images have 8 px, not 16 px" in observer.notes[1]


@pytest.mark.parametrize("old", [None, "old.h5"])
def test_networks_that_began_with_other_weights_stay_behind(
    source: StudyFolder,
    folder: StudyFolder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    old: str | None,
) -> None:
    families = ("plain", "pretrained", "frozen")
    space = SearchSpace(
        "mine", "", 4, "auto", (Categorical("family", choices=families),), ({"family": "plain"},)
    )
    monkeypatch.setattr("tests.study.test_adopt.SPACE", space)
    write_status(source, weights=old)
    for number, family in enumerate(families):
        source.write_trial(ended(number, params={"family": family}))
    taken, observer = adopt(source, folder, weights="new.h5")
    assert taken == 1
    assert [record.params for record in folder.read_trials()] == [{"family": "plain"}]
    began = f"its network began with the weights {old or 'imagenet'}, not with new.h5"
    assert observer.notes == [
        "Took over 1 of 3 ended trials of old.",
        f"The others do not fit: trial 1: {began}; trial 2: {began}.",
    ]
    again = StudyFolder.create(tmp_path, "again", {})
    assert adopt(source, again, weights=old)[0] == 3


@pytest.mark.parametrize(
    ("new", "reason"),
    [
        (
            {"image_shape": (8, 8, 3)},
            "their images are read as grey, those of the new study as RGB.",
        ),
        ({"epochs": 9}, "their schedules span 4 epochs, those of the new study 9."),
    ],
)
def test_trials_of_other_channels_or_epochs_are_refused(
    source: StudyFolder, folder: StudyFolder, new: dict[str, Any], reason: str
) -> None:
    source.write_trial(ended(0))
    taken, observer = adopt(source, folder, **new)
    assert taken == 0
    assert observer.warnings == [f"Took over none of 1 ended trial of old: {reason}"]


@pytest.mark.parametrize("sampler", ["hyperband", "grid"])
def test_samplers_with_a_plan_of_their_own_cannot_begin_with_trials(sampler: str) -> None:
    with pytest.raises(ConfigError, match="fork must go with a sampler whose trials do not"):
        resolve_config({"engine": "keras-tuner", "sampler": sampler, "fork": "old"})


@pytest.mark.parametrize(
    ("engine", "sampler"),
    [
        ("keras-tuner", "bayesian"),
        ("keras-tuner", "random"),
        ("optuna", "random"),
        ("optuna", "qmc"),
    ],
)
def test_the_other_samplers_can(
    source: StudyFolder, folder: StudyFolder, engine: str, sampler: str
) -> None:
    source.write_trial(ended(0))
    assert adopt(source, folder, engine=engine, sampler=sampler)[0] == 1


# -- studies that cannot be read -----------------------------------------------------------


def test_a_folder_that_is_no_study_is_told(tmp_path: Path, folder: StudyFolder) -> None:
    with pytest.raises(StudyError, match=r"none/study\.json: must be readable"):
        adopt(StudyFolder(tmp_path / "none"), folder)


def test_a_study_of_another_version_is_told(source: StudyFolder, folder: StudyFolder) -> None:
    source.write_study({"name": "old", "surprise": 1})
    with pytest.raises(StudyError, match=r"old/study\.json: "):
        adopt(source, folder)


def test_a_torn_trial_of_the_other_study_is_told_and_left_there(
    source: StudyFolder, folder: StudyFolder
) -> None:
    source.write_trial(ended(0))
    torn = source.path / "trials/0000/trial.json"
    torn.write_text("{")
    with pytest.raises(StudyError, match=r"0000/trial\.json: must be a whole record"):
        adopt(source, folder)
    assert torn.read_text() == "{"
