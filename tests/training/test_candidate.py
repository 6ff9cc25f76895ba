"""What a worker makes of finished models: predictions, candidates, disturbances, maps."""

import errno
import os
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from numpy.typing import NDArray

from autocnn.core.errors import DiskFullError
from autocnn.core.records import EpochScore
from autocnn.execution.tasks import CandidateTask, Images, MemberModel, Prediction, PredictionTask
from autocnn.metrics.calibration import apply_temperature
from autocnn.metrics.familiarity import neighbour_distances
from autocnn.metrics.robustness import DISTURBANCES, corrupt
from autocnn.training.candidate import NUM_VERSIONS, make_candidate, predict
from autocnn.training.measurements import Measurements
from autocnn.training.networks import build_model
from autocnn.training.networks.features import feature_model

NUM_IMAGES, SIDE = 40, 16

TEST_ROWS = np.arange(20, NUM_IMAGES)

SEED = 3


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Images:
    rng = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("images") / "images.npy"
    np.save(path, rng.integers(0, 256, (NUM_IMAGES, SIDE, SIDE, 1)).astype(np.uint8))
    return Images(path, (np.arange(NUM_IMAGES) % 2).astype(np.int32), 2)


@pytest.fixture(scope="module")
def model_paths(tmp_path_factory: pytest.TempPathFactory, images: Images) -> list[Path]:
    folder, paths = tmp_path_factory.mktemp("models"), []
    for number in range(2):
        keras.utils.set_random_seed(number)
        model = build_model({"width": 4, "num_stages": 2}, (SIDE, SIDE, 1), 2)
        paths.append(folder / f"{number}.keras")
        model.save(paths[-1])
    return paths


def never(score: EpochScore) -> bool:
    raise AssertionError


def make(images: Images, tmp_path: Path, **changes: Any) -> Measurements:
    """Make a candidate; what was measured."""
    facts: dict[str, Any] = {
        "temperature": 1.0,
        "has_temperature": False,
        "model_path": tmp_path / "candidate.keras",
        "images": images,
        "test_rows": TEST_ROWS,
        "val_rows": np.arange(10, 20),
        "reference_rows": np.arange(10),
        "judged": np.arange(len(TEST_ROWS)),
        "num_independent": float(len(TEST_ROWS)),
        "disturbed": np.arange(0, 20, 2),
        "explained": np.array([1, 5]),
        "per_class": 1,
        "results_path": tmp_path / "results.npz",
        "threads": 1,
        "seed": 0,
    }
    task = CandidateTask(**facts | changes)
    asked = tuple(
        Prediction(one.path, task.test_rows, one.predicted_path, one.mirrored, task.disturbed)
        for one in task.members
    )
    predict(PredictionTask(images, asked, threads=1, seed=SEED), never)
    make_candidate(task, never)
    return Measurements.read(task.results_path)


def member(
    path: Path, tmp_path: Path, *, temperature: float = 1.0, share: float = 1.0, **facts: Any
) -> MemberModel:
    """A member and where it says what it predicts."""
    return MemberModel(path, tmp_path / f"{path.stem}.npy", share, temperature, **facts)


def outputs(path: Path, images: Images) -> NDArray[np.float64]:
    model = keras.models.load_model(path)
    found: NDArray[np.float64] = np.asarray(model(images.open()[TEST_ROWS]), np.float64)
    return found


@pytest.mark.slow
def test_each_model_predicts_its_rows(
    images: Images, model_paths: list[Path], tmp_path: Path
) -> None:
    predictions = tuple(
        Prediction(path, rows, tmp_path / f"{index}.npy")
        for index, (path, rows) in enumerate(
            zip(model_paths, (TEST_ROWS, TEST_ROWS[:3]), strict=True)
        )
    )
    predict(PredictionTask(images, predictions, threads=1), never)
    first, second = (np.load(prediction.probabilities_path) for prediction in predictions)
    assert (first.shape, second.shape) == ((20, 2), (3, 2))
    np.testing.assert_allclose(first, outputs(model_paths[0], images), atol=1e-6)
    np.testing.assert_allclose(second, outputs(model_paths[1], images)[:3], atol=1e-6)


@pytest.mark.slow
def test_a_full_disk_is_told_as_it_is(
    images: Images, model_paths: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not as a model that could not be judged."""

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(np, "save", refuse)
    asked = Prediction(model_paths[0], TEST_ROWS, tmp_path / "found.npy")
    with pytest.raises(DiskFullError):
        predict(PredictionTask(images, (asked,), threads=1), never)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_training_images_are_augmented_as_the_training_does(
    images: Images, model_paths: list[Path], tmp_path: Path
) -> None:
    members = (member(model_paths[0], tmp_path),)
    off = {"flip": "none", "rotation": 0.0, "zoom": 0.0, "shift": 0.0, "brightness": 0.0}
    rows = np.array([3, 0, 7, 5])
    facts = {"members": members, "augmented_rows": rows}
    found = make(images, tmp_path, **facts, params={**off, "flip": "both"}).augmented
    assert found is not None
    assert found.shape == (4, NUM_VERSIONS, SIDE, SIDE, 1)
    shown = images.open()[rows]
    for image, versions in zip(shown, found, strict=True):
        mirrored = [image[::x, ::y].tobytes() for x in (1, -1) for y in (1, -1)]
        assert {version.tobytes() for version in versions} <= set(mirrored)
    assert (found != shown[:, np.newaxis]).any()
    again = make(images, tmp_path, **facts, params={**off, "flip": "both"}).augmented
    assert again is not None
    np.testing.assert_array_equal(again, found)
    assert make(images, tmp_path, **facts, params=off).augmented is None, "nothing is changed"
    assert make(images, tmp_path, members=members, params={}).augmented is None
    frozen = make(images, tmp_path, **facts, params={"family": "frozen"})
    assert frozen.augmented is None, "its images are seen as they are"


@pytest.mark.slow
def test_a_refit_is_its_model_at_its_temperature(
    images: Images, model_paths: list[Path], tmp_path: Path
) -> None:
    found = make(images, tmp_path, members=(member(model_paths[0], tmp_path, temperature=2.0),))
    before = outputs(model_paths[0], images)
    np.testing.assert_allclose(found.test_before, before, atol=1e-6)
    np.testing.assert_allclose(found.test, apply_temperature(before, 2.0), atol=1e-6)
    saved = outputs(tmp_path / "candidate.keras", images)
    np.testing.assert_allclose(saved, found.test, atol=1e-6)
    assert min(found.num_weights, found.flops, found.latency_ms) > 0
    assert found.familiarity is not None
    facts = found.familiarity.facts
    assert found.is_unlike["val"].mean() == facts.val_share
    assert found.is_unlike["test"].mean() == facts.test_share


@pytest.mark.slow
def test_an_ensemble_is_one_model_with_a_temperature_of_its_own(
    images: Images, model_paths: list[Path], tmp_path: Path
) -> None:
    members = tuple(
        member(path, tmp_path, share=share, temperature=temperature)
        for path, share, temperature in zip(model_paths, (0.25, 0.75), (2.0, 0.5), strict=True)
    )
    found = make(images, tmp_path, members=members, temperature=1.5, has_temperature=True)
    parts = [
        one.weight * apply_temperature(outputs(one.path, images), one.temperature)
        for one in members
    ]
    np.testing.assert_allclose(found.test_before, np.sum(parts, axis=0), atol=1e-6)
    expected = apply_temperature(np.sum(parts, axis=0), 1.5)
    np.testing.assert_allclose(found.test, expected, atol=1e-6)
    saved = outputs(tmp_path / "candidate.keras", images)
    np.testing.assert_allclose(saved, expected, atol=1e-6)


@pytest.mark.slow
def test_a_mirrored_member_has_its_temperature_after_the_mean_of_both(
    images: Images, model_paths: list[Path], tmp_path: Path
) -> None:
    """As what was predicted for the choice, by which the temperature was found."""
    path = tmp_path / "found.npy"
    asked = Prediction(model_paths[0], TEST_ROWS, path, mirrored=True)
    predict(PredictionTask(images, (asked,), threads=1), never)
    mean = np.load(path)
    model = keras.models.load_model(model_paths[0])
    shown = images.open()[TEST_ROWS]
    both = (np.asarray(model(shown)) + np.asarray(model(shown[:, :, ::-1]))) / 2
    np.testing.assert_allclose(mean, both, atol=1e-6)
    one = member(model_paths[0], tmp_path, temperature=2.0, mirrored=True)
    found = make(images, tmp_path, members=(one,))
    np.testing.assert_allclose(found.test_before, mean, atol=1e-6)
    np.testing.assert_allclose(found.test, apply_temperature(mean, 2.0), atol=1e-6)
    np.testing.assert_allclose(outputs(tmp_path / "candidate.keras", images), found.test, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("has_temperature", [False, True])
def test_a_mean_of_refits_has_no_temperature_before_and_an_ensemble_those_of_its_members(
    has_temperature: bool, images: Images, model_paths: list[Path], tmp_path: Path
) -> None:
    members = tuple(member(p, tmp_path, share=0.5, temperature=2.0) for p in model_paths)
    found = make(images, tmp_path, members=members, has_temperature=has_temperature)
    given = [outputs(one.path, images) for one in members]
    cooled = np.mean([apply_temperature(one, 2.0) for one in given], axis=0)
    before = cooled if has_temperature else np.mean(given, axis=0)
    np.testing.assert_allclose(found.test_before, before, atol=1e-6)
    np.testing.assert_allclose(found.test, cooled, atol=1e-6)


@pytest.mark.slow
def test_every_disturbance_is_what_the_saved_model_says_of_disturbed_images(
    images: Images, model_paths: list[Path], tmp_path: Path
) -> None:
    """Though it is averaged from what its members were asked before."""
    members = tuple(
        member(path, tmp_path, share=share, temperature=2.0, mirrored=True)
        for path, share in zip(model_paths, (0.25, 0.75), strict=True)
    )
    found = make(images, tmp_path, members=members, temperature=0.8)
    assert tuple(found.disturbed_test) == DISTURBANCES
    model = keras.models.load_model(tmp_path / "candidate.keras")
    sample = images.open()[TEST_ROWS[::2]]
    for (name, strength), given in found.disturbed_test.items():
        expected = np.asarray(model(corrupt(sample, name, strength, seed=SEED)))
        np.testing.assert_allclose(given, expected, atol=1e-6)
    both = list(found.disturbed_test.values())
    assert np.ptp(both, axis=0).max() > 1e-3, "not all of them are the same images"


@pytest.mark.slow
@pytest.mark.parametrize("mirrored", [False, True])
def test_a_member_for_smaller_images_is_asked_for_those_of_the_average(
    mirrored: bool, images: Images, model_paths: list[Path], tmp_path: Path
) -> None:
    keras.utils.set_random_seed(0)
    small = tmp_path / "small.keras"
    build_model({"width": 4, "num_stages": 2}, (SIDE // 2, SIDE // 2, 1), 2).save(small)
    members = tuple(
        member(path, tmp_path, share=0.5, temperature=2.0, mirrored=mirrored)
        for path in (small, model_paths[0])
    )
    found = make(images, tmp_path, members=members, temperature=1.5, has_temperature=True)
    np.testing.assert_allclose(apply_temperature(found.test_before, 1.5), found.test, atol=1e-6)
    model = keras.models.load_model(tmp_path / "candidate.keras")
    assert model.input_shape == (None, SIDE, SIDE, 1)
    changed = corrupt(images.open()[TEST_ROWS[::2]], "shift", 3, seed=SEED)
    given = found.disturbed_test["shift", 3]
    np.testing.assert_allclose(given, np.asarray(model(changed)), atol=1e-6)


@pytest.mark.slow
def test_some_images_are_explained(images: Images, model_paths: list[Path], tmp_path: Path) -> None:
    found = make(images, tmp_path, members=(member(model_paths[0], tmp_path),))
    explained = found.explained
    assert {1, 5} <= set(explained.tolist())
    assert explained.tolist() == sorted(set(explained.tolist()))
    for maps in (found.maps, found.random_maps):
        assert maps is not None
        assert maps.shape == (len(explained), SIDE, SIDE)
        np.testing.assert_allclose(maps.sum(axis=(1, 2)), 1, atol=1e-4)


@pytest.mark.slow
def test_familiarity_is_measured_with_the_candidate_s_own_features(
    images: Images, model_paths: list[Path], tmp_path: Path
) -> None:
    measured = make(images, tmp_path, members=(member(model_paths[0], tmp_path, temperature=2.0),))
    found = measured.familiarity
    assert found is not None
    model = feature_model(keras.models.load_model(tmp_path / "candidate.keras"))
    reference, val, test = (
        np.asarray(model(images.open()[rows])) for rows in (range(10), range(10, 20), TEST_ROWS)
    )
    np.testing.assert_allclose(found.features, reference, atol=1e-5)
    k = found.facts.neighbours
    assert k == 2
    distances = neighbour_distances(val, reference, k)
    assert found.facts.threshold == pytest.approx(np.percentile(distances, 99), abs=1e-5)
    assert found.facts.val_share == pytest.approx(0.1)
    beyond = neighbour_distances(test, reference, k) > found.facts.threshold
    assert found.facts.test_share == pytest.approx(beyond.mean(), abs=0.05)


@pytest.mark.slow
def test_a_model_without_features_is_judged_without_familiarity(
    images: Images, model_paths: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(model: keras.Model) -> keras.Model:
        raise ValueError("model must end in a Dense layer")

    monkeypatch.setattr("autocnn.training.candidate.feature_model", refuse)
    found = make(images, tmp_path, members=(member(model_paths[0], tmp_path),))
    assert found.test.shape == (20, 2)
    assert found.familiarity is None
