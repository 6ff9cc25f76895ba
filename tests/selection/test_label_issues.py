"""Suspect labels of a study: planted ones lead, test is never named, what is absent is said."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest

from autocnn.core.events import Observer
from autocnn.core.records import SplitName, SplitScores
from autocnn.data import Dataset
from autocnn.metrics.scores import score_split
from autocnn.selection.label_issues import write_label_issues
from autocnn.selection.plan import Finalist, FinalistsPlan
from tests.selection.studies import Selection, make_finalists


class Notes(Observer):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def note(self, text: str) -> None:
        self.said.append(text)


def with_wrong_labels(dataset: Dataset, wrong: Mapping[SplitName, Sequence[int]]) -> Dataset:
    """The images with other labels for some of `split -> positions in it`."""
    labels, rows = dataset.table.labels.copy(), dataset.labels.copy()
    for split, places in wrong.items():
        positions = dataset.positions(split)[list(places)]
        labels[positions] = rows[dataset.rows[positions]] = 1 - labels[positions]
    return replace(dataset, labels=rows, table=replace(dataset.table, labels=labels))


def predicting(plan: FinalistsPlan, truth: Dataset, number: int, *, skill: float) -> Finalist:
    """A finalist whose models give the true class of each image so much."""
    (finalist,) = make_finalists(number)

    def predict(rows: np.ndarray) -> np.ndarray:
        sure = np.random.default_rng(number).uniform(skill - 0.02, skill + 0.02, (len(rows), 1))
        return np.where(np.eye(2, dtype=bool)[truth.labels[rows]], sure, 1 - sure)

    folds = np.concatenate([fold.held_out for fold in plan.folds]) if plan.folds else np.zeros(0)
    return replace(
        finalist,
        predictions={
            "train": predict(truth.indices("train")),
            "val": predict(truth.indices("val")),
            "folds": predict(folds.astype(np.int64)),
        },
    )


def folds_score(plan: FinalistsPlan, finalist: Finalist) -> SplitScores:
    held = plan.held()
    return score_split("folds", held.labels, finalist.predictions["folds"], ["0", "1"])


@pytest.mark.parametrize(("repeats", "most_exact"), [(1, 100), (2, 100), (2, 10)])
def test_wrong_labels_of_train_and_val_lead_the_list(
    selection: Selection, repeats: int, most_exact: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("autocnn.metrics.calibration.MOST_EXACT", most_exact)
    truth = selection.dataset
    wrong: Mapping[SplitName, Sequence[int]] = {"train": (5, 8, 11), "val": (3,), "test": (7,)}
    dataset = with_wrong_labels(truth, wrong)
    plan = selection.plan(make_finalists(0, 1), dataset=dataset)
    plan = replace(plan, folds=plan.folds * repeats)
    finalists = [predicting(plan, truth, number, skill=0.9) for number in (0, 1)]
    observer = Notes()
    scored = folds_score(plan, finalists[0])
    write_label_issues(plan, finalists, scored, selection.folder, observer)
    issues = selection.folder.read_label_issues()
    assert issues is not None
    planted = np.concatenate([truth.positions("train")[[5, 8, 11]], truth.positions("val")[[3]]])
    assert {one.path for one in issues} == {truth.table.paths[i] for i in planted}
    num_suspect = sum(one.is_suspect for one in issues)
    assert 1 <= num_suspect <= 4
    assert issues[0].is_suspect
    assert {one.split for one in issues} == {"train", "val"}
    assert all(one.label != one.predicted for one in issues)
    assert all(one.label_probability < 0.2 for one in issues)
    assert all(selection.folder.read_label_picture(i.picture) for i in issues if i.is_suspect)
    assert re.match(
        rf"{num_suspect} labels? of 48 in train and val looks? wrong: ", observer.said[0]
    )
    assert str(selection.folder.path / "label_issues.csv") in observer.said[0]


@pytest.mark.parametrize(("num_wrong", "is_many"), [(3, False), (9, True)])
def test_where_many_are_doubted_the_models_are_doubted_too(
    selection: Selection, num_wrong: int, is_many: bool
) -> None:
    truth = selection.dataset
    dataset = with_wrong_labels(truth, {"train": range(5, 5 + 3 * num_wrong, 3)})
    plan = selection.plan(make_finalists(0), dataset=dataset)
    finalist = predicting(plan, truth, 0, skill=0.9)
    observer = Notes()
    write_label_issues(plan, [finalist], folds_score(plan, finalist), selection.folder, observer)
    (said,) = observer.said
    assert ("That is many: most are likely mistakes of the models, so" in said) == is_many


def test_labels_that_fit_leave_an_empty_list(selection: Selection) -> None:
    plan = selection.plan(make_finalists(0))
    finalist = predicting(plan, selection.dataset, 0, skill=0.9)
    observer = Notes()
    write_label_issues(plan, [finalist], folds_score(plan, finalist), selection.folder, observer)
    assert selection.folder.read_label_issues() == []
    assert observer.said == ["None of 48 labels of train and val looks wrong."]


def test_without_folds_or_without_learning_there_is_no_list(selection: Selection) -> None:
    plan = selection.plan(make_finalists(0))
    finalist = predicting(plan, selection.dataset, 0, skill=0.5)
    observer = Notes()
    for scored in (None, folds_score(plan, finalist)):
        selection.folder.write_label_issues([], {})
        write_label_issues(plan, [finalist], scored, selection.folder, observer)
        assert selection.folder.read_label_issues() is None
    assert observer.said == [
        "The labels were not checked: the study has no folds.",
        "The labels were not checked: nothing was learned from them.",
    ]
