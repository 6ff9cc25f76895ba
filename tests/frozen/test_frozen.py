"""What version 0.1.0 wrote opens, predicts, exports and resumes; README.md says how it was made."""

import csv
import json
import pickle
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import autocnn
from autocnn.cli.main import run
from autocnn.core.errors import StudyError
from autocnn.reporting.leaderboard import COLUMNS
from autocnn.storage import StudyFolder

HERE = Path(__file__).parent


@pytest.fixture
def frozen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the study in results/ of an empty working folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("study-0.1.0.tar.xz", "interrupted-0.1.0.tar.xz"):
        with tarfile.open(HERE / name) as archive:
            archive.extractall(tmp_path / "results", filter="data")
    return tmp_path / "results" / "finished"


def test_it_opens_with_all_its_records(frozen: Path) -> None:
    assert json.loads((frozen / "study.json").read_text())["versions"]["autocnn"] == "0.1.0"
    study = autocnn.open_study("finished")
    assert study.is_done
    assert study.class_names == tuple("0123456789")
    assert study.trials["state"].tolist() == ["complete", "complete", "pruned"]
    header = (frozen / "leaderboard.csv").read_text().partition("\n")[0]
    assert header.startswith(",".join(COLUMNS)), "columns and their order are a contract"
    assert study.leaderboard["kind"].tolist() == ["refit", "folds", "refit", "folds"]
    assert study.leaderboard["is_default"].tolist() == [False, False, True, True]
    scores = study.best.scores
    assert scores.scores.accuracy == pytest.approx(0.862963, abs=1e-6)
    assert len(study.best.predictions) == 1797
    assert [candidate.number for candidate in study.candidates] == [1, 2, 3, 4]


def test_the_command_line_prints_its_leaderboard(
    frozen: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["leaderboard", "finished", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["test_accuracy"] for row in rows] == [0.862963, 0.818519, 0.492593, 0.448148]


@pytest.mark.slow
def test_its_report_is_made(frozen: Path) -> None:
    page = autocnn.open_study("finished").report()
    text = Path(page).read_text("utf-8")
    assert "0.863" in text
    assert "finished" in text


@pytest.mark.slow
def test_its_best_model_predicts_what_it_did(frozen: Path) -> None:
    study = autocnn.open_study("finished")
    found = autocnn.evaluate(study, "digits", split="test")
    own = study.best.predictions.query("split == 'test'").set_index("path").filter(like="p.")
    here = found.predictions.set_index("path").loc[own.index].filter(like="p.")
    assert len(own) == 270
    np.testing.assert_allclose(here.to_numpy(), own.to_numpy(), atol=1e-5)


@pytest.mark.slow
def test_it_is_exported(frozen: Path) -> None:
    made = autocnn.open_study("finished").export("keras")
    metadata = json.loads((Path(made) / "metadata.json").read_text())
    assert metadata["parity"]["largest_difference"] < 1e-5


@pytest.mark.slow
@pytest.mark.full
@pytest.mark.usefixtures("dots")
def test_it_goes_on_with_more_trials(frozen: Path) -> None:
    before = {p: p.read_bytes() for p in frozen.glob("trials/000?/trial.json")}
    study = autocnn.open_study("finished").resume(trials=4)
    assert study.is_done
    assert {path: path.read_bytes() for path in before} == before
    assert len(study.trials) == 4
    with (frozen / "leaderboard.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert "true" in {row["is_default"] for row in rows}
    assert (frozen / "report.html").is_file()
    looks = json.loads((frozen / "study.json").read_text())["test_looks"]
    assert len(looks) == 2


def test_one_that_was_stopped_opens(frozen: Path) -> None:
    study = autocnn.open_study("interrupted")
    assert not study.is_done
    assert study.trials["state"].tolist() == ["complete", "interrupted"]
    record = StudyFolder(frozen.with_name("interrupted")).read_trial(1)
    assert [score.epoch for score in record.history], "the epochs of its checkpoint"


@pytest.mark.parametrize("name", ["finished", "interrupted"])
def test_one_of_a_newer_version_is_refused_in_words(frozen: Path, name: str) -> None:
    path = frozen.with_name(name) / "study.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "schema_version": 2}))
    with pytest.raises(StudyError, match=r"schema_version: .*got 2") as caught:
        autocnn.open_study(name)
    assert "another version of autocnn" in str(caught.value.remedy)


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.usefixtures("dots")
def test_one_that_was_stopped_goes_on_from_its_checkpoint(frozen: Path) -> None:
    path = frozen.with_name("interrupted")
    ended = (path / "trials" / "0000" / "trial.json").read_bytes()
    begun = StudyFolder(path).read_trial(1).history
    study = autocnn.open_study("interrupted").resume()
    assert study.is_done
    assert (path / "trials" / "0000" / "trial.json").read_bytes() == ended
    assert StudyFolder(path).read_trial(1).history[: len(begun)] == begun
    made = study.export("keras")
    assert json.loads((Path(made) / "metadata.json").read_text())["parity"]


@pytest.mark.slow
def test_a_pickled_classifier_predicts_what_it_did() -> None:
    from sklearn.datasets import load_digits

    load: Callable[[bytes], autocnn.AutoCNNClassifier] = pickle.loads
    model = load((HERE / "classifier-0.1.0.pkl").read_bytes())
    x = load_digits(return_X_y=True)[0][:20]
    expected = np.load(HERE / "classifier-0.1.0.npy")
    np.testing.assert_allclose(model.predict_proba(x), expected, atol=1e-5)
