"""What is measured on a candidate goes from the worker to the parent by a file, whole."""

from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from autocnn.core.records.exports import Familiarity
from autocnn.metrics.familiarity import Reference
from autocnn.training.measurements import Measurements, read_recipe

TEST = np.array([[0.25, 0.75], [0.5, 0.5], [1.0, 0.0]], np.float32)


def measurements(*, is_whole: bool = True) -> Measurements:
    facts = Familiarity(
        neighbours=2, num_reference=3, threshold=0.5, val_share=0.01, test_share=0.125
    )
    maps = np.full((2, 4, 4), 1 / 16, np.float32)
    return Measurements(
        test=TEST,
        test_before=TEST[::-1],
        disturbed=np.array([0, 2]),
        disturbed_test={("blur", 1): TEST[:2], ("jpeg", 3): TEST[1:]},
        explained=np.array([1, 2]),
        maps=maps if is_whole else None,
        random_maps=maps[::-1] if is_whole else None,
        familiarity=Reference(np.eye(3, dtype=np.float32), facts) if is_whole else None,
        num_weights=12,
        flops=345,
        latency_ms=0.75,
        recipe='[[["0007/refit/model.keras", 1.0, 1.25]], 1.0, false]',
        is_unlike={"val": np.array([False]), "test": np.eye(3, dtype=bool)[0]} if is_whole else {},
    )


@pytest.mark.parametrize("is_whole", [True, False])
def test_what_is_written_is_read(tmp_path: Path, *, is_whole: bool) -> None:
    written = measurements(is_whole=is_whole)
    written.write(tmp_path / "1.npz")
    found = Measurements.read(tmp_path / "1.npz")
    for field in fields(Measurements):
        one, other = getattr(written, field.name), getattr(found, field.name)
        if isinstance(one, np.ndarray):
            np.testing.assert_array_equal(one, other)
            assert one.dtype == other.dtype
        elif isinstance(one, dict):
            assert list(one) == list(other)
            for key, array in one.items():
                np.testing.assert_array_equal(array, other[key])
        elif isinstance(one, Reference):
            assert one.facts == other.facts
            np.testing.assert_array_equal(one.features, other.features)
        else:
            assert one == other, field.name


def test_the_names_of_the_arrays_are_those_of_earlier_studies(tmp_path: Path) -> None:
    """A study that was stopped while it was judged goes on in a later version."""
    measurements().write(tmp_path / "1.npz")
    with np.load(tmp_path / "1.npz") as arrays:
        assert set(arrays) == {
            "test",
            "test_before",
            "disturbed",
            "disturbed/blur/1",
            "disturbed/jpeg/3",
            "explained",
            "maps",
            "random_maps",
            "cost",
            "recipe",
            "familiarity/reference",
            "familiarity/neighbours",
            "familiarity/threshold",
            "familiarity/val_share",
            "familiarity/test_share",
            "unlike/val",
            "unlike/test",
        }
        assert arrays["cost"].tolist() == [12.0, 345.0, 0.75]


def test_a_file_that_is_none_is_told(tmp_path: Path) -> None:
    np.savez(tmp_path / "1.npz", allow_pickle=False, cost=np.ones(3))
    with pytest.raises(ValueError, match=r"1\.npz: must hold the array 'test'\."):
        Measurements.read(tmp_path / "1.npz")


def test_what_it_is_made_of_is_read_alone(tmp_path: Path) -> None:
    assert read_recipe(tmp_path / "none.npz") == ""
    measurements().write(tmp_path / "1.npz")
    assert read_recipe(tmp_path / "1.npz") == measurements().recipe
    with (tmp_path / "old.npz").open("wb") as file:
        np.savez(file, allow_pickle=False, test=TEST)
    assert read_recipe(tmp_path / "old.npz") == ""
