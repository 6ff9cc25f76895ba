"""label_issues.csv and dropped.csv come back as they were written, or say what is wrong."""

import pytest

from autocnn.core.errors import StudyError
from autocnn.storage import StudyFolder
from tests.reporting.studies import make_issues


def test_issues_come_back_and_older_pictures_go(folder: StudyFolder) -> None:
    assert folder.read_label_issues() is None
    folder.write_label_issues(make_issues(), {"09.jpg": b"old"})
    issues = [one.model_copy(update={"path": '=a, "b".png'}) for one in make_issues()]
    folder.write_label_issues(issues, {"01.jpg": b"new"})
    assert folder.read_label_issues() == issues
    assert folder.read_label_picture("01.jpg") == b"new"
    assert folder.read_label_picture("09.jpg") is None
    assert folder.read_label_picture("../label_issues.csv") is None
    header = folder.label_issues_path.read_text().splitlines()[0]
    assert header.startswith("path,label,predicted,label_probability,predicted_probability,")
    folder.remove_label_issues()
    folder.remove_label_issues()
    assert folder.read_label_issues() is None
    assert folder.read_label_picture("01.jpg") is None


def test_what_a_person_fills_in_does_not_disturb(folder: StudyFolder) -> None:
    folder.write_label_issues(make_issues()[:1], {})
    lines = folder.label_issues_path.read_text().splitlines()
    folder.label_issues_path.write_text("\n".join([lines[0], lines[1] + "yes"]) + "\n")
    assert folder.read_label_issues() == make_issues()[:1]


def mark(folder: StudyFolder, *places: int) -> None:
    """As a person who wants these rows dropped."""
    lines = folder.label_issues_path.read_text().splitlines()
    marked = [line + "yes" if place in places else line for place, line in enumerate(lines, -1)]
    folder.label_issues_path.write_text("\n".join(marked) + "\n")


def test_what_a_person_filled_in_stays_when_the_list_is_made_anew(folder: StudyFolder) -> None:
    first, second, *_ = make_issues()
    folder.write_label_issues((first, second), {})
    mark(folder, 0, 1)
    folder.write_label_issues((second,), {"01.jpg": b"new"})
    lines = folder.label_issues_path.read_text().splitlines()
    assert [line.split(",")[0] for line in lines[1:]] == [second.path, first.path]
    assert all(line.endswith(",yes") for line in lines[1:])
    folder.remove_label_issues()
    left = folder.read_label_issues()
    assert left is not None
    assert {one.path for one in left} == {first.path, second.path}
    assert folder.read_label_picture("01.jpg") is None


@pytest.mark.parametrize("text", ["path;label;drop\na.png;cat;yes\n", "junk", "path,drop\na\n"])
def test_what_cannot_be_kept_of_it_is_put_aside(folder: StudyFolder, text: str) -> None:
    folder.label_issues_path.write_text(text)
    aside = folder.write_label_issues(make_issues(), {})
    assert folder.read_label_issues() == make_issues()
    assert aside == folder.path / "label_issues.csv.broken"
    assert aside.read_text() == text


@pytest.mark.parametrize("true", ["true", "WAHR"])
def test_marks_outlive_a_spreadsheet_with_semicolons(folder: StudyFolder, true: str) -> None:
    first, second, third, *_ = make_issues()
    folder.write_label_issues((first, second, third), {})
    mark(folder, 0, 1)
    text = folder.label_issues_path.read_text().replace(",", ";").replace(".", ",")
    text = text.replace(",jpg", ".jpg").replace("true", true)
    folder.label_issues_path.write_text(text, encoding="utf-8-sig")
    if true == "true":
        assert folder.read_label_issues() == [first, second, third]
    else:
        with pytest.raises(StudyError, match="must have the columns"):
            folder.read_label_issues()
    assert folder.write_label_issues((second, third), {}) is None
    cells = [line.split(",") for line in folder.label_issues_path.read_text().splitlines()[1:]]
    assert [(row[0], row[-1]) for row in cells] == [
        (second.path, "yes"),
        (third.path, ""),
        (first.path, "yes"),
    ]
    assert folder.read_label_issues() is not None


@pytest.mark.parametrize("text", ["path,label\na,b\n", "path\na,b\n", "path,drop\na\n"])
def test_another_table_is_told(folder: StudyFolder, text: str) -> None:
    folder.label_issues_path.write_text(text)
    with pytest.raises(StudyError, match=r"label_issues\.csv: must have the columns path, label"):
        folder.read_label_issues()


def test_dropped_images_come_back(folder: StudyFolder) -> None:
    assert folder.read_dropped() == ()
    folder.write_dropped([("=a.png", "cat", "train"), ("b, c.png", "dog", "val")])
    assert folder.read_dropped() == ("=a.png", "b, c.png")
