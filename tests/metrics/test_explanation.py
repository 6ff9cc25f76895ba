import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import spearmanr

from autocnn.core.arrays import FloatArray
from autocnn.core.records import ExplainedImage
from autocnn.data.sources.phantoms import make_phantoms
from autocnn.metrics.explanation import (
    MOST_CLASSES,
    border_area,
    border_shares,
    choose_explained,
    explain,
    object_masks,
    outside_shares,
    rank_correlations,
)


def blob(row: float, column: float, *, side: int = 40, spread: float = 3.0) -> FloatArray:
    """A map with all its attention around one place."""
    rows, columns = np.mgrid[:side, :side]
    plane: FloatArray = np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / (2 * spread**2))
    plane /= plane.sum()
    return plane


def disc(*, side: int = 40, radius: float = 12.0, noise: float = 3.0) -> NDArray[np.uint8]:
    """A grey image with a light disc in the middle of a dark background."""
    rows, columns = np.mgrid[:side, :side] - (side - 1) / 2
    rng = np.random.default_rng(0)
    plane = np.where(np.hypot(rows, columns) < radius, 160.0, 20.0)
    return np.clip(plane + rng.normal(0, noise, plane.shape), 0, 255).astype(np.uint8)[..., None]


def test_the_border_of_an_even_map_has_its_area() -> None:
    even = np.full((2, 30, 50), 1 / 1500)
    assert border_shares(even) == pytest.approx([border_area((30, 50))] * 2)
    assert border_area((30, 50)) == pytest.approx(1 - 0.8 * 0.8)
    assert border_area((30, 50), width=0.2) == pytest.approx(1 - 0.6 * 0.6)
    assert border_area((8, 8), width=0.01) == pytest.approx(1 - 6 * 6 / 64)  # 1 px at least


def test_border_shares_tell_a_corner_from_the_middle() -> None:
    shares = border_shares(np.stack([blob(1, 1, spread=1), blob(20, 20)]))
    assert shares[0] > 0.95
    assert shares[1] < 0.001


@pytest.mark.parametrize("invert", [False, True])
@pytest.mark.parametrize("channels", [1, 3])
def test_an_object_is_found_on_a_plain_background(invert: bool, channels: int) -> None:
    image = np.repeat(disc(), channels, axis=-1)
    image[18:22, 18:22] = 20  # a hole
    image[2, 2] = 255  # a speck
    masks = object_masks(np.stack([255 - image if invert else image]))
    rows, columns = np.mgrid[:40, :40] - 19.5
    assert masks.stands_out.all()
    assert (masks.inside[0] == (np.hypot(rows, columns) < 12)).mean() > 0.99
    assert not masks.inside[0, 2, 2]
    assert masks.inside[0, 20, 20]


def test_texture_noise_and_blank_images_have_no_object() -> None:
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (40, 40, 1), dtype=np.uint8)
    ramp = np.broadcast_to(np.linspace(0, 255, 40)[:, None, None], (40, 40, 1)).astype(np.uint8)
    blank = np.full((40, 40, 1), 90, np.uint8)
    masks = object_masks(np.stack([noise, ramp, blank]))
    assert masks.stands_out.tolist() == [False, False, False]
    assert masks.inside.all()
    assert object_masks(np.zeros((0, 8, 8, 1), np.uint8)).inside.shape == (0, 8, 8)


def test_heads_stand_out_from_the_air() -> None:
    masks = object_masks(make_phantoms(6, side=64, seed=3).images[..., None])
    assert masks.stands_out.all()
    assert masks.inside[:, 24:40, 24:40].all()
    assert not masks.inside[:, 0, 0].any()


def test_outside_shares_count_what_is_off_the_object() -> None:
    masks = object_masks(np.stack([disc(), disc()])).inside
    maps = np.stack([blob(20, 20), blob(4, 4, spread=1)])
    assert outside_shares(maps, masks) == pytest.approx([0, 1], abs=0.01)
    even = np.full((2, 40, 40), 1 / 1600)
    assert outside_shares(even, masks) == pytest.approx(1 - masks.mean(axis=(1, 2)))


def test_rank_correlations_agree_with_scipy() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.random((2, 5, 12, 12))
    expected = [
        spearmanr(a.ravel(), b.ravel()).statistic for a, b in zip(first, second, strict=True)
    ]
    assert rank_correlations(first, second) == pytest.approx(expected, abs=1e-9)
    coarse = rng.random((1, 5, 7)).round(1)  # ties, and fewer cells than the grid
    other = rng.random((1, 5, 7))
    expected = [spearmanr(coarse.ravel(), other.ravel()).statistic]
    assert rank_correlations(coarse, other) == pytest.approx(expected, abs=1e-9)


def test_maps_of_other_sizes_are_compared_on_one_grid() -> None:
    small = np.stack([blob(8, 14, side=24)])
    large = np.stack([blob(16.5, 28.5, side=48, spread=6)])
    assert rank_correlations(small, large)[0] > 0.99
    assert rank_correlations(small, 1 - large)[0] < -0.99
    assert rank_correlations(small, np.ones((1, 20, 20)))[0] == 0


def test_the_worst_mistakes_come_first() -> None:
    labels = np.array([0, 0, 0, 0, 0, 1, 1, 2])
    top = [(0, 0.9), (1, 0.5), (2, 0.9), (1, 0.7), (0, 0.6), (1, 0.8), (1, 0.9), (0, 0.6)]
    probabilities = np.full((8, 3), 0.0)
    for row, (label, probability) in enumerate(top):
        probabilities[row] = (1 - probability) / 2
        probabilities[row, label] = probability
    chosen = choose_explained(labels, probabilities, per_class=2, seed=1)
    assert chosen.tolist() == [2, 3, 0, 4, 5, 6, 7]
    few = {tuple(choose_explained(labels, probabilities, per_class=1, seed=s)) for s in range(20)}
    assert {chosen[0] for chosen in few} == {2}
    assert {chosen[1] for chosen in few} == {0, 4}  # right ones: by chance
    assert choose_explained(labels[:0], probabilities[:0]).tolist() == []


def test_a_model_that_looks_at_the_object_has_no_warning() -> None:
    images = np.stack([disc()] * 4)
    maps = np.stack([blob(16 + i, 20) for i in range(4)])
    pictured = ExplainedImage(
        path="a.png",
        label="a",
        predicted="b",
        probability=0.9,
        is_right=False,
        border_share=0.0,
        picture="overlay-01.jpg",
    )
    found = explain(
        images,
        maps,
        predicted=[*"aabb"],
        randomized_maps=1 - maps,
        other_maps=[maps, maps],
        pictured=[pictured],
    )
    assert found.warnings == ()
    assert found.num_images == 4
    assert found.agreement == pytest.approx(1)
    assert found.randomized_similarity == pytest.approx(-1, abs=1e-3)
    assert found.outside_share == pytest.approx(0, abs=0.01)
    assert found.outside_area == pytest.approx(1 - np.pi * 12**2 / 1600, abs=0.02)
    assert found.images == (pictured,)


def test_each_fault_has_its_warning() -> None:
    images = np.stack([disc()] * 4)
    corner = np.stack([blob(1, 1)] * 4)
    found = explain(
        images, corner, predicted=["a"] * 4, randomized_maps=corner, other_maps=[-corner]
    )
    border, outside, similar, apart = found.warnings
    assert border.startswith("92\xa0% of the attention is on the border, 36\xa0% of the image.")
    assert outside.startswith(
        "100\xa0% of the attention is on the background, 72\xa0% of the image."
    )
    assert "hardly change when the weights are random (rank correlation 1.00)" in similar
    assert "other places than the others do (rank correlation -1.00)" in apart


def test_a_mark_of_one_class_is_not_lost_among_the_others() -> None:
    middle, corner = blob(20, 20), blob(2, 2)
    maps = np.stack([middle] * 12 + [0.5 * middle + 0.5 * corner] * 4)
    names = ["glioma"] * 6 + ["notumor"] * 6 + ["pituitary"] * 4
    images = np.random.default_rng(0).integers(0, 256, (16, 40, 40, 1), dtype=np.uint8)
    found = explain(images, maps, predicted=names, randomized_maps=1 - maps)
    (warning,) = found.warnings
    assert "in images predicted as pituitary is on the border, and 0\xa0% in the others" in warning
    assert found.border_share < found.border_area
    few = explain(images[:15], maps[:15], predicted=names[:15], randomized_maps=1 - maps[:15])
    assert few.warnings == ()  # three images are too few


def test_attention_spread_by_chance_raises_no_alarm() -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (60, 40, 40, 1), dtype=np.uint8)
    alarms = 0
    for _ in range(20):
        maps = np.stack([blob(*rng.uniform(0, 40, 2)) for _ in range(60)])
        found = explain(images, maps, predicted=[*"abc"] * 20, randomized_maps=1 - maps)
        alarms += len(found.warnings)
    assert alarms <= 3


def test_without_objects_or_others_nothing_is_said_of_them() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (3, 40, 40, 1), dtype=np.uint8)
    maps = np.stack([blob(20, 20)] * 3)
    found = explain(noise, maps, predicted=[*"abc"], randomized_maps=1 - maps)
    assert (found.outside_share, found.outside_area, found.agreement) == (None, None, None)
    assert found.warnings == ()


@pytest.mark.parametrize(
    ("images", "maps", "randomized", "names"),
    [
        ((0, 8, 8, 1), (0, 8, 8), (0, 8, 8), 0),
        ((2, 8, 8, 1), (2, 8, 9), (2, 8, 9), 2),
        ((2, 8, 8, 1), (2, 8, 8), (1, 8, 8), 2),
        ((2, 8, 8, 1), (2, 8, 8), (2, 8, 8), 3),
    ],
)
def test_maps_must_be_of_the_images(
    images: tuple[int, ...], maps: tuple[int, ...], randomized: tuple[int, ...], names: int
) -> None:
    with pytest.raises(ValueError, match="must be"):
        explain(
            np.zeros(images, np.uint8),
            np.ones(maps),
            predicted=["a"] * names,
            randomized_maps=np.ones(randomized),
        )


def test_of_many_classes_those_with_the_surest_mistakes_are_pictured() -> None:
    labels = np.repeat(np.arange(200), 2)
    probabilities = np.full((400, 200), 1e-4)
    for position, label in enumerate(labels.tolist()):
        answer = (label + position % 2) % 200  # one right, one wrong
        probabilities[position, answer] = 0.5 + 0.4 * label / 200
    chosen = choose_explained(labels, probabilities, per_class=1)
    assert len(chosen) == 2 * MOST_CLASSES
    assert set(labels[chosen].tolist()) == set(range(150, 200))
