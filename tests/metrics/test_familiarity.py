"""Distances to the training images, the threshold, and the file."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from autocnn.metrics.familiarity import (
    CHUNK,
    calibrate_familiarity,
    choose_neighbours,
    choose_reference,
    neighbour_distances,
    read_reference,
)


def unit(number: int, *, seed: int, centre: float = 0.0) -> np.ndarray:
    points = np.random.default_rng(seed).normal(centre, 1, (number, 8)).astype(np.float32)
    return np.asarray(points / np.linalg.norm(points, axis=1, keepdims=True))


@pytest.mark.parametrize("neighbours", [1, 5, 40])
def test_distances_are_those_of_scikit_learn(neighbours: int) -> None:
    features, reference = unit(60, seed=1), unit(40, seed=2)
    search = NearestNeighbors(n_neighbors=neighbours, metric="cosine").fit(reference)
    expected = search.kneighbors(features)[0][:, -1]
    found = neighbour_distances(features, reference, neighbours)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_many_images_are_measured_in_parts() -> None:
    features, reference = unit(CHUNK + 3, seed=1), unit(9, seed=2)
    found = neighbour_distances(features, reference, 2)
    np.testing.assert_allclose(found[-3:], neighbour_distances(features[-3:], reference, 2))
    assert len(neighbour_distances(features[:0], reference, 2)) == 0


def test_one_percent_of_val_is_beyond_the_threshold() -> None:
    val, reference = unit(2000, seed=1), unit(100, seed=2)
    found = calibrate_familiarity(reference, val, -val[:10] * 0, num_classes=2)
    assert found.facts.val_share == pytest.approx(0.01, abs=0.001)
    assert found.facts.test_share == 1.0  # nothing in common with anything
    assert (found.facts.num_reference, found.facts.neighbours) == (100, 5)
    distances = neighbour_distances(val, reference, 5)
    assert (distances > found.facts.threshold).sum() == 20


def test_every_class_has_its_place_among_the_reference() -> None:
    labels = np.repeat(np.arange(4), [1000, 300, 20, 5])
    chosen = choose_reference(labels, 100, seed=3)
    assert np.bincount(labels[chosen]).tolist() == [38, 37, 20, 5]
    assert chosen.tolist() == sorted(set(chosen.tolist()))
    assert chosen.tolist() == choose_reference(labels, 100, seed=3).tolist()
    assert chosen.tolist() != choose_reference(labels, 100, seed=4).tolist()
    assert len(choose_reference(labels[-7:], 100, seed=3)) == 7


def test_there_are_as_many_neighbours_as_classes_can_give() -> None:
    assert choose_neighbours(1, 2) == 1
    assert choose_neighbours(40, 10) == 2


def test_the_clean_part_of_test_stands_for_unseen_images() -> None:
    val, reference, test = unit(200, seed=1), unit(100, seed=2), unit(90, seed=3)
    judged = np.arange(0, 90, 3)
    facts = calibrate_familiarity(reference, val, test, num_classes=2, judged=judged).facts
    distances = neighbour_distances(test, reference, 5)
    assert facts.test_share == (distances > facts.threshold).mean()
    assert facts.unseen_share == (distances[judged] > facts.threshold).mean()
    assert facts.num_unseen == 30
    in_groups = calibrate_familiarity(
        reference, val, test, num_classes=2, judged=judged, num_independent=6.5
    ).facts
    assert in_groups.num_unseen == 6.5
    assert facts.unseen_quantiles == pytest.approx(np.sort(distances[judged]), abs=1e-6)


def test_the_file_of_an_older_study_has_no_unseen_images(tmp_path: Path) -> None:
    found = calibrate_familiarity(
        unit(20, seed=2), unit(50, seed=1), unit(9, seed=3), num_classes=2
    )
    arrays = {k: v for k, v in found.arrays().items() if "unseen" not in k}
    np.savez(tmp_path / "familiarity.npz", allow_pickle=False, **arrays)
    facts = read_reference(tmp_path / "familiarity.npz").facts
    assert (facts.unseen_share, facts.unseen_quantiles, facts.num_unseen) == (None, (), 0)
    assert facts.test_share == found.facts.test_share


def test_the_file_comes_back(tmp_path: Path) -> None:
    found = calibrate_familiarity(
        unit(20, seed=2), unit(50, seed=1), unit(9, seed=3), num_classes=2
    )
    path = tmp_path / "familiarity.npz"
    np.savez(path, allow_pickle=False, **found.arrays())
    again = read_reference(path)
    assert again.facts == found.facts
    np.testing.assert_array_equal(again.features, found.features)
    unknown = found.facts.model_copy(update={"test_share": None})
    np.savez(path, allow_pickle=False, **type(found)(found.features, unknown).arrays())
    assert read_reference(path).facts.test_share is None


def test_a_broken_file_is_refused_with_its_name(tmp_path: Path) -> None:
    found = calibrate_familiarity(
        unit(20, seed=2), unit(50, seed=1), unit(9, seed=3), num_classes=2
    )
    path = tmp_path / "familiarity.npz"
    np.savez(path, allow_pickle=False, **found.arrays())
    whole = path.read_bytes()
    for content in (b"", whole[: len(whole) // 2], b"no zip"):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"familiarity\.npz: must be a whole"):
            read_reference(path)
    np.savez(path, reference=np.eye(2))
    with pytest.raises(ValueError, match="neighbours"):
        read_reference(path)


def test_pickled_objects_are_never_loaded(tmp_path: Path) -> None:
    path = tmp_path / "familiarity.npz"
    objects = np.array([{"a": 1}], dtype=object)
    np.savez(path, reference=objects, neighbours=1, threshold=0.5, val_share=0.0)
    with pytest.raises(ValueError, match="allow_pickle"):
        read_reference(path)
