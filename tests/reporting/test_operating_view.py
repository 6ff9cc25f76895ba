"""The section with the slider: its points against counting, its bounds, what is left out."""

from pathlib import Path

import numpy as np
import pytest

from autocnn.core.csv_tables import Cell
from autocnn.metrics.operating_point import Counts
from autocnn.reporting import operating_view
from autocnn.reporting.operating_points import find_operating_point
from autocnn.reporting.operating_view import PointFacts, read_points, view_points
from autocnn.reporting.page import build_report
from autocnn.storage import StudyFolder
from tests.predicted import CLASSES, make_predicted_study, predicted_arrays


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> StudyFolder:
    return make_predicted_study(tmp_path_factory.mktemp("results"), num_images=1000)


@pytest.fixture(scope="module")
def facts(study: StudyFolder) -> PointFacts:
    found = read_points(study, study.read_candidates()[0], CLASSES)
    assert found is not None
    return found


def test_every_point_is_what_counting_gives(study: StudyFolder, facts: PointFacts) -> None:
    assert [one.label for one in facts.classes] == list(CLASSES)
    assert (facts.source, facts.judged_on, facts.num_judged) == ("folds", "test_clean", 500)
    for place, one in enumerate(facts.classes):
        assert len(one.thresholds) <= operating_view.MOST_POINTS
        assert list(one.thresholds) == sorted(set(one.thresholds))
        for name, side in (("folds", one.unseen), ("clean", one.judged)):
            labels, shares = predicted_arrays(study, 1, name)
            for at in (0, 7, len(one.thresholds) - 1):
                counts = Counts.at(
                    one.thresholds[at], labels == place, shares[:, place], np.arange(len(labels))
                )
                assert side.at(at).numbers() == counts.numbers()


def test_the_table_has_the_thresholds_of_the_command(study: StudyFolder, facts: PointFacts) -> None:
    record = study.read_candidates()[0]
    for one in facts.classes:
        for target in operating_view.TARGETS:
            point = find_operating_point(study, record, f"sensitivity of {one.label} >= {target}")
            place = one.reaching(target)
            assert one.thresholds[place] == point.threshold
            assert one.judged.at(place).values() == point.judged
    view = view_points(facts)
    assert len(view.table.rows) == 9
    assert view.facts.classes[view.first].unseen.own == min(c.unseen.own for c in facts.classes)


def test_the_text_for_the_script_holds_every_point(facts: PointFacts) -> None:
    one = facts.classes[1]
    rows = [[float(cell) for cell in row.split()] for row in one.text.split(",")]
    assert [row[0] for row in rows] == pytest.approx(one.thresholds, abs=1e-6)
    assert [row[1:] for row in rows] == [
        list(row)
        for row in zip(
            one.unseen.found,
            one.unseen.mistaken,
            one.judged.found,
            one.judged.mistaken,
            strict=True,
        )
    ]


def test_of_many_classes_those_are_shown_of_which_most_is_missed(tmp_path: Path) -> None:
    classes = [f"class {number}" for number in range(30)]
    study = make_predicted_study(tmp_path, classes=classes, num_images=3000, num_candidates=1)
    facts = read_points(study, study.read_candidates()[0], classes)
    assert facts is not None
    labels, shares = predicted_arrays(study, 1, "folds")
    missed = [
        float((shares[labels == place].argmax(axis=1) != place).mean()) for place in range(30)
    ]
    shown = [classes.index(one.label) for one in facts.classes]
    assert shown == sorted(shown)
    assert len(shown) == operating_view.MOST_CLASSES
    hidden = set(range(30)) - set(shown)
    assert min(missed[place] for place in shown) >= max(missed[place] for place in hidden)
    assert facts.num_left_out == 10
    assert sum(len(one.text) for one in facts.classes) < 120_000
    view = view_points(facts)
    assert len(view.table.rows) == operating_view.MOST_CLASSES
    assert "10 classes left out" in " ".join(view.sentences)


def test_a_class_without_images_on_one_side_is_left_out(tmp_path: Path) -> None:
    study = make_predicted_study(tmp_path, num_candidates=1)
    header = ["path", "label", "split", *(f"p.{name}" for name in CLASSES), "is_clean"]
    rows: list[list[Cell]] = [
        [f"t{i}.png", CLASSES[i % 2], "test", 0.2, 0.7, 0.1, True] for i in range(10)
    ]
    study.write_candidate_table(1, "predictions", header, rows)
    facts = read_points(study, study.read_candidates()[0], CLASSES)
    assert facts is not None
    assert [one.label for one in facts.classes] == list(CLASSES[:2])
    assert (facts.absent, facts.num_left_out) == (("other",), 0)
    said = " ".join(view_points(facts).sentences)
    assert "Of other there are no images, or no others" in said
    assert "left out" not in said, "no command has its threshold"


def test_thresholds_are_told_as_they_are_and_once(tmp_path: Path) -> None:
    study = make_predicted_study(tmp_path, num_candidates=1)
    header = ["path", "label", "split", *(f"p.{name}" for name in CLASSES), "is_clean"]
    sure = [0.999962, 0.000031, 0.000007]
    for name, split in (("out_of_fold", "train"), ("predictions", "test")):
        rows: list[list[Cell]] = [
            [f"{i}.png", CLASSES[i % 3], split, *sure[-(i % 3) :], *sure[: -(i % 3)], True]
            for i in range(6)
        ]
        study.write_candidate_table(1, name, header, rows)
    facts = read_points(study, study.read_candidates()[0], CLASSES)
    assert facts is not None
    rows_shown = view_points(facts).table.rows
    assert [row[0].text for row in rows_shown] == list(CLASSES), "targets that agree are one row"
    assert {row[2].text for row in rows_shown} == {"0.999962"}, "0.9999 would be another threshold"


def test_predictions_that_are_gone_torn_or_very_many_leave_the_section_out(
    study: StudyFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = study.read_candidates()[0]
    assert 'id="operating-point"' in build_report(study)
    monkeypatch.setattr(operating_view, "MOST_VALUES", 100)
    assert read_points(study, record, CLASSES) is None
    html = build_report(study)
    assert "operating-point-title" not in html
    assert "#operating-point" not in html
    monkeypatch.undo()
    torn = make_predicted_study(tmp_path)
    torn.write_candidate_table(1, "out_of_fold", ("path", "label"), [("a", "other")])
    assert read_points(torn, record, CLASSES) is None
    for name in ("out_of_fold", "predictions"):
        (torn.path / f"candidates/01/{name}.csv").unlink()
    assert read_points(torn, record, CLASSES) is None
