"""Disturbed images, the sample that is disturbed, and what is counted."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage
from sklearn.datasets import load_digits, load_sample_image

from autocnn.core.arrays import Pixels
from autocnn.metrics.robustness import CORRUPTIONS, STRENGTHS, choose_sample, corrupt, summarize

NAMES = (
    "noise",
    "blur",
    "brightness",
    "contrast",
    "jpeg",
    "rotation",
    "shift",
    "resolution",
    "field",
)


def digits(number: int = 12) -> Pixels:
    """Hand-written digits, (number, 8, 8, 1)."""
    images: Pixels = (load_digits().images[:number] * 255 / 16).astype(np.uint8)
    return images[..., np.newaxis]


def photos(side: int = 64) -> Pixels:
    """Pieces of a photo, (4, side, side, 3)."""
    photo = load_sample_image("china.jpg")
    return np.stack([photo[100 : 100 + side, 60 * i : 60 * i + side] for i in range(1, 5)])


def difference(one: Pixels, other: Pixels) -> float:
    """Mean absolute difference of all pixels."""
    return float(np.abs(one.astype(float) - other.astype(float)).mean())


def test_there_are_nine_in_the_order_of_tables() -> None:
    assert tuple(CORRUPTIONS) == NAMES
    settings = [kind.setting(strength) for kind in CORRUPTIONS.values() for strength in STRENGTHS]
    assert len(set(settings)) == 27
    assert CORRUPTIONS["noise"].setting(2) == "sigma 9 of 255"
    assert CORRUPTIONS["rotation"].setting(1) == "3 degrees"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("images", [digits(), photos()], ids=["8px-grey", "64px-rgb"])
def test_each_changes_more_with_strength(name: str, images: Pixels) -> None:
    before = images.copy()
    changes = []
    for strength in STRENGTHS:
        changed = corrupt(images, name, strength, seed=0)
        assert changed.shape == images.shape
        assert changed.dtype == np.uint8
        changes.append(difference(changed, images))
    assert 0 < changes[0] < changes[1] < changes[2]
    assert changes[2] > 1
    np.testing.assert_array_equal(images, before)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(8, 8, 3), (5, 9, 1), (1, 1, 1)])
def test_any_shape_goes_through(name: str, shape: tuple[int, int, int]) -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, *shape), dtype=np.uint8)
    assert corrupt(images, name, 3, seed=1).shape == images.shape
    assert corrupt(images[:0], name, 3, seed=1).shape == (0, *shape)
    flat = np.zeros_like(images)
    assert corrupt(flat, name, 1, seed=1).max() < 60


@pytest.mark.parametrize("name", NAMES)
def test_an_image_depends_on_seed_and_position_alone(name: str) -> None:
    images = digits()
    changed = corrupt(images, name, 2, seed=3)
    np.testing.assert_array_equal(changed, corrupt(images, name, 2, seed=3))
    np.testing.assert_array_equal(changed[:5], corrupt(images[:5], name, 2, seed=3))


@pytest.mark.parametrize("name", ["noise", "field"])
def test_the_seed_and_the_position_change_what_is_random(name: str) -> None:
    images = np.full((2, 16, 16, 1), 128, np.uint8)
    changed = corrupt(images, name, 2, seed=0)
    assert difference(changed, corrupt(images, name, 2, seed=1)) > 1
    assert difference(changed[0], changed[1]) > 1


def test_noise_leaves_the_mean_and_has_its_sigma() -> None:
    images = np.full((4, 64, 64, 3), 128, np.uint8)
    for strength, sigma in zip(STRENGTHS, CORRUPTIONS["noise"].levels, strict=True):
        errors = corrupt(images, "noise", strength, seed=0).astype(float) - 128
        assert abs(errors.mean()) < 4 * sigma / np.sqrt(errors.size)
        assert errors.std() == pytest.approx(np.hypot(sigma, np.sqrt(1 / 12)), rel=0.02)
    assert abs(np.corrcoef(errors[..., 0].ravel(), errors[..., 1].ravel())[0, 1]) < 0.05


def test_brightness_goes_up_and_down_by_turns() -> None:
    images = np.full((4, 8, 8, 1), 100, np.uint8)
    changed = corrupt(images, "brightness", 3, seed=0)
    assert changed[:, 0, 0, 0].tolist() == [151, 49, 151, 49]
    ends = np.array([0, 255], np.uint8).reshape(2, 1, 1, 1)
    np.testing.assert_array_equal(corrupt(ends[::-1], "brightness", 3, seed=0), ends[::-1])


def test_contrast_keeps_the_mean_of_the_image() -> None:
    image = np.array([[90, 110], [110, 90]], np.uint8)[..., np.newaxis]
    changed = corrupt(np.stack([image, image]), "contrast", 3, seed=0)
    assert changed[0, 0, :, 0].tolist() == [95, 105]
    assert changed[1, 0, :, 0].tolist() == [80, 120]


def test_blur_is_narrower_in_small_images() -> None:
    spreads = [_spread(_spot_blurred(side)) for side in (9, 97, 225)]
    assert spreads[0] < spreads[1] < spreads[2]
    assert spreads[1] == pytest.approx(CORRUPTIONS["blur"].levels[2], rel=0.1)


def _spot_blurred(side: int) -> NDArray[np.float64]:
    image = np.zeros((1, side, side, 1), np.uint8)
    image[0, side // 2, side // 2] = 255
    return corrupt(image, "blur", 3, seed=0)[0, ..., 0].astype(float)


def _spread(image: NDArray[np.float64]) -> float:
    """Standard deviation of where the light is, along one axis."""
    profile = image.sum(axis=0) / image.sum()
    place = np.arange(len(profile))
    return float(np.sqrt((profile * (place - (profile * place).sum()) ** 2).sum()))


def test_shift_takes_four_ways_and_draws_the_border_out() -> None:
    images = np.zeros((4, 25, 25, 1), np.uint8)
    images[:, 12, 12] = 200
    images[:, 0, 0] = 90
    changed = corrupt(images, "shift", 3, seed=0)[..., 0]  # 12 % of 25 px are 3 px
    spots = [tuple(int(i) for i in np.argwhere(image == 200)[0]) for image in changed]
    assert spots == [(15, 12), (9, 12), (12, 15), (12, 9)]
    assert changed[0, :4, 0].tolist() == [90, 90, 90, 90]


def test_shift_between_pixels_is_bilinear() -> None:
    images = np.zeros((1, 8, 8, 1), np.uint8)
    images[0, 3, 3] = 100
    changed = corrupt(images, "shift", 2, seed=0)[0, :, 3, 0]  # 6 % of 8 px are 0.48 px
    assert changed.tolist() == [0, 0, 0, 52, 48, 0, 0, 0]


def test_rotation_turns_both_ways_about_the_centre() -> None:
    images = np.zeros((2, 41, 41, 1), np.uint8)
    images[:, 19:22, 30:] = 255
    changed = corrupt(images, "rotation", 3, seed=0)[..., 0].astype(float)
    heights = [ndimage.center_of_mass(image[:, 35:])[0] for image in changed]
    expected = 17 * np.tan(np.deg2rad(15))
    assert sorted(heights) == pytest.approx([20 - expected, 20 + expected], abs=0.5)


def test_lower_resolution_takes_fine_detail() -> None:
    stripes = np.zeros((1, 96, 96, 1), np.uint8)
    stripes[:, :, ::2] = 200
    changed = corrupt(stripes, "resolution", 3, seed=0)[0, 10:-10, 10:-10]
    assert changed.std() < 0.1 * stripes.std()
    assert changed.mean() == pytest.approx(100, abs=2)


def test_the_field_is_smooth_and_reaches_both_ends() -> None:
    images = np.full((3, 64, 64, 3), 100, np.uint8)
    level = CORRUPTIONS["field"].levels[2]
    for image in corrupt(images, "field", 3, seed=0).astype(float):
        assert image.min() == pytest.approx(100 / level, abs=1)
        assert image.max() == pytest.approx(100 * level, abs=1)
        assert np.abs(np.diff(image, axis=0)).max() < 10
        np.testing.assert_array_equal(image[..., 0], image[..., 1])


def test_wrong_arguments_say_so() -> None:
    with pytest.raises(ValueError, match=r"name must be one of noise, .*, got 'fog'"):
        corrupt(digits(), "fog", 1, seed=0)
    with pytest.raises(ValueError, match="strength must be 1, 2 or 3, got 4"):
        corrupt(digits(), "noise", 4, seed=0)
    with pytest.raises(ValueError, match=r"must be uint8 .*, got uint8 \(8, 8, 1\)"):
        corrupt(digits()[0], "noise", 1, seed=0)
    with pytest.raises(ValueError, match=r"must be uint8 .*, got float64"):
        corrupt(digits() / 255, "noise", 1, seed=0)  # type: ignore[arg-type]


def test_the_sample_has_the_shares_of_the_classes() -> None:
    labels = np.repeat([0, 1, 2], [600, 300, 100])
    np.random.default_rng(0).shuffle(labels)
    rows = choose_sample(labels, 100, seed=0)
    assert len(rows) == len(set(rows.tolist())) == 100
    assert (np.diff(rows) > 0).all()
    assert np.abs(np.bincount(labels[rows]) - [60, 30, 10]).max() <= 1
    np.testing.assert_array_equal(rows, choose_sample(labels, 100, seed=0))
    assert set(rows.tolist()) != set(choose_sample(labels, 100, seed=1).tolist())


def test_the_sample_is_everything_when_there_is_less() -> None:
    labels = np.array([1, 0, 1])
    assert choose_sample(labels, 200, seed=0).tolist() == [0, 1, 2]
    assert choose_sample(labels, 3, seed=0).tolist() == [0, 1, 2]


def test_a_rare_class_is_in_the_sample() -> None:
    labels = np.array([0] * 998 + [1, 2])
    for seed in range(5):
        assert set(labels[choose_sample(labels, 10, seed=seed)].tolist()) == {0, 1, 2}
    with pytest.raises(ValueError, match="number must be at least 1, got 0"):
        choose_sample(labels, 0, seed=0)


def test_the_summary_by_hand() -> None:
    labels = np.array([0, 1, 1, 0])
    classes = np.eye(2)
    disturbed = {
        ("blur", 1): classes[[0, 1, 0, 0]],
        ("noise", 3): classes[[1, 0, 1, 1]],
        ("noise", 1): classes[[0, 1, 1, 0]],
    }
    found = summarize(labels, classes[[0, 1, 1, 1]], disturbed)
    assert found.num_images == 4
    assert found.accuracy == 0.75
    rows = [(row.name, row.strength, row.accuracy, row.drop) for row in found.corruptions]
    assert rows == [("noise", 1, 1.0, -0.25), ("noise", 3, 0.25, 0.5), ("blur", 1, 0.75, 0.0)]
    assert found.mean_drop == pytest.approx((-0.25 + 0.5 + 0) / 3)
    assert found.corruptions[0].setting == "sigma 4 of 255"


def test_the_summary_checks_what_it_gets() -> None:
    labels, clean = np.array([0, 1]), np.eye(2)
    with pytest.raises(ValueError, match="at least one disturbance"):
        summarize(labels, clean, {})
    with pytest.raises(ValueError, match="got 'fog'"):
        summarize(labels, clean, {("fog", 1): clean})
    with pytest.raises(ValueError, match="strength must be 1, 2 or 3, got 0"):
        summarize(labels, clean, {("noise", 0): clean})
    with pytest.raises(ValueError, match=r"noise 2: labels .* got \(2,\) and \(1, 2\)"):
        summarize(labels, clean, {("noise", 2): clean[:1]})
    with pytest.raises(ValueError, match="clean: labels"):
        summarize(labels[:0], clean[:0], {("noise", 2): clean})
