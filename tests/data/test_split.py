from collections import Counter
from typing import Any

import numpy as np
import pytest

from autocnn.core.errors import DataError
from autocnn.data.audit.copies import Copies, bundle_images
from autocnn.data.split import make_folds, make_split
from tests.data.byte_copies import find_byte_copies


def split_of(
    table: Any,
    *,
    val: float = 0.15,
    test: float = 0.15,
    seed: int = 0,
    copies: tuple[Copies, ...] | None = None,
) -> Any:
    copies = find_byte_copies(table) if copies is None else copies
    bundles = bundle_images(table, copies)
    return make_split(
        table, bundles, copies=copies, val_fraction=val, test_fraction=test, seed=seed
    )


@pytest.mark.parametrize("fraction", [0.1, 0.15, 0.2, 0.33])
@pytest.mark.parametrize("num_images", [100, 997])
def test_fractions_are_met_and_stratified(
    fraction: float, num_images: int, make_table: Any
) -> None:
    labels = np.random.default_rng(1).choice(3, num_images, p=[0.6, 0.3, 0.1]).tolist()
    split = split_of(make_table(labels), val=fraction, test=fraction)
    counts = Counter(split.names)
    assert counts["val"] == counts["test"] == round(fraction * num_images)
    for c in range(3):
        members = [name for name, label in zip(split.names, labels, strict=True) if label == c]
        for name in ("val", "test"):
            assert abs(members.count(name) - fraction * len(members)) <= 1
    assert split.made == ("test", "val")


def test_the_seed_decides(make_table: Any) -> None:
    table = make_table([0, 1] * 50)
    assert split_of(table).names == split_of(table).names
    assert split_of(table).names != split_of(table, seed=1).names


def test_a_made_test_keeps_away_from_the_groups_of_a_given_val(make_table: Any) -> None:
    n = 120
    groups = [f"p{i // 6}" if i < 60 else f"q{i}" for i in range(n)]
    splits = ["val" if i % 5 == 0 else None for i in range(n)]
    split = split_of(make_table([i % 2 for i in range(n)], splits=splits, groups=groups))
    sides: dict[str, set[str]] = {}
    for group, name in zip(groups, split.names, strict=True):
        sides.setdefault(group, set()).add(name)
    assert not [found for found in sides.values() if {"val", "test"} <= found]
    assert split.names.count("test") == 14
    (sentence,) = [one for one in split.sentences if "named groups kept whole" in one]
    whole = len({group for group, given in zip(groups, splits, strict=True) if not given})
    torn = {group for group, given in zip(groups, splits, strict=True) if given}
    assert f"{len(set(groups) - torn)} named groups kept whole" in sentence
    assert whole > len(set(groups) - torn)


def test_a_class_whose_groups_all_reach_into_val_is_in_test_all_the_same(make_table: Any) -> None:
    n = 60
    groups = [f"p{i // 6}" for i in range(n)]
    splits = ["val" if i % 6 == 0 else None for i in range(n)]
    split = split_of(make_table([i // 6 % 2 for i in range(n)], splits=splits, groups=groups))
    assert "test" in split.names


def test_copies_and_groups_stay_on_one_side(make_table: Any) -> None:
    rng = np.random.default_rng(2)
    n = 400
    labels = (np.arange(n) % 4).tolist()
    sha256 = [f"s{rng.integers(250)}" for _ in range(n)]
    groups = [f"g{rng.integers(80)}" if rng.random() < 0.3 else None for _ in range(n)]
    for seed in range(5):
        split = split_of(make_table(labels, sha256=sha256, groups=groups), seed=seed)
        for ties in (sha256, groups):
            sides: dict[Any, set[str]] = {}
            for tie, name in zip(ties, split.names, strict=True):
                if tie is not None:
                    sides.setdefault(tie, set()).add(name)
            assert all(len(side) == 1 for side in sides.values())
        for c in range(4):
            found = {name for name, label in zip(split.names, labels, strict=True) if label == c}
            assert found == {"train", "val", "test"}


def test_copies_do_not_crowd_into_one_split(make_table: Any) -> None:
    sha256 = [f"s{i // 2 if i < 200 else i}" for i in range(1000)]
    split = split_of(make_table([i % 2 for i in range(1000)], sha256=sha256))
    in_val = sum(name == "val" for name in split.names[:200])
    assert Counter(split.names)["val"] == 150
    assert 10 <= in_val <= 55


def test_large_groups_come_as_near_as_they_can(make_table: Any) -> None:
    groups = [f"patient {i // 10}" for i in range(200)]
    split = split_of(make_table([i // 100 for i in range(200)], groups=groups))
    counts = Counter(split.names)
    assert counts["val"] in (20, 40)
    assert counts["test"] in (20, 40)
    assert "20 named groups kept whole" in split.sentences[1]


def test_given_splits_stay(make_table: Any) -> None:
    given = ["train"] * 60 + ["test"] * 20 + ["val"] * 20
    labels = [i % 2 for i in range(100)]
    split = split_of(make_table(labels, splits=list(given)))
    assert list(split.names) == given
    assert split.made == ()
    assert split.sentences == (
        "train: 60 images, as given.",
        "val: 20 images, as given.",
        "test: 20 images, as given.",
    )


def test_only_what_is_missing_is_made_from_the_training_images(make_table: Any) -> None:
    given = ["train"] * 80 + ["test"] * 20
    sha256 = [f"s{max(i, 3)}" for i in range(100)]
    split = split_of(make_table([i % 2 for i in range(100)], splits=list(given), sha256=sha256))
    assert set(split.names[80:]) == {"test"}
    assert len(set(split.names[:4])) == 1
    assert Counter(split.names)["val"] == 12
    assert split.made == ("val",)
    assert split.sentences == (
        "train: 68 images, the rest.",
        "val: 12 of 80 training images, stratified, copies kept on one side "
        "(3 byte-identical surplus copies in 1 group).",
        "test: 20 images, as given.",
    )


def test_near_copies_stay_on_one_side(make_table: Any) -> None:
    sha256 = ["x", "x", *(f"s{i}" for i in range(2, 100))]
    copies = tuple(Copies("near", (i, 99 - i), ("as is", "mirrored")) for i in range(2, 42))
    copies += (Copies("bytes", (0, 1), ("as is", "as is")),)
    for seed in range(5):
        table = make_table([0] * 50 + [1] * 50, sha256=sha256)
        split = split_of(table, copies=copies, seed=seed)
        assert all(len({split.names[i] for i in group.members}) == 1 for group in copies)
        assert Counter(split.names) == {"train": 70, "val": 15, "test": 15}
    assert split.sentences[2] == (
        "test: 15 of 100 images, stratified, copies kept on one side "
        "(1 byte-identical and 40 near surplus copies in 41 groups)."
    )
    nearly = split_of(make_table([0, 1] * 6), copies=copies[-1:])
    assert "(1 near surplus copy in 1 group)" in nearly.sentences[1]


def test_a_file_saved_again_is_no_near_copy(make_table: Any) -> None:
    sha256 = ["x", "x", *(f"s{i}" for i in range(2, 100))]
    copies = (
        Copies("pixels", (0, 1, 2, 3), ("as is",) * 4),
        Copies("near", (8, 9), ("as is",) * 2),
    )
    split = split_of(make_table([0] * 50 + [1] * 50, sha256=sha256), copies=copies)
    kinds = "(1 byte-identical, 2 pixel-identical and 1 near surplus copies in 2 groups)"
    assert kinds in split.sentences[2]


def test_empty_splits_of_a_csv_count_as_training(make_table: Any) -> None:
    splits = [None, "train"] * 40 + ["val"] * 20
    split = split_of(make_table([0, 1, 1, 0] * 25, splits=splits))
    assert split.made == ("test",)
    assert Counter(split.names) == {"train": 68, "test": 12, "val": 20}


def test_smallest_set_that_can_be_split(make_table: Any) -> None:
    split = split_of(make_table([0, 0, 0, 1, 1, 1]))
    for names in (split.names[:3], split.names[3:]):
        assert sorted(names) == ["test", "train", "val"]


@pytest.mark.parametrize(
    ("labels", "options", "message"),
    [
        (
            [0, 0, 0, 1],
            {},
            r"class 'b' must have at least 3 different images \(one each for train, "
            r"val and test\), got 1. Add images of it, or remove the class.",
        ),
        ([0, 0, 0, 1, 1], {}, "'b' must have at least 3 different images .* got 2"),
        (
            [0, 0, 0, 1, 1, 1, 1],
            {"sha256": ["1", "2", "3", "4", "4", "4", "5"]},
            "got 2 among 4 files",
        ),
        ([0, 0, 0, 1, 1, 1], {"groups": [None, None, None, "g", "g", "h"]}, "got 2 among 3 files"),
        (
            [0, 1, 0, 1, 0],
            {"splits": ["train", "train", "test", "test", "val"]},
            "every class must have images in val, got none of 'b'",
        ),
        (
            [0, 1, 0, 1, 0],
            {"splits": ["train", "train", "val", "val", "test"]},
            "every class must have images in test, got none of 'b'",
        ),
        (
            [0, 0, 1, 0, 0],
            {"splits": ["train", "train", "test", "test", "val"]},
            "every class must have images in train, got none of 'b'",
        ),
        ([0, 1, 0, 1], {"splits": ["test"] * 4}, "images in train, got none of 'a', 'b'"),
    ],
)
def test_classes_that_would_be_missing(
    labels: list[int], options: dict[str, Any], message: str, make_table: Any
) -> None:
    with pytest.raises(DataError, match=message):
        split_of(make_table(labels, **options))


def test_groups_that_cannot_be_divided(make_table: Any) -> None:
    # Every group holds both classes, and one class has all its images in shared groups.
    groups = ["g", "g", "g", "g", "h", "h"]
    with pytest.raises(DataError, match="at least 3 different images"):
        split_of(make_table([0, 1, 0, 1, 0, 1], groups=groups))


@pytest.mark.parametrize("num_folds", [2, 3, 5])
def test_folds_are_even_stratified_and_whole(num_folds: int) -> None:
    rng = np.random.default_rng(3)
    labels = np.sort(rng.choice(3, 900, p=[0.6, 0.3, 0.1])).astype(np.int32)
    bundles = np.where(rng.random(900) < 0.5, np.arange(900), np.arange(900) // 4 * 4)
    folds = make_folds(labels, bundles, num_folds=num_folds, seed=0)
    assert folds.shape == (900,)
    for c in range(3):
        counts = np.bincount(folds[labels == c], minlength=num_folds)
        assert len(counts) == num_folds
        assert counts.max() - counts.min() <= 4
    for bundle in np.unique(bundles):
        assert len(set(folds[bundles == bundle])) == 1
    assert np.array_equal(folds, make_folds(labels, bundles, num_folds=num_folds, seed=0))
    assert not np.array_equal(folds, make_folds(labels, bundles, num_folds=num_folds, seed=1))


@pytest.mark.parametrize("seed", range(10))
def test_every_class_is_in_every_fold(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = np.array([0] * 40 + [1] * 3 + [2] * 9, np.int32)
    bundles = np.concatenate((np.arange(40), [40, 41, 42], 50 + np.arange(9) // 3))
    order = rng.permutation(len(labels))
    folds = make_folds(labels[order], bundles[order], num_folds=3, seed=seed)
    for c in range(3):
        assert set(folds[labels[order] == c]) == {0, 1, 2}


def test_too_few_bundles_for_the_folds() -> None:
    labels, bundles = np.array([0, 0, 0, 1, 1, 1], np.int32), np.array([0, 1, 2, 3, 3, 4])
    with pytest.raises(DataError, match=r"at least 3 different images .* got 2\. Use folds=2\."):
        make_folds(labels, bundles, num_folds=3, seed=0)
    bundles = np.array([0, 1, 2, 3, 3, 3])
    with pytest.raises(DataError, match=r"got 1\. Use no folds, or add images\."):
        make_folds(labels, bundles, num_folds=3, seed=0)


def test_bundles_too_tangled_for_the_folds() -> None:
    # Class 0 puts 0, 1, 2 into three folds; class 1 puts 3 beside 2; class 2 needs them apart.
    labels = np.array([0, 0, 0, 1, 1, 1, 2, 2, 2], np.int32)
    bundles = np.array([0, 1, 2, 0, 1, 3, 2, 3, 4])
    with pytest.raises(DataError, match="copies and groups hold them together"):
        make_folds(labels, bundles, num_folds=3, seed=0)
