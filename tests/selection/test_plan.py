"""Folds of train: stratified, copies and groups whole, cut anew for each repeat."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from autocnn.core.config import StudyConfig
from autocnn.core.events import Observer
from autocnn.data import Dataset, prepare_data
from autocnn.selection.plan import cut_folds

NUM_IMAGES = 120


def write_data(path: Path, labels: np.ndarray, groups: np.ndarray) -> None:
    """Images of noise in a CSV: no two are alike, and every third has a group."""
    from PIL import Image

    rng = np.random.default_rng(0)
    lines = ["path,label,group"]
    for index, (label, group) in enumerate(zip(labels, groups, strict=True)):
        Image.fromarray(rng.integers(0, 256, (16, 16), dtype=np.uint8)).save(path / f"{index}.png")
        lines.append(f"{index}.png,class {label},{group}")
    (path / "list.csv").write_text("\n".join(lines))


def read(path: Path, labels: np.ndarray, groups: np.ndarray) -> Dataset:
    write_data(path, labels, groups)
    config = StudyConfig(data=str(path / "list.csv"), cache_dir=path / "cache")
    return prepare_data(config, image_sizes=[], observer=Observer())


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    labels = np.arange(NUM_IMAGES) % 2
    # Two images of one class share a patient.
    return read(tmp_path_factory.mktemp("data"), labels, np.arange(NUM_IMAGES) // 4 * 2 + labels)


def test_rows_of_the_arrays_lead_back_to_the_table(dataset: Dataset) -> None:
    assert dataset.position_of[dataset.rows].tolist() == list(range(NUM_IMAGES))
    without = replace(dataset, rows=dataset.rows[1:])
    assert without.position_of[dataset.rows[0]] == -1
    assert without.position_of[dataset.rows[1:]].tolist() == list(range(NUM_IMAGES - 1))


@pytest.mark.parametrize(("num_folds", "repeats"), [(2, 1), (3, 2), (5, 1)])
def test_each_repeat_holds_every_image_of_train_out_once(
    dataset: Dataset, num_folds: int, repeats: int
) -> None:
    folds = cut_folds(dataset, num_folds, repeats=repeats, seed=0)
    assert [fold.number for fold in folds] == list(range(1, num_folds * repeats + 1))
    for repeat in range(repeats):
        part = folds[repeat * num_folds : (repeat + 1) * num_folds]
        held_out = np.concatenate([fold.held_out for fold in part])
        train, val = (set(dataset.indices(split).tolist()) for split in ("train", "val"))
        assert sorted(held_out.tolist()) == sorted(train)
        for fold in part:  # val chose the finalists, so it is no evidence for them
            seen, unseen = set(fold.train.tolist()), set(fold.held_out.tolist())
            assert not seen & unseen
            assert seen | unseen == train | val
            assert val <= seen


def test_groups_are_whole_and_classes_even(dataset: Dataset) -> None:
    bundle_of = dict(zip(dataset.rows.tolist(), dataset.bundles.tolist(), strict=True))
    for fold in cut_folds(dataset, 3, repeats=1, seed=0):
        sides = [{bundle_of[row] for row in rows.tolist()} for rows in (fold.train, fold.held_out)]
        assert not sides[0] & sides[1]
        shares = np.bincount(dataset.labels[fold.held_out]) / len(fold.held_out)
        assert shares == pytest.approx([0.5, 0.5], abs=0.1)


def test_a_copy_in_val_of_what_is_held_out_is_not_learned_from(dataset: Dataset) -> None:
    """In a split of the user's own, copies may stand in train and in val."""
    bundles = dataset.bundles.copy()
    val, train = dataset.positions("val")[0], dataset.positions("train")[0]
    bundles[val] = bundles[train]
    for fold in cut_folds(replace(dataset, bundles=bundles), 3, repeats=1, seed=0):
        is_held_out = dataset.rows[train] in fold.held_out
        assert (dataset.rows[val] in fold.train) == (not is_held_out)


def test_repeats_are_cut_differently_and_seeds_alike(dataset: Dataset) -> None:
    folds = cut_folds(dataset, 3, repeats=2, seed=0)
    again = cut_folds(dataset, 3, repeats=2, seed=0)
    assert folds[0].held_out.tolist() != folds[3].held_out.tolist()
    assert [f.held_out.tolist() for f in folds] == [f.held_out.tolist() for f in again]


def test_without_folds_there_are_none(dataset: Dataset) -> None:
    assert cut_folds(dataset, 0, repeats=3, seed=0) == ()


def test_a_class_of_few_patients_has_fewer_folds(tmp_path: Path) -> None:
    labels = np.array([0] * 80 + [1] * 40)
    groups = np.where(labels == 0, np.arange(120), 1000 + np.arange(120) // 10)
    dataset = read(tmp_path, labels, groups)  # class 1: four patients, one each in val and test
    folds = cut_folds(dataset, 5, repeats=1, seed=0)
    assert 2 <= len(folds) <= 3
    for fold in folds:
        assert set(dataset.labels[fold.held_out].tolist()) == {0, 1}
