"""The labels that look wrong on the page: words, pictures, what is absent."""

from pathlib import Path

import pytest

from autocnn.reporting.facts import read_facts
from autocnn.reporting.labels import MOST_SHOWN, view_labels
from autocnn.reporting.page import render_page
from autocnn.reporting.search import Drawings
from tests.reporting.studies import CLASSES, make_issues, make_study


def test_the_page_shows_suspects_with_label_prediction_and_how_sure(tmp_path: Path) -> None:
    folder = make_study(tmp_path)
    facts = read_facts(folder)
    view = view_labels(facts)
    assert [one.path for one in view.suspects] == [f"Training/{n}.jpg" for n in range(1, 5)]
    assert view.note.startswith("4 labels of train and val look wrong")
    first = view.suspects[0]
    assert (first.label, first.predicted) == (CLASSES[1], CLASSES[2])
    assert "1.0" in first.label_probability
    assert "97" in first.predicted_probability
    assert all(one.picture is not None for one in view.suspects)
    html = render_page(facts, Drawings())
    assert 'id="labels"' in html
    assert "its label is meningioma" in html


@pytest.mark.slow
def test_the_images_of_the_page_are_counted_together(tmp_path: Path) -> None:
    folder = make_study(tmp_path)
    facts = read_facts(folder, max_images=0)
    assert facts.label_pictures == {}
    assert all(one.picture is None for one in view_labels(facts).suspects)
    assert "This picture is not in the page." in render_page(facts, Drawings())
    few = read_facts(folder, max_images=len(read_facts(folder).examples) + 2)
    assert len(few.label_pictures) == 2
    assert few.thumbnails == {}


@pytest.mark.slow
def test_a_long_list_is_cut_and_one_without_suspects_says_so(tmp_path: Path) -> None:
    folder = make_study(tmp_path)
    (first, *_), number = make_issues(), MOST_SHOWN + 3
    folder.write_label_issues([first] * number, {})
    view = view_labels(read_facts(folder))
    assert len(view.suspects) == MOST_SHOWN
    assert f"Shown: the {MOST_SHOWN} most doubtful." in view.note
    folder.write_label_issues([first.model_copy(update={"is_suspect": False})], {})
    assert view_labels(read_facts(folder)).note == "No label of train and val looks wrong."


def test_a_list_that_cannot_be_read_does_not_keep_the_page_back(tmp_path: Path) -> None:
    folder = make_study(tmp_path)
    folder.label_issues_path.write_text("path;is_suspect\na.png;WAHR\n")
    facts = read_facts(folder)
    view = view_labels(facts)
    assert (facts.label_issues, view.suspects) == (None, ())
    assert view.note.startswith(f"The labels cannot be shown. {folder.label_issues_path}: must")


def test_a_study_without_folds_says_why_nothing_was_checked(tmp_path: Path) -> None:
    folder = make_study(tmp_path, has_all=False)
    view = view_labels(read_facts(folder))
    assert view.suspects == ()
    assert "folds" in view.note
    assert "The labels were not checked" in render_page(read_facts(folder), Drawings())
