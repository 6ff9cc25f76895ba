"""Two studies side by side: which images count, what is said, what differs."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from autocnn.core.errors import StudyError
from autocnn.reporting.comparison import compare_studies, score_rows
from autocnn.reporting.page import render_comparison
from autocnn.storage import StudyFolder
from tests.reporting.studies import make_candidate, make_status
from tests.reporting.test_page import Reader

CLASSES = ("a", "b")
NUM = 200


def make_study(
    results: Path,
    name: str,
    *,
    wrong: Sequence[int] = (),
    classes: Sequence[str] = CLASSES,
    images: Sequence[int] = range(NUM),
    unclean: Sequence[int] = (),
    labels: Mapping[int, str] | None = None,
    group: str = "",
    **asked: object,
) -> StudyFolder:
    """A study whose test has images by number, of which its candidate gets some wrong.

    The same number is the same image, whatever its path; its label is that of `CLASSES`.
    """
    folder = StudyFolder.create(results, name, make_status(name, classes, **asked).to_json())
    rows: list[tuple[str, ...]] = []
    predictions: list[list[str | float]] = []
    for number in images:
        truth = CLASSES[number % 2]
        label = (labels or {}).get(number, truth)
        path, is_wrong = f"{name}/{number}.png", number in wrong
        rows.append((path, label, group, "test", f"sha-{number}"))
        shares = [0.8 if (one == truth) != is_wrong else 0.2 for one in classes]
        predicted = classes[int(np.argmax(shares))]
        is_clean = str(number not in unclean).lower()
        predictions.append([path, label, "test", predicted, *shares, is_clean])
    folder.write_split(rows)
    folder.write_candidate(make_candidate(1))
    header = ["path", "label", "split", "predicted", *(f"p.{one}" for one in classes), "is_clean"]
    folder.write_candidate_table(1, "predictions", header, predictions)
    folder.write_leaderboard("rank\n")
    return folder


def test_a_better_study_is_told_from_a_worse_one(tmp_path: Path) -> None:
    first = make_study(tmp_path, "one", wrong=range(10))
    second = make_study(tmp_path, "two", wrong=range(60))
    found = compare_studies(first, second)
    leading = found.metrics[0]
    assert found.num_common == NUM
    assert leading.is_told_apart
    assert leading.difference.value == pytest.approx(0.25)
    assert found.sentences[0].startswith("one is better than two by more than chance: balanced")
    turned = compare_studies(second, first)
    assert turned.metrics[0].difference.value == pytest.approx(-0.25)
    assert turned.sentences[0].startswith("one is better than two")


def test_sides_of_one_name_are_told_apart(tmp_path: Path) -> None:
    first = make_study(tmp_path, "one", wrong=range(10))
    first.write_candidate(make_candidate(2))
    (first.path / "candidates/02/predictions.csv").write_bytes(
        (make_study(tmp_path, "two", wrong=range(60)).path / "candidates/01/predictions.csv")
        .read_bytes()
        .replace(b"two/", b"one/")
    )
    found = compare_studies(first, first, candidates=(1, 2))
    assert (found.first.name, found.second.name) == ("one candidate 1", "one candidate 2")
    assert found.sentences[0].startswith("one candidate 1 is better than one candidate 2 by more")
    elsewhere = make_study(tmp_path / "old", "one", wrong=range(60))
    found = compare_studies(first, elsewhere)
    assert (found.first.name, found.second.name) == (str(first.path), str(elsewhere.path))


def test_chance_is_called_so(tmp_path: Path) -> None:
    first = make_study(tmp_path, "one", wrong=[1, 2, 3])
    second = make_study(tmp_path, "two", wrong=[2, 3, 4, 5])
    found = compare_studies(first, second)
    assert not any(one.is_told_apart for one in found.metrics)
    assert "cannot be told apart on the 200 clean test images" in found.sentences[0]


def test_only_images_that_are_clean_test_in_both_count_and_the_rest_is_said(tmp_path: Path) -> None:
    first = make_study(tmp_path, "one", images=range(150), unclean=range(10))
    second = make_study(tmp_path, "two", images=range(50, 200), labels={60: "b", 62: "b"})
    found = compare_studies(first, second)
    assert found.num_common == 98
    assert found.num_relabelled == 2
    assert found.num_alone == (40, 50)
    assert "40 clean test images of one and 50 of two are not clean" in " ".join(found.sentences)


def test_the_order_of_the_classes_does_not_matter(tmp_path: Path) -> None:
    first = make_study(tmp_path, "one", wrong=range(20))
    second = make_study(tmp_path, "two", wrong=range(20), classes=("b", "a"))
    found = compare_studies(first, second)
    assert [one.difference.value for one in found.metrics] == pytest.approx([0, 0, 0, 0])


def test_images_that_hang_together_in_one_study_are_one(tmp_path: Path) -> None:
    wrong = range(0, 30)
    alone = compare_studies(make_study(tmp_path, "one"), make_study(tmp_path, "two", wrong=wrong))
    together = compare_studies(
        make_study(tmp_path, "three", group="patient"), make_study(tmp_path, "four", wrong=wrong)
    )
    assert alone.metrics[0].is_told_apart
    assert not together.metrics[0].is_told_apart, "a single patient is no evidence"


def test_what_cannot_be_compared_says_why(tmp_path: Path) -> None:
    one = make_study(tmp_path, "one")
    with pytest.raises(StudyError, match="must have the same classes to be compared, got b, c in"):
        compare_studies(one, make_study(tmp_path, "others", classes=("a", "c")))
    with pytest.raises(StudyError, match="must share images of clean test, got none") as caught:
        compare_studies(one, make_study(tmp_path, "elsewhere", images=range(300, 320)))
    assert "autocnn evaluate" in str(caught.value.remedy)
    with pytest.raises(StudyError, match="must have the candidate 7, got 1"):
        compare_studies(one, one, candidates=(None, 7))
    leaked = make_study(tmp_path, "leaked")
    none_clean = {"test_clean": None, "num_test_clean": 0}
    leaked.write_candidate(make_candidate(1).model_copy(update=none_clean))
    with pytest.raises(StudyError, match="leaked: must share images of clean test, got none: ev"):
        compare_studies(one, leaked)
    unfinished = make_study(tmp_path, "unfinished")
    unfinished.leaderboard_path.unlink()
    with pytest.raises(StudyError, match="has no leaderboard yet"):
        compare_studies(one, unfinished)
    (tmp_path / "elsewhere/candidates/01/predictions.csv").unlink()
    with pytest.raises(StudyError, match=r"must have split\.csv and predictions\.csv of"):
        compare_studies(one, StudyFolder(tmp_path / "elsewhere"))


def test_params_and_settings_that_differ_are_listed(tmp_path: Path) -> None:
    first = make_study(tmp_path, "one", seed=1)
    second = make_study(tmp_path, "two", seed=2)
    params = {**make_candidate(1).params, "width": 99}
    second.write_candidate(make_candidate(1).model_copy(update={"params": params}))
    found = compare_studies(first, second)
    assert found.params == (("width", make_candidate(1).params["width"], 99),)
    assert found.settings == (("seed", 1, 2),), "where a study lies is no difference"
    assert [row[0] for row in score_rows(found)] == ["one", "two"]


def test_times_and_sizes_that_differ_have_their_unit(tmp_path: Path) -> None:
    first = make_study(tmp_path, "one", budget_s=180.0, memory_limit_gb=2.0)
    second = make_study(tmp_path, "two", budget_s=7500.0)
    found = compare_studies(first, second).settings
    written = [(name, one, two) for name, one, two in found if name != "seed"]
    assert written == [
        ("budget", "3\N{NO-BREAK SPACE}min", "2\N{NO-BREAK SPACE}h 5\N{NO-BREAK SPACE}min"),
        ("memory_limit", "2.0\N{NO-BREAK SPACE}GB", None),
    ]


def test_the_page_is_one_file_and_names_are_text(tmp_path: Path) -> None:
    first = make_study(tmp_path, "one", data="<b>images")
    found = compare_studies(first, make_study(tmp_path, "two", data="images"))
    page = Reader(render_comparison(found, {}))
    assert page.open == []
    assert set(page.values("a", "href")) == {"#main", "#result", "#pictures", "#differences"}
    for words in (
        "one and two",
        "corrected for 4 comparisons. Shares of images are in percentage points.",
        "Settings that differ",
        "<b>images",
    ):
        assert words in page.text, words


def test_an_objective_of_any_kind_leads(tmp_path: Path) -> None:
    first = make_study(tmp_path, "one", objective="macro_f1")
    found = compare_studies(first, make_study(tmp_path, "two", wrong=range(60)))
    assert [one.metric for one in found.metrics][:2] == ["macro_f1", "balanced_accuracy"]
    assert found.metrics[0].is_told_apart


def test_a_rate_at_a_rate_is_measured_on_the_images_of_both(tmp_path: Path) -> None:
    objective = "sensitivity of a at specificity >= 0.9"
    first = make_study(tmp_path, "one", objective=objective)
    second = make_study(tmp_path, "two", wrong=range(60), objective="-costs.py:cost")
    found = compare_studies(first, second)
    assert [one.metric for one in found.metrics][:2] == [objective, "accuracy"]
    assert "-costs.py:cost" not in {one.metric for one in found.metrics}, "code is not run"
    leading = found.metrics[0]
    assert leading.is_told_apart
    assert leading.difference.value == 1.0, "60 mistakes leave no threshold that specific"
    assert found.sentences[0].startswith(f"one is better than two by more than chance: {objective}")
    assert found.second.score(objective) is None, "it was not measured there"
    assert [one.score("accuracy") for one in (found.first, found.second)] != [None, None]
