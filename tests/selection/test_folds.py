"""Folds that were written are read back, whatever would be cut now."""

from dataclasses import replace

import numpy as np
import pytest

from autocnn.data import Dataset
from autocnn.selection.folds import fold_columns, folds_of
from autocnn.selection.plan import cut_folds


@pytest.mark.parametrize(("num_folds", "repeats"), [(0, 1), (2, 1), (3, 2), (2, 3)])
def test_folds_come_back_as_they_were(small_dataset: Dataset, num_folds: int, repeats: int) -> None:
    folds = cut_folds(small_dataset, num_folds, repeats=repeats, seed=0)
    columns = fold_columns(small_dataset, folds)
    assert len(columns) == (repeats if num_folds else 0)
    again = folds_of(small_dataset, columns)
    assert [fold.number for fold in again] == [fold.number for fold in folds]
    for one, other in zip(again, folds, strict=True):
        np.testing.assert_array_equal(one.train, other.train)
        np.testing.assert_array_equal(one.held_out, other.held_out)


def test_val_and_test_are_in_no_fold(small_dataset: Dataset) -> None:
    (column,) = fold_columns(small_dataset, cut_folds(small_dataset, 3, repeats=1, seed=0))
    pairs = zip(small_dataset.table.paths, small_dataset.split_names, strict=True)
    assert set(column) == {path for path, split in pairs if split == "train"}
    assert set(column.values()) == {1, 2, 3}


def test_what_are_no_folds_is_told(small_dataset: Dataset) -> None:
    (column,) = fold_columns(small_dataset, cut_folds(small_dataset, 2, repeats=1, seed=0))
    first = next(iter(sorted(column, key=small_dataset.table.paths.index)))
    in_test = small_dataset.table.paths[small_dataset.positions("test")[0]]
    for changed, wrong in (
        (dict.fromkeys(column, 1), "the folds 1"),
        ({path: 2 * fold for path, fold in column.items()}, "the folds 2, 4"),
        ({path: fold for path, fold in column.items() if path != first}, f"no fold for {first}"),
        (column | {in_test: 1}, f"a fold for {in_test}, which is not in train"),
    ):
        with pytest.raises(ValueError) as caught:
            folds_of(small_dataset, [changed])
        assert str(caught.value).startswith(wrong)


def test_a_group_that_was_torn_apart_is_told(small_dataset: Dataset) -> None:
    (column,) = fold_columns(small_dataset, cut_folds(small_dataset, 2, repeats=1, seed=0))
    paths = sorted(column, key=small_dataset.table.paths.index)
    other = next(path for path in paths if column[path] != column[paths[0]])
    places = [small_dataset.table.paths.index(path) for path in (paths[0], other)]
    bundles = small_dataset.bundles.copy()
    bundles[places] = bundles[places[0]]
    with pytest.raises(ValueError, match="copies or a group in several folds") as caught:
        folds_of(replace(small_dataset, bundles=bundles), [column])
    assert f"{paths[0]}, {other}" in str(caught.value)
