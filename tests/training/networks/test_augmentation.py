import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from autocnn.core.arrays import Pixels
from autocnn.core.records import ParamValue
from autocnn.spaces.knobs import Settings
from autocnn.training.networks.augmentation import Augmenter

OFF: dict[str, ParamValue] = {
    "flip": "none",
    "rotation": 0.0,
    "zoom": 0.0,
    "shift": 0.0,
    "shear": 0.0,
    "brightness": 0.0,
    "field": 0.0,
    "contrast": 0.0,
    "noise": 0.0,
    "erasing": 0.0,
    "mixup": 0.0,
    "cutmix": 0.0,
}

RNG = np.random.default_rng(0)

IMAGES = RNG.integers(60, 190, (64, 12, 12, 1), dtype=np.uint8)
LABELS = np.eye(4, dtype=np.float32)[RNG.integers(0, 4, 64)]


def augment(
    params: dict[str, ParamValue], *, seed: int = 1, step: int = 0, images: Pixels = IMAGES
) -> tuple[Pixels, NDArray[np.float32]]:
    """Images and labels after one batch with everything off but `params`."""
    shape = images.shape[1], images.shape[2], images.shape[3]
    augmenter = Augmenter(Settings({**OFF, **params}), shape)
    x, y = augmenter(tf.constant(images), tf.constant(LABELS), tf.constant([seed, step]))
    return x.numpy(), y.numpy()


def test_all_off_changes_nothing() -> None:
    x, y = augment({})
    np.testing.assert_array_equal(x, IMAGES)
    np.testing.assert_array_equal(y, LABELS)


@pytest.mark.parametrize(("flip", "axis"), [("horizontal", 2), ("vertical", 1)])
def test_flip_mirrors_about_half_of_the_images(flip: str, axis: int) -> None:
    x, _ = augment({"flip": flip})
    mirrored = np.flip(IMAGES, axis)
    is_mirrored = (x == mirrored).all(axis=(1, 2, 3))
    is_same = (x == IMAGES).all(axis=(1, 2, 3))
    assert (is_mirrored ^ is_same).all()
    assert 15 < is_mirrored.sum() < 49


def test_images_need_not_be_square() -> None:
    images = RNG.integers(0, 256, (64, 12, 20, 3), dtype=np.uint8)
    x, _ = augment({"flip": "both"}, images=images)
    for axes in ((), (1,), (2,), (1, 2)):
        assert (x == np.flip(images, axes)).all(axis=(1, 2, 3)).sum() > 5
    half = np.zeros((64, 20, 60, 1), np.uint8)
    half[:, 10:, 30:] = 255
    x, _ = augment({"shift": 0.3}, images=half)
    rows, columns = (x[..., 0] > 127).any(axis=2), (x[..., 0] > 127).any(axis=1)
    for seen, side in ((rows, 20), (columns, 60)):
        moved = np.abs(seen.sum(axis=1) - side / 2)
        assert 0.2 * side < moved.max() <= 0.3 * side + 1
    x, y = augment({"cutmix": 1.0}, images=images)
    pasted = (x != images).any(axis=3).mean(axis=(1, 2))
    differs = ~(LABELS[::-1] == LABELS).all(axis=1)
    np.testing.assert_allclose(1 - (y * LABELS).sum(axis=1)[differs], pasted[differs], atol=0.03)


def test_flip_both_gives_all_four() -> None:
    x, _ = augment({"flip": "both"})
    for axes in ((), (1,), (2,), (1, 2)):
        assert (x == np.flip(IMAGES, axes)).all(axis=(1, 2, 3)).sum() > 5


def test_rotation_keeps_the_centre_and_stays_within_its_bound() -> None:
    images = np.zeros((64, 33, 33, 1), np.uint8)
    images[:, 16, 16:] = 255  # a ray to the right
    x, _ = augment({"rotation": 30.0}, images=images)
    assert (x[:, 16, 16, 0] > 100).all()
    heights = np.array([np.abs(np.nonzero(image[:, 30, 0])[0] - 16).max() for image in x])
    assert heights.max() <= np.ceil(15 * np.tan(np.pi / 6)) + 1
    assert heights.max() > 5


def test_shift_moves_by_at_most_its_share() -> None:
    images = np.zeros((64, 41, 41, 1), np.uint8)
    images[:, 20, 20] = 255
    x, _ = augment({"shift": 0.2}, images=images)
    columns = (x[..., 0].sum(axis=1) * np.arange(41)).sum(axis=1) / x.sum(axis=(1, 2, 3))
    assert np.abs(columns - 20).max() <= 0.2 * 41 + 1
    assert columns.std() > 2


def test_zoom_scales_by_at_most_its_share() -> None:
    images = np.zeros((64, 41, 41, 1), np.uint8)
    images[:, 10:31, 10:31] = 255
    x, _ = augment({"zoom": 0.2}, images=images)
    sides = np.sqrt((x > 127).sum(axis=(1, 2, 3)))
    assert 21 / 1.2 - 1.5 < sides.min() < 19.5
    assert 22.5 < sides.max() < 21 / 0.8 + 1.5


def test_brightness_and_contrast_change_what_they_say() -> None:
    x, _ = augment({"brightness": 0.3})
    ratio = x.mean(axis=(1, 2, 3)) / IMAGES.mean(axis=(1, 2, 3))
    assert 0.69 < ratio.min() < 0.85 and 1.15 < ratio.max() < 1.31
    x, _ = augment({"contrast": 0.3})
    np.testing.assert_allclose(x.mean(axis=(1, 2, 3)), IMAGES.mean(axis=(1, 2, 3)), atol=0.6)
    assert (x.std(axis=(1, 2, 3)) / IMAGES.std(axis=(1, 2, 3))).std() > 0.1


def test_a_field_multiplies_smoothly_by_at_most_its_share() -> None:
    images = np.full((64, 40, 24, 3), 80, np.uint8)
    x, y = augment({"field": 0.5}, images=images)
    factors = x / 80
    np.testing.assert_array_equal(x, x[..., :1].repeat(3, axis=-1))
    # Cubic interpolation swings a little further than the values it runs through.
    assert 0.55 < factors.min() < 0.75 and 1.33 < factors.max() < 1.8
    steps = [np.abs(np.diff(factors, axis=axis)).max() for axis in (1, 2)]
    assert max(steps) < 0.25
    spread = factors.reshape(64, -1).std(axis=1)
    assert np.median(spread) > 0.08
    np.testing.assert_array_equal(y, LABELS)
    assert (x[0] != x[1]).any()


def test_noise_and_shear_and_erasing_change_images_but_no_label() -> None:
    variants: list[dict[str, ParamValue]] = [{"noise": 0.1}, {"shear": 0.3}, {"erasing": 1.0}]
    for params in variants:
        x, y = augment(params)
        assert (x != IMAGES).any(axis=(1, 2, 3)).mean() > 0.9, params
        np.testing.assert_array_equal(y, LABELS)


def test_erasing_blanks_a_rectangle_with_the_mean() -> None:
    x, _ = augment({"erasing": 1.0})
    means = np.round(IMAGES.mean(axis=(1, 2, 3), keepdims=True))
    changed = x != IMAGES
    assert (np.where(changed, x, means) == means).all()
    assert (changed.mean(axis=(1, 2, 3)) < 0.25).all()


def test_mixup_mixes_images_and_labels_by_the_same_share() -> None:
    x, y = augment({"mixup": 0.4})
    share = np.where((LABELS[::-1] == LABELS).all(axis=1), np.nan, (y * LABELS).sum(axis=1))[
        :, None, None, None
    ]
    expected = IMAGES * share + IMAGES[::-1] * (1 - share)
    known = ~np.isnan(share[:, 0, 0, 0])
    assert known.any()
    np.testing.assert_allclose(x[known], expected[known], atol=1)
    np.testing.assert_allclose(y.sum(axis=1), 1, atol=1e-5)


def test_cutmix_pastes_a_square_and_its_share_of_the_label() -> None:
    x, y = augment({"cutmix": 1.0})
    pasted = (x != IMAGES).mean(axis=(1, 2, 3))
    other = np.where((x == IMAGES) | (x == IMAGES[::-1]), 0, 1)
    assert other.sum() == 0
    differs = ~(LABELS[::-1] == LABELS).all(axis=1)
    np.testing.assert_allclose(1 - (y * LABELS).sum(axis=1)[differs], pasted[differs], atol=0.03)
    assert pasted.max() > 0.1


def test_the_seed_decides_and_the_step_varies() -> None:
    params: dict[str, ParamValue] = {"rotation": 20.0, "noise": 0.1, "mixup": 0.3, "erasing": 0.5}
    first, again = augment(params), augment(params)
    np.testing.assert_array_equal(first[0], again[0])
    np.testing.assert_array_equal(first[1], again[1])
    assert (augment(params, step=1)[0] != first[0]).any()
    assert (augment(params, seed=2)[0] != first[0]).any()
