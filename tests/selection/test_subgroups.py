"""Subgroups of a study: of clean test, of the chosen candidate; in record, CSV, words, page."""

from dataclasses import replace

import pytest

from autocnn.core.errors import DataError
from autocnn.core.records import Interval
from autocnn.core.wording import decimal
from autocnn.reporting.subgroups import COLUMNS, describe_worst, view_subgroups
from autocnn.selection.score import score_candidates
from autocnn.selection.subgroups import add_subgroups
from tests.samples import read_rows
from tests.selection.studies import Selection, make_finalists
from tests.selection.test_label_issues import Notes
from tests.selection.test_score import judged_of


def with_column(selection: Selection, name: str, cells: tuple[str, ...]) -> Selection:
    table = replace(selection.dataset.table, others={name: cells})
    return replace(selection, dataset=replace(selection.dataset, table=table))


def exactly(value: float) -> Interval:
    return Interval(value=value, low=value, high=value)


def test_the_chosen_candidate_is_scored_by_value_on_clean_test(selection: Selection) -> None:
    cells = tuple("fm"[number // 2 % 2] for number in range(60))
    selection = with_column(selection, "sex", cells)
    plan = selection.plan(make_finalists(7, 0))
    judged = judged_of(selection, plan)
    candidates = score_candidates(plan, judged, selection.folder, selection.observer)
    observer = Notes()
    assert add_subgroups(plan, candidates, (), selection.folder, observer) == candidates
    assert not (selection.folder.path / "subgroups.csv").exists()
    found = add_subgroups(plan, candidates, ("sex",), selection.folder, observer)
    assert [one.record.subgroups for one in found[1:]] == [()] * (len(found) - 1)
    subgroups = found[0].record.subgroups
    positions = selection.dataset.positions("test")[plan.judged].tolist()
    assert {one.value: one.num_images for one in subgroups} == {
        value: sum(cells[position] == value for position in positions) for value in "fm"
    }
    assert sum(one.num_images for one in subgroups) == found[0].record.judged.num_images == 10
    right = sum(one.num_images * one.scores["accuracy"].value for one in subgroups)
    assert right == pytest.approx(10 * (found[0].record.judged.scores.accuracy or 0))
    rows = read_rows(selection.folder.path / "subgroups.csv")
    assert tuple(rows[0]) == COLUMNS
    assert [row["value"] for row in rows] == [one.value for one in subgroups]
    assert {row["verdict"] for row in rows} == {"too few images"}
    assert observer.said == ["By sex: no value has 10 images and others to compare with."]
    selection.folder.clear_candidates()
    assert not (selection.folder.path / "subgroups.csv").exists()


def test_the_page_shows_them_and_names_the_worst(selection: Selection) -> None:
    selection = with_column(selection, "sex", tuple("fm"[number % 3 % 2] for number in range(60)))
    plan = selection.plan(make_finalists(0))
    judged = judged_of(selection, plan)
    candidates = score_candidates(plan, judged, selection.folder, selection.observer)
    assert view_subgroups(candidates[0].record) is None
    (first, *_) = add_subgroups(plan, candidates, ("sex",), selection.folder, Notes())
    section = view_subgroups(first.record)
    assert section is not None
    assert section.table is not None
    assert [row[1].text for row in section.table.rows] == [o.value for o in first.record.subgroups]
    areas = [one.scores.get("macro_auc") for one in first.record.subgroups]
    shown = [row[5].text for row in section.table.rows]
    assert shown == [decimal(one.value if one else None) for one in areas], "no percentage"
    large = []
    for one, difference, verdict in zip(
        first.record.subgroups, (-0.1, 0.1), ("worse", "better"), strict=True
    ):
        changes = {
            "p_value": 0.01,
            "verdict": verdict,
            "difference": exactly(difference),
            "others": exactly(one.scores["accuracy"].value - difference),
        }
        large.append(one.model_copy(update=changes))
    (sentence,) = describe_worst(large)
    assert "On the classes that the others have too" not in sentence
    assert f"the worst is {large[0].value}: accuracy" in sentence
    assert "It is worse than the others" in sentence
    assert "corrected for 2 values" in sentence


def test_a_column_that_is_not_there_is_an_error(selection: Selection) -> None:
    plan = selection.plan(make_finalists(0))
    with pytest.raises(DataError, match="got 'sex'"):
        add_subgroups(plan, [None], ("sex",), selection.folder, Notes())  # type: ignore[list-item]
