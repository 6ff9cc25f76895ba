"""Models wherever they lie, and their answers. The network is a formula."""

import hashlib
import json
import math
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from autocnn.core.config import resolve_config
from autocnn.core.errors import (
    AutocnnError,
    ConfigError,
    DataError,
    ExportError,
    StudyError,
    StudyNotFoundError,
    UsageError,
)
from autocnn.core.records import Calibration, CalibrationScores, ExportMetadata
from autocnn.inference.predict import model as model_module
from autocnn.inference.predict.model import Model, load
from autocnn.inference.predict.study_facts import describe_candidate
from autocnn.metrics.calibration import apply_temperature
from autocnn.storage import StudyFolder
from autocnn.storage.status import DataFacts, StudyStatus
from tests.inference.predict.models import CLASSES, SIDE, BrightnessRuntime, grey, metadata, model
from tests.predicted import make_predicted_study, predicted_arrays
from tests.samples import candidate

# -- answers ----------------------------------------------------------------------------------


def test_answers_come_in_the_order_of_the_images(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no image")
    Image.fromarray(grey(204, side=9)).save(tmp_path / "bright.png")
    found = model().predict(
        [grey(51), tmp_path / "text.png", str(tmp_path / "bright.png"), Image.new("L", (7, 5), 255)]
    )
    assert found.names[1:3] == (str(tmp_path / "text.png"), str(tmp_path / "bright.png"))
    np.testing.assert_allclose(found.probabilities[[0, 2, 3], 1], [0.2, 0.8, 1], atol=1e-6)
    assert np.isnan(found.probabilities[1]).all()
    assert found.errors == (None, "is no image that autocnn reads", None, None)
    assert found.predicted == (CLASSES[0], "", CLASSES[1], CLASSES[1])
    np.testing.assert_allclose(found.confidences[[0, 2, 3]], [0.8, 0.8, 1], atol=1e-6)


def test_an_array_of_many_images_is_predicted_in_batches() -> None:
    images = np.stack([grey(value % 256, side=5) for value in range(600)])
    opened = model()
    found = opened.predict(images)
    expected = images[:, 0, 0] / 255
    np.testing.assert_allclose(found.probabilities[:, 1], expected, atol=1e-6)
    runtime = opened.runtime
    assert isinstance(runtime, BrightnessRuntime)
    assert [len(batch) for batch in runtime.batches] == [256, 256, 88]


def test_a_model_and_its_answers_are_short_where_a_notebook_shows_them(tmp_path: Path) -> None:
    opened = model()
    assert repr(opened) == (
        f"Model({opened.metadata.study!r}, candidate {opened.metadata.candidate}, keras: grey "
        f"images of {SIDE} \N{MULTIPLICATION SIGN} {SIDE}\N{NO-BREAK SPACE}px, 2 classes)"
    )
    (tmp_path / "text.png").write_text("no image")
    found = opened.predict([grey(51), grey(50), tmp_path / "text.png", grey(204)])
    assert repr(found) == (
        f"Predictions(4 images: {CLASSES[0]} 2, {CLASSES[1]} 1; 1 error; see to_frame())"
    )
    assert "<table" in found._repr_html_() and CLASSES[0] in found._repr_html_()


def test_no_images_have_no_answers() -> None:
    nothing: list[Any] = [[], np.zeros((0, 5, 5), np.uint8)]
    for images in nothing:
        found = model().predict(images)
        assert found.predicted == ()
        assert found.probabilities.shape == (0, 2)


def test_below_the_threshold_the_answer_is_unsure() -> None:
    images = [grey(51), grey(130), grey(255)]
    found = model().predict(images, unsure=0.75)
    assert found.predicted == (CLASSES[0], CLASSES[1], CLASSES[1])
    assert found.is_unsure.tolist() == [False, True, False]
    assert model().predict(images, max_error=0.03).is_unsure.tolist() == [True, True, False]
    assert model().predict(images).is_unsure.tolist() == [False] * 3
    with pytest.raises(UsageError):
        model().predict(images, max_error=0.0001)


def test_a_probability_that_a_table_rounds_to_the_threshold_is_sure() -> None:
    share = float(np.float32(102 / 255))
    found = model().predict([grey(102)], unsure=round(1 - share, 6) + 4e-7)
    assert found.is_unsure.tolist() == [True]
    assert not model().predict([grey(102)], unsure=round(1 - share, 6)).is_unsure.any()


def test_what_is_unlike_is_marked(tmp_path: Path) -> None:
    found = model().predict([grey(0), grey(200), tmp_path / "gone.png"])
    assert found.is_unlike is not None
    assert found.distances is not None
    assert found.is_unlike.tolist() == [True, False, False]
    np.testing.assert_allclose(found.distances[:2], [1, 1 - 200 / 255], atol=1e-6)
    assert np.isnan(found.distances[2])


@pytest.mark.parametrize("opened", [model(has_distances=False), model(familiarity=None)])
def test_a_model_that_cannot_measure_distances_says_nothing(opened: Model) -> None:
    found = opened.predict([grey(0)])
    assert found.is_unlike is None
    assert found.distances is None


# -- where models lie -------------------------------------------------------------------------


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What was asked of the runtimes, which open any file."""
    asked: list[dict[str, Any]] = []

    def open_one(*place: Any, **options: Any) -> BrightnessRuntime:
        asked.append({"place": place, **options})
        return BrightnessRuntime()

    monkeypatch.setattr(model_module, "open_keras", open_one)
    monkeypatch.setattr(model_module, "open_runtime", open_one)
    return asked


@pytest.fixture
def study(tmp_path: Path) -> StudyFolder:
    """Two candidates with predictions."""
    config = resolve_config({"name": "mine"})
    status = StudyStatus.new("mine", config, epochs=1).model_copy(
        update={
            "status": "done",
            "data": DataFacts(
                fingerprint="f",
                class_names=CLASSES,
                image_shape=(SIDE, SIDE, 1),
                split={"train": 2, "val": 2, "test": 2},
            ),
        }
    )
    folder = StudyFolder.create(tmp_path / "results", "mine", status.to_json())
    scores = CalibrationScores(log_loss=0.1, ece=0.1)
    calibration = Calibration(
        temperature=2.0,
        fitted_on="val",
        num_images=2,
        fitted_before=scores,
        fitted_after=scores,
        test_before=scores,
        test_after=scores,
        bins=(),
    )
    columns = ("path", "label", "split", *(f"p.{name}" for name in CLASSES))
    rows = [
        ("a", CLASSES[0], "train", 1.0, 0.0),
        ("b", CLASSES[0], "val", 0.9, 0.1),
        ("c", CLASSES[0], "val", 0.3, 0.7),
        ("d", CLASSES[1], "test", 0.5, 0.5),
    ]
    for number in (1, 2):
        record = candidate(number).model_copy(update={"calibration": calibration})
        folder.write_candidate(record)
        folder.write_candidate_table(number, "predictions", columns, rows)
        folder.candidate_model_path(number).write_bytes(b"model")
    folder.write_candidate_table(
        2,
        "out_of_fold",
        ("path", "label", "fold", *columns[3:]),
        [("a", CLASSES[0], 1, 0.8, 0.2), ("b", CLASSES[1], 2, 0.6, 0.4)],
    )
    return folder


def test_a_study_is_found_by_its_name_its_path_and_its_candidates(
    study: StudyFolder, opened: list[dict[str, Any]]
) -> None:
    results = study.path.parent
    places: list[tuple[str | Path, int | None, int]] = [
        ("mine", None, 1),
        ("mine", 2, 2),
        (study.path, None, 1),
        (str(study.path), 2, 2),
        (study.candidate_dir(2), None, 2),
        (study.candidate_model_path(2), None, 2),
        (study.candidate_dir(2), 1, 1),
    ]
    for place, number, expected in places:
        found = load(place, results=results, candidate=number, threads=3)
        assert found.metadata.candidate == expected
        assert found.class_names == CLASSES
        path = opened[-1]["place"][0]
        assert path.resolve() == study.candidate_model_path(expected).resolve()
        assert (opened[-1]["threads"], opened[-1]["familiarity_path"]) == (3, None)


def test_familiarity_is_taken_along(study: StudyFolder, opened: list[dict[str, Any]]) -> None:
    study.write_familiarity(
        1,
        {
            "reference": np.eye(3, dtype=np.float32),
            "neighbours": np.array(2),
            "threshold": np.array(0.25),
            "val_share": np.array(0.01),
        },
    )
    facts = load(study.path).metadata.familiarity
    assert facts is not None
    assert (facts.threshold, facts.neighbours, facts.num_reference) == (0.25, 2, 3)
    assert opened[-1]["familiarity_path"] == study.candidate_familiarity_path(1)
    study.candidate_familiarity_path(1).write_bytes(b"torn")
    with pytest.raises(StudyError, match=r"familiarity\.npz") as caught:
        load(study.path)
    assert "Delete the file" in caught.value.remedy


def test_the_curve_is_of_images_that_the_model_had_not_seen(study: StudyFolder) -> None:
    by_val = describe_candidate(study, 1)
    assert by_val.rejection_source == "val"
    val = apply_temperature(np.array([[0.9, 0.1], [0.3, 0.7]]), 2.0)
    assert by_val.rejection[-1].threshold == pytest.approx(val[0, 0])
    assert [point.error for point in by_val.rejection] == [0.5, 0]
    by_folds = describe_candidate(study, 2)
    assert by_folds.rejection_source == "folds"
    assert [(p.threshold, p.error) for p in by_folds.rejection] == [(0.0, 0.5), (0.8, 0.0)]


@pytest.mark.parametrize(
    ("side", "asked", "channels", "expected"),
    [(None, None, 1, "auto"), (None, "grey", 1, "grey"), (9, None, 1, "grey"), (9, None, 3, "rgb")],
)
def test_files_are_read_as_the_study_read_them(
    study: StudyFolder, side: int | None, asked: str | None, channels: int, expected: str
) -> None:
    facts = study.read_study()
    facts["data"]["image_shape"] = [SIDE, SIDE, channels]
    facts["config"]["channels"] = asked or "auto"
    study.write_study(facts)
    study.write_candidate(candidate(1).model_copy(update={"image_size": side}))
    found = describe_candidate(study, 1).input
    assert (found.read_as, found.is_grey) == (expected, channels == 1)
    assert found.shape == (None, side or SIDE, side or SIDE, channels)


def test_an_exported_folder_is_found_by_itself_and_its_model(
    tmp_path: Path, opened: list[dict[str, Any]]
) -> None:
    (tmp_path / "metadata.json").write_text(metadata(candidate=3).model_dump_json())
    (tmp_path / "model.keras").write_bytes(b"model")
    for place in (tmp_path, tmp_path / "model.keras", tmp_path / "metadata.json"):
        found = load(place, candidate=3)
        assert found.metadata == metadata(candidate=3)
        assert opened[-1]["place"] == (metadata(candidate=3), tmp_path)
    with pytest.raises(UsageError, match="candidate must be 3"):
        load(tmp_path, candidate=1)
    (tmp_path / "other.keras").write_bytes(b"model")
    with pytest.raises(ExportError, match=r"must be model\.keras"):
        load(tmp_path / "other.keras")


@pytest.mark.parametrize("content", ["", "{}", "[1", json.dumps({"format": "pickle"})])
def test_metadata_that_is_not_whole_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "metadata.json").write_text(content)
    with pytest.raises(ExportError, match=r"metadata\.json: must describe"):
        load(tmp_path)


def check(error: type[AutocnnError], message: str, path: str | Path, **options: Any) -> str:
    with pytest.raises(error, match=message) as caught:
        load(path, **options)
    assert caught.value.remedy
    return caught.value.remedy


def test_a_model_of_another_origin_says_what_is_missing(tmp_path: Path) -> None:
    for name in ("model.keras", "model.onnx", "MODEL.H5"):
        (tmp_path / name).write_bytes(b"model")
        check(DataError, r"got no metadata\.json beside it", tmp_path / name)
    (tmp_path / "cat.png").write_bytes(b"image")
    assert "comes first" in check(DataError, "got another file", tmp_path / "cat.png")


def test_what_is_not_there_says_where_it_was_looked_for(study: StudyFolder, tmp_path: Path) -> None:
    remedy = check(StudyNotFoundError, "must be a study under", "yours", results=study.path.parent)
    assert "mine" in remedy
    check(StudyNotFoundError, "got none of them", tmp_path / "gone.keras")


def test_a_study_without_that_candidate_or_any_says_what_to_do(study: StudyFolder) -> None:
    assert "leaderboard" in check(StudyError, "one of 1, 2, got 7", study.path, candidate=7)
    for place in (study.path, study.candidate_dir(2)):
        check(StudyError, "one of 1, 2, got 0", place, candidate=0)
    study.clear_candidates()
    assert "autocnn resume" in check(StudyError, "must have a finished model", study.path)


def test_a_broken_model_of_a_study_is_its_study_s_error(study: StudyFolder) -> None:
    study.candidate_model_path(1).unlink()
    remedy = check(StudyError, r"model\.keras: must be a model file, got none", study.path)
    assert "candidate=2" in remedy


def test_torn_predictions_are_named(study: StudyFolder) -> None:
    study.write_candidate_table(1, "predictions", ("path", "label", "split"), [("a", "?", "val")])
    with pytest.raises(StudyError, match="predictions of candidate 1 must be whole"):
        load(study.path)


OWN = {
    "config": {"registered_name": None, "layers": [{"registered_name": "my_layers>Blur"}]},
    "class_name": "Functional",
}


def keep_own_model(study: StudyFolder, config: dict[str, Any], *files: str) -> None:
    """Let the study have a model of somebody's own, saved with that config."""
    facts = study.read_study()
    facts["config"]["model"] = f"/gone/{files[0]}:build"
    facts["model_files"] = {
        name: hashlib.sha256(b"raise SystemExit('it ran')").hexdigest() for name in files
    }
    study.write_study(facts)
    study.own_model_dir.mkdir()
    for name in files:
        (study.own_model_dir / name).write_bytes(b"raise SystemExit('it ran')")
    with zipfile.ZipFile(study.candidate_model_path(1), "w") as archive:
        archive.writestr("config.json", json.dumps(config))


def test_the_code_of_a_study_runs_only_when_it_is_trusted(
    study: StudyFolder, opened: list[dict[str, Any]]
) -> None:
    keep_own_model(study, OWN, "evil_net.py")
    remedy = check(UsageError, r"got builder/evil_net\.py without that", study.path)
    assert "trust_code=True" in remedy
    assert not opened
    with pytest.raises(ConfigError, match="it ran"):
        load(study.path, trust_code=True)


def test_a_model_of_keras_layers_needs_no_code(
    study: StudyFolder, opened: list[dict[str, Any]]
) -> None:
    keep_own_model(study, {"config": {"layers": [{"registered_name": None}]}}, "evil_net.py")
    load(study.path)
    assert len(opened) == 1


def test_the_files_of_a_model_stay_in_the_study(study: StudyFolder) -> None:
    keep_own_model(study, OWN, "../evil_net.py")
    with pytest.raises(StudyError, match="files of a model must stay in this folder"):
        load(study.path, trust_code=True)


def test_an_image_in_several_repeats_or_with_a_copy_counts_once(study: StudyFolder) -> None:
    study.write_split(
        [
            ("a", CLASSES[0], "", "train", "same"),
            ("b", CLASSES[1], "", "train", "same"),
            ("c", CLASSES[1], "patient", "train", "other"),
            ("d", CLASSES[1], "patient", "train", "another"),
        ]
    )
    columns = ("path", "label", "fold", *(f"p.{name}" for name in CLASSES))
    rows = [
        (path, CLASSES[0], 1, share, 1 - share) for path, share in zip("abcda", SHARES, strict=True)
    ]
    study.write_candidate_table(2, "out_of_fold", columns, rows)
    (first, *_) = describe_candidate(study, 2).rejection
    assert (first.coverage, first.num_independent) == (1.0, 2)


SHARES = (0.6, 0.7, 0.8, 0.9, 0.95)


# -- operating points -------------------------------------------------------------------------


def test_a_study_decides_at_the_target_that_is_asked_for(
    tmp_path: Path, opened: list[dict[str, Any]]
) -> None:
    folder = make_predicted_study(tmp_path, classes=CLASSES)
    assert load(folder.path).metadata.operating_point is None
    target = f"sensitivity of {CLASSES[1]} >= 0.99"
    found = load(folder.path, target=target, prevalence=0.02)
    point = found.metadata.operating_point
    assert point is not None
    assert (point.target, point.prevalence) == (target, 0.02)
    bright = math.ceil(255 * point.threshold)
    assert bright < 127  # else the largest probability would say the same
    answers = found.predict([grey(bright), grey(bright - 1), grey(255)])
    assert answers.predicted == (CLASSES[1], CLASSES[0], CLASSES[1])
    assert answers.confidences[0] == pytest.approx(bright / 255)
    assert answers.confidences[1] == pytest.approx(1 - (bright - 1) / 255)
    assert list(answers.to_frame()["predicted"]) == list(answers.predicted)
    assert not answers.is_unsure.any()
    assert len(opened) == 2


def test_a_target_without_a_class_says_unsure(tmp_path: Path, opened: list[dict[str, Any]]) -> None:
    folder = make_predicted_study(tmp_path, classes=CLASSES)
    found = load(folder.path, target="answered >= 0.7")
    point = found.metadata.operating_point
    assert point is not None
    sure = math.ceil(255 * point.threshold)
    answers = found.predict([grey(sure), grey(sure - 1)])
    assert answers.is_unsure.tolist() == [False, True]
    assert answers.point == point
    other = found.predict(grey(sure), unsure=0.9999)
    assert (other.is_unsure.tolist(), other.point) == ([True], None)
    assert len(opened) == 1


def test_a_target_that_cannot_be_is_an_error(
    tmp_path: Path, study: StudyFolder, opened: list[dict[str, Any]]
) -> None:
    check(UsageError, "CLASS must be one of 'dark, very'", study.path, target="recall of cat >= 1")
    (tmp_path / "metadata.json").write_text(metadata().model_dump_json())
    remedy = check(UsageError, "decides as it was exported", tmp_path, target="answered >= 0.9")
    assert "Name the study" in remedy
    with pytest.raises(UsageError, match="prevalence is of the class of a target"):
        load(study.path, prevalence=0.1)
    assert not opened


def test_an_export_decides_as_it_was_exported(tmp_path: Path, opened: list[dict[str, Any]]) -> None:
    folder = make_predicted_study(tmp_path, classes=CLASSES)
    target = f"sensitivity of {CLASSES[1]} >= 0.99"
    point = describe_candidate(folder, 1, target=target).operating_point
    (tmp_path / "metadata.json").write_text(metadata(operating_point=point).model_dump_json())
    found = load(tmp_path)
    assert found.metadata.operating_point == point
    assert found.predict(grey(126)).predicted == (CLASSES[1],)
    assert model().predict(grey(126)).predicted == (CLASSES[0],)
    assert len(opened) == 1


def test_what_a_missing_package_would_read_is_a_row_with_a_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "pydicom", None)
    found = model().predict([bytes(128) + b"DICM", grey(40)])
    assert found.errors[1] is None
    assert "DICOM images need pydicom" in (found.errors[0] or "")


def test_an_unreadable_image_has_no_class_at_an_operating_point(tmp_path: Path) -> None:
    folder = make_predicted_study(tmp_path, classes=CLASSES)
    target = f"sensitivity of {CLASSES[0]} >= 0.99"
    point = describe_candidate(folder, 1, target=target).operating_point
    (tmp_path / "text.png").write_text("no image")
    answers = model(operating_point=point).predict([tmp_path / "text.png", grey(255)])
    assert answers.predicted == ("", CLASSES[1])
    assert np.isnan(answers.confidences[0])


def test_metadata_of_earlier_exports_has_no_operating_point() -> None:
    text = metadata().model_dump(mode="json", exclude={"operating_point"})
    assert ExportMetadata.model_validate(text).operating_point is None


def test_what_unseen_images_were_taken_for_is_known(tmp_path: Path) -> None:
    folder = make_predicted_study(tmp_path, classes=CLASSES)
    found = describe_candidate(folder, 1)
    _, shares = predicted_arrays(folder, 1, "folds")
    assert found.predicted[CLASSES[1]] == (shares.argmax(axis=1) == 1).mean()
    assert sum(found.predicted.values()) == pytest.approx(1)
    assert found.num_predicted == 399  # two are of one patient
