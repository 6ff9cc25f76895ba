"""A study as an object: what it reads, and what it hands on."""

from pathlib import Path
from typing import Any

import pytest

import autocnn
from autocnn.core.errors import ConfigError, StudyError, StudyNotFoundError, UsageError
from autocnn.storage import StudyFolder
from tests.cli.studies import make_study
from tests.predicted import make_predicted_study
from tests.reporting.studies import make_issues, make_trials


@pytest.fixture
def folder() -> StudyFolder:
    folder = make_study("mine")
    for trial in make_trials(12):
        folder.write_trial(trial)
    return folder


def test_a_study_is_found_by_name_by_path_and_as_the_newest(folder: StudyFolder) -> None:
    for study in ("mine", folder.path, str(folder.path.resolve()), None):
        found = autocnn.open_study(study)
        assert (found.name, found.is_done) == ("mine", True)
    assert autocnn.open_study("mine", results=Path("results")).path == folder.path
    with pytest.raises(StudyNotFoundError, match="got neither"):
        autocnn.open_study("yours")
    (folder.path / "study.json").write_text('{"name": 1}')
    with pytest.raises(StudyError, match=r"study\.json"):
        autocnn.open_study("mine")


def test_trials_are_a_frame_of_numbers(folder: StudyFolder) -> None:
    trials = autocnn.open_study("mine").trials
    assert len(trials) == 12
    assert trials["trial"].tolist() == list(range(12))
    assert trials["objective"].dtype == "float64"
    assert trials["objective"].isna().sum() == 1
    assert trials["param.width"].dtype == "int64"
    assert trials["param.weight_averaging"].dtype == "bool"
    assert trials["param.stochastic_depth"].dtype == "float64"
    assert trials.loc[trials["state"] == "complete", "objective"].max() > 0.9
    header = folder.path / "trials.csv"
    folder.write_trials_table(folder.read_trials())
    assert list(trials) == header.read_text("utf-8").splitlines()[0].split(",")


def test_the_leaderboard_is_a_frame_of_numbers(folder: StudyFolder) -> None:
    leaderboard = autocnn.open_study("mine").leaderboard
    assert leaderboard["rank"].tolist() == [1, 2]
    assert leaderboard["test_accuracy"].tolist() == [0.9312, 0.9312]
    assert leaderboard["param.width"].dtype == "int64"
    assert leaderboard["flops"].isna().all()
    folder.leaderboard_path.unlink()
    with pytest.raises(StudyError, match="has no leaderboard yet"):
        _ = autocnn.open_study("mine").leaderboard


def test_candidates_have_their_record_scores_and_files(folder: StudyFolder) -> None:
    study = autocnn.open_study("mine")
    first, second = study.candidates
    assert study.best == first
    assert (first.number, first.kind, first.trial) == (1, "refit", 11)
    assert second.params == {"family": "resnet", "width": 8}
    assert first.scores.intervals["accuracy"].high == 1.0
    assert first.record.val.scores.accuracy == 0.94
    with pytest.raises(StudyError, match="candidate 1 must have a model"):
        _ = first.model_path
    folder.candidate_model_path(1).write_bytes(b"a model")
    assert first.model_path.read_bytes() == b"a model"
    with pytest.raises(StudyError, match=r"candidate 1 has no predictions\.csv"):
        _ = first.predictions
    columns = ["path", "label", "split", "p.0", "p.1"]
    folder.write_candidate_table(1, "predictions", columns, [["007", "0", "test", 0.75, 0.25]])
    assert first.predictions.to_dict("records") == [
        {"path": "007", "label": "0", "split": "test", "p.0": 0.75, "p.1": 0.25}
    ]
    with pytest.raises(StudyError, match="must have the candidate 3, got 1, 2"):
        study.load(3)


def test_doubted_labels_are_a_frame(folder: StudyFolder) -> None:
    study = autocnn.open_study("mine")
    with pytest.raises(StudyError, match=r"must have a label_issues\.csv, got none"):
        _ = study.label_issues
    issues = make_issues()
    folder.write_label_issues(issues, {})
    found = study.label_issues
    assert found["label_probability"].dtype == "float64"
    assert found.drop(columns="picture").to_dict("records") == [
        one.model_dump(exclude={"picture"}) for one in issues
    ]
    assert found["picture"][0] == "01.jpg"


def test_an_operating_point_is_that_of_the_candidate_that_is_asked_for(own_folder: Path) -> None:
    make_predicted_study(own_folder / "results", "predicted")
    study = autocnn.open_study("predicted")
    target = "sensitivity of benign >= 0.9"
    points = [study.operating_point(target, candidate=number) for number in (None, 1, 2)]
    assert [point.candidate for point in points] == [1, 1, 2]
    assert points[0] == points[1]
    assert {point.label for point in points} == {"benign"}
    assert points[0].judged["sensitivity"].low > 0.7
    rare = study.operating_point(target, prevalence=0.01)
    assert rare.threshold == points[0].threshold
    assert rare.judged["ppv"].value < points[0].judged["ppv"].value
    with pytest.raises(UsageError, match="target must be METRIC of CLASS >= NUMBER"):
        study.operating_point("sense")
    with pytest.raises(StudyError, match="must have the candidate 3, got 1, 2"):
        study.operating_point(target, candidate=3)


def test_an_unfinished_study_has_no_best(folder: StudyFolder) -> None:
    folder.clear_candidates()
    study = autocnn.open_study("mine")
    assert study.candidates == ()
    with pytest.raises(StudyError, match="candidate 1, got none") as raised:
        _ = study.best
    assert "autocnn resume results/mine" in raised.value.remedy
    assert repr(study) == "Study('mine', done, 12 trials)"
    assert study._repr_html_().endswith(": done, 12 trials, results/mine</p>")


def test_a_study_shows_itself(folder: StudyFolder) -> None:
    study = autocnn.open_study("mine")
    assert repr(study) == (
        "Study('mine', done, 12 trials, best: Candidate(1: refit of trial 11, test accuracy "
        "0.9312))"
    )
    html = study._repr_html_()
    assert "<strong>Study mine</strong>: done, 12 trials" in html
    assert "0.931 [0.911, 1.000]" in html
    best = study.best._repr_html_()
    assert "<strong>Candidate 1: trial 11, retrained</strong>" in best
    assert "<td>93.1\xa0% [91.1, 100.0]</td>" in best
    assert "family=resnet, width=8" in best


def test_names_with_markup_are_shown_as_they_are(folder: StudyFolder) -> None:
    study = autocnn.open_study("mine")
    record = study.best.record.model_copy(update={"params": {"family": "<b>\x1b[31m&"}})
    folder.write_candidate(record)
    html = study.best._repr_html_()
    assert "family=&lt;b&gt;" in html and "&amp;" in html
    assert "<b>" not in html and "\x1b" not in html
    text = folder.read_leaderboard().replace(",resnet,", ",<script>,")
    folder.write_leaderboard(text)
    assert "<script>" not in study._repr_html_()


@pytest.mark.slow
def test_reports_are_written_where_the_command_writes_them(folder: StudyFolder) -> None:
    study = autocnn.open_study("mine")
    assert study.report() == folder.report_path
    assert folder.report_path.read_text("utf-8").startswith("<!DOCTYPE html>")
    assert study.report("md", to="card.md") == Path("card.md")
    assert "# Model card: mine" in Path("card.md").read_text("utf-8")
    assert study.report(images=0, to="shared.html") == Path("shared.html")
    with pytest.raises(UsageError, match=r"to no/card\.md: its folder must be there"):
        study.report("md", to="no/card.md")
    for no_file in ("results", ""):
        with pytest.raises(UsageError, match="must be a file, got a folder"):
            study.report(to=no_file)
    with pytest.raises(UsageError, match="format must be csv or json, got 'html'"):
        study.leaderboard_text("html")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="got 'htm'") as raised:
        study.report("htm")  # type: ignore[arg-type]
    assert raised.value.remedy == "Did you mean 'html'?"


def test_resume_hands_on_changes_by_the_configs_names(
    folder: StudyFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Any] = {}

    def resume(folder: StudyFolder, observer: object, **options: Any) -> StudyFolder:
        asked.update(options, folder=folder)
        return folder

    monkeypatch.setattr("autocnn.study.run.resume", resume)
    study = autocnn.open_study("mine")
    assert study.resume(trials=80, budget="3h", cache_dir=Path("cache")) is study
    assert asked["changes"] == {"trials": 80, "budget_s": "3h", "cache_dir": "cache"}
    assert asked["folder"].path == folder.path
    with pytest.raises(ConfigError, match="space is no setting"):
        study.resume(space="mri")  # type: ignore[call-arg]


def test_resume_of_a_finished_study_leaves_it_as_it_is(folder: StudyFolder) -> None:
    study = autocnn.open_study("mine")
    folder.write_report("<html>")
    before = folder.read_study()
    study.resume()
    assert folder.read_study() == before
    with pytest.raises(ConfigError, match="trials must be greater than or equal to 1, got 0"):
        study.resume(trials=0)


def test_export_hands_on_what_was_asked(
    folder: StudyFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    import autocnn.inference.export as package

    asked: dict[str, Any] = {}

    def export_model(folder: StudyFolder, format: str, **options: Any) -> Path:  # noqa: A002
        asked.update(options, format=format, folder=folder)
        return Path("there")

    monkeypatch.setattr(package, "export_model", export_model, raising=False)
    study = autocnn.open_study("mine")
    assert study.export("onnx", to="there") == Path("there")
    asked.pop("observer")
    assert asked.pop("folder").path == folder.path
    assert asked == {
        "format": "onnx",
        "precision": "float32",
        "candidate": 1,
        "to": Path("there"),
        "force": False,
        "trust_code": False,
        "target": None,
        "prevalence": None,
    }
