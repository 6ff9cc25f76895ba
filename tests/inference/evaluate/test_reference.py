"""What the study of a model, or an exported model, knows."""

from pathlib import Path
from typing import Any

import pytest

from autocnn.core.errors import ExportError, StudyError
from autocnn.core.records import ExportMetadata, Interval, ModelInput, OperatingPoint
from autocnn.inference.evaluate import (
    Reference,
    assess,
    export_reference,
    open_reference,
    study_reference,
)
from autocnn.inference.evaluate.seen import StudyData
from autocnn.inference.predict.study_facts import describe_candidate
from autocnn.storage import StudyFolder
from tests.inference.evaluate.models import CLASSES, BrightThird, write_folder
from tests.reporting.studies import make_status
from tests.samples import candidate, split

FIGURE = Interval(value=0.98, low=0.96, high=0.99)


def make_metadata(**changes: Any) -> ExportMetadata:
    facts: dict[str, Any] = {
        "format": "onnx",
        "model": "model.onnx",
        "study": "mine",
        "candidate": 2,
        "kind": "refit",
        "class_names": ("a", "b"),
        "is_calibrated": True,
        "input": ModelInput(shape=(None, None, None, 3), height=8, width=8, is_grey=True),
    }
    return ExportMetadata(**(facts | changes))


@pytest.fixture
def study(tmp_path: Path) -> StudyFolder:
    status = make_status("mine", ("a", "b"))
    folder = StudyFolder.create(tmp_path / "results", "mine", status.to_json())
    clean = split("test").model_copy(update={"split": "test_clean"})
    figures = clean.model_copy(update={"intervals": {"accuracy": FIGURE}})
    folder.write_candidate(candidate(1).model_copy(update={"test_clean": figures, "seed": 7}))
    folder.write_candidate(candidate(2))
    folder.write_split(
        [
            ("1.png", "a", "", "train", "f1"),
            ("2.png", "a", "", "val", "f2"),
            ("3.png", "b", "", "test", "f3"),
            ("4.png", "b", "", "train", ""),
        ]
    )
    return folder


def test_a_study_knows_its_figures_and_its_images(study: StudyFolder) -> None:
    found = study_reference(study, 1)
    assert found == Reference(
        study="mine",
        candidate=1,
        class_names=("a", "b"),
        scored="test_clean",
        figures={"accuracy": FIGURE},
        seen=frozenset({"f1", "f2"}),
        source=StudyData(
            "brain", 96, "auto", frozenset({"f1", "f2"}), study.read_status().config.reading
        ),
        tested=frozenset({("3.png", "f3")}),
        seed=7,
    )
    assert study_reference(study, 2).scored == "test"


def test_what_was_black_and_white_in_an_npz_is_known(study: StudyFolder) -> None:
    status = make_status("deep", ("a", "b"))
    assert status.data is not None
    data = status.data.model_copy(update={"array_levels": (0.0, 4095.0)})
    content = status.model_copy(update={"data": data}).to_json()
    folder = StudyFolder.create(study.path.parent, "deep", content)
    folder.write_candidate(candidate(1))
    assert study_reference(folder, 1).array_levels == (0, 4095)
    assert export_reference(describe_candidate(folder, 1)).array_levels == (0, 4095)


def test_without_its_split_nothing_is_known_of_what_was_seen(study: StudyFolder) -> None:
    study.split_path.unlink()
    found = study_reference(study, 1)
    assert (found.seen, found.tested, found.source) == (None, None, None)


def test_a_candidate_that_is_not_there_is_an_error(study: StudyFolder) -> None:
    with pytest.raises(StudyError, match="must have the candidate 3, got 1, 2"):
        study_reference(study, 3)
    study.clear_candidates()
    with pytest.raises(StudyError, match="got none") as raised:
        study_reference(study, 1)
    assert "autocnn resume" in raised.value.remedy


def test_an_export_knows_its_figures_alone() -> None:
    both = {"test_accuracy": FIGURE, "test_clean_accuracy": FIGURE, "test_clean_ece": FIGURE}
    found = export_reference(make_metadata(scores=both))
    figures = {"accuracy": FIGURE, "ece": FIGURE}
    assert found == Reference("mine", 2, ("a", "b"), "test_clean", figures)
    found = export_reference(make_metadata(scores={"test_macro_f1": FIGURE}))
    assert found == Reference("mine", 2, ("a", "b"), "test", {"macro_f1": FIGURE})
    assert export_reference(make_metadata()) == Reference("mine", 2, ("a", "b"))


def test_a_model_is_found_as_a_study_a_candidate_or_an_export(
    study: StudyFolder, tmp_path: Path
) -> None:
    results = study.path.parent
    assert open_reference("mine", results=results).candidate == 1
    assert open_reference("mine", results=results, candidate=2).candidate == 2
    assert open_reference(str(study.path), results=tmp_path).seed == 7
    assert open_reference(str(study.path / "candidates/02"), results=tmp_path).candidate == 2
    (tmp_path / "export").mkdir()
    metadata = make_metadata(scores={"test_accuracy": FIGURE}).model_dump_json()
    (tmp_path / "export" / "metadata.json").write_text(metadata)
    (tmp_path / "export" / "model.onnx").write_bytes(b"model")
    for place in ("export", "export/model.onnx"):
        found = open_reference(str(tmp_path / place), results=results)
        assert (found.scored, found.seen) == ("test", None)


def test_the_name_of_a_study_counts_where_a_folder_has_a_metadata_json(
    study: StudyFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "metadata.json").write_text('{"camera": "of somebody\'s images"}')
    monkeypatch.chdir(tmp_path)
    assert open_reference("mine", results=study.path.parent).seed == 7
    (tmp_path / "mine").mkdir()  # the data that the study is named after
    (tmp_path / "metadata.json").rename(tmp_path / "mine" / "metadata.json")
    assert open_reference("mine", results=study.path.parent).seed == 7


def test_scores_of_an_export_are_not_those_of_its_operating_point(tmp_path: Path) -> None:
    point = OperatingPoint(
        target="sensitivity of b >= 0.9",
        metric="sensitivity",
        label="b",
        least=0.9,
        threshold=0.125,
        candidate=2,
        chosen_on="folds",
        chosen={},
        judged_on="test",
        num_judged=9,
        judged={},
        counts={},
    )
    known = export_reference(make_metadata(operating_point=point, class_names=CLASSES))
    data = str(write_folder(tmp_path / "images"))
    found = assess(BrightThird, known, data, name="m", cache_dir=tmp_path / "cache").record
    assert "'b' from a probability of 0.125 on" in found.sentences[-1]
    assert "these scores are of the largest probability" in found.sentences[-1]


def test_what_is_no_model_is_an_error(study: StudyFolder, tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="got none of them"):
        open_reference("nothing", results=study.path.parent)
    (tmp_path / "metadata.json").write_text('{"format": "abacus"}')
    with pytest.raises(ExportError, match=r"metadata\.json: must describe"):
        open_reference(str(tmp_path), results=study.path.parent)
