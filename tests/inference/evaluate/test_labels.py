"""Classes by name, and the images that are asked for."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from autocnn.core.errors import DataError
from autocnn.core.records import SplitName
from autocnn.data import ImageTable
from autocnn.data.table import FileImages
from autocnn.inference.evaluate import Reference
from autocnn.inference.evaluate.labels import choose_images, match_labels

ALONE = Reference("mine", 1, ("a", "b"))


def make_table(*names: str, splits: tuple[SplitName | None, ...] | None = None) -> ImageTable:
    number = len(names)
    return ImageTable(
        source="data",
        paths=tuple(f"{index}.png" for index in range(number)),
        labels=np.arange(number, dtype=np.int32),
        class_names=names,
        splits=splits or (None,) * number,
        groups=(None,) * number,
        sha256=tuple(f"{index:064d}" for index in range(number)),
        images=FileImages(Path()),
        ignored={},
        notes=(),
    )


def test_labels_are_the_models() -> None:
    assert match_labels(make_table("b", "a"), ["a", "z", "b"]).tolist() == [2, 0]


def test_an_unknown_class_is_named_with_the_nearest_ones() -> None:
    table = make_table("Glioma", "notumour", "cat")
    with pytest.raises(DataError) as raised:
        match_labels(table, ["glioma", "notumor", "pituitary"])
    assert raised.value.message == (
        "data: every class must be one of the model's ('glioma', 'notumor', 'pituitary'), got "
        "'Glioma', 'notumour', 'cat'."
    )
    assert raised.value.remedy == (
        "Did you mean 'glioma' by 'Glioma'? Did you mean 'notumor' by 'notumour'?"
    )


def test_many_unknown_classes_are_counted() -> None:
    table = make_table(*(f"{index}-zebra" for index in range(9)))
    with pytest.raises(DataError, match=r"got '0-zebra'.* and 4 more") as raised:
        match_labels(table, ["q", "w"])
    assert raised.value.remedy == "Name the classes as in the study's data."


def test_all_images_count_unless_test_is_asked_for() -> None:
    table = make_table("a", "b", "c", splits=("train", "test", "test"))
    assert choose_images(table, "all", ALONE).tolist() == [0, 1, 2]
    assert choose_images(table, "test", ALONE).tolist() == [1, 2]


def test_without_given_splits_the_studys_test_images_are_test() -> None:
    table = make_table("a", "b", "c")
    own = frozenset({("1.png", table.sha256[1]), ("2.png", "another content")})
    assert choose_images(table, "test", replace(ALONE, tested=own)).tolist() == [1]


@pytest.mark.parametrize("tested", [None, frozenset()])
def test_without_any_test_image_it_is_an_error(tested: frozenset[tuple[str, str]] | None) -> None:
    with pytest.raises(DataError, match="must have a test split") as raised:
        choose_images(make_table("a", "b"), "test", replace(ALONE, tested=tested))
    assert raised.value.exit_code == 3
