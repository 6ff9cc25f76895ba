"""Ensembles of constructed predictions, and how sure they are."""

import numpy as np
import pytest

from autocnn.core.arrays import DoubleArray, IntArray
from autocnn.metrics import ensembles
from autocnn.metrics.calibration import LOWEST_TEMPERATURE, apply_temperature, fit_temperature
from autocnn.metrics.scores import score


def make_models(
    num_models: int, *, num_images: int = 300, seed: int = 0
) -> tuple[IntArray, DoubleArray]:
    """Models of the same skill that err on their own."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 3, num_images)
    logits = generator.normal(size=(num_models, num_images, 3))
    logits[:, np.arange(num_images), labels] += 1.5
    return labels, np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)


def choose_ensemble(labels: IntArray, models: DoubleArray, *, max_picks: int = 20) -> DoubleArray:
    truth = models[:, np.arange(len(labels)), labels]
    return ensembles.choose_ensemble(truth, max_picks=max_picks)


def test_models_that_err_on_their_own_are_averaged() -> None:
    labels, models = make_models(4)
    weights = choose_ensemble(labels, models)
    assert weights.sum() == pytest.approx(1)
    assert (weights > 0.05).all()
    averaged = score(labels, np.tensordot(weights, models, axes=1))
    best = min((score(labels, model) for model in models), key=lambda s: s.log_loss or 0)
    assert averaged.log_loss is not None
    assert best.log_loss is not None
    assert averaged.log_loss < best.log_loss - 0.05


def test_a_model_that_knows_nothing_gets_no_weight() -> None:
    labels, models = make_models(2)
    models = np.concatenate([models, np.full((1, 300, 3), 1 / 3), models[:1, ::-1]])
    weights = choose_ensemble(labels, models)
    assert (weights[:2] > 0.3).all()
    assert weights[2:].tolist() == [0, 0]


def test_copies_of_the_best_add_nothing() -> None:
    labels, models = make_models(1)
    assert choose_ensemble(labels, np.repeat(models, 3, axis=0)).tolist() == [1, 0, 0]


def test_a_weak_model_that_helps_gets_a_small_weight() -> None:
    # The strong one is right but for 5 of 100 images, the weak one knows just those.
    labels = np.zeros(100, dtype=int)
    strong, weak = np.full(100, 0.95), np.full(100, 0.3)
    strong[:5], weak[:5] = 0.01, 0.9
    models = np.stack([np.stack([p, 1 - p], axis=1) for p in (strong, weak)])
    weights = choose_ensemble(labels, models)
    assert 0.05 <= weights[1] <= 0.2
    shares = np.linspace(0, 1, 21)
    losses = [-np.log((1 - s) * strong + s * weak).mean() for s in shares]
    assert weights[1] == pytest.approx(shares[np.argmin(losses)], abs=0.03)


def test_no_more_picks_than_allowed() -> None:
    labels, models = make_models(6)
    assert np.count_nonzero(choose_ensemble(labels, models, max_picks=1)) == 1
    weights = choose_ensemble(labels, models, max_picks=3)
    assert np.count_nonzero(weights) <= 3
    assert ((weights * 6).round(9) % 1 == 0).all()


def test_it_begins_with_the_best_ones_together() -> None:
    # Found by search: of these five, picks one by one end with a worse three than the best.
    labels, models = make_models(5, num_images=8, seed=173)
    truth = models[:, np.arange(8), labels]
    best = np.argsort(-np.log(truth).mean(axis=1))[:3]
    assert np.flatnonzero(choose_ensemble(labels, models, max_picks=3)).tolist() == sorted(best)


def test_one_model_has_all_the_weight() -> None:
    labels, models = make_models(1)
    assert choose_ensemble(labels, models).tolist() == [1]


def test_certain_and_wrong_is_no_error() -> None:
    labels = np.array([0, 1, 1])
    models = np.stack([np.eye(2)[labels], np.eye(2)[1 - labels]])
    assert choose_ensemble(labels, models).tolist() == [1, 0]


def test_the_order_of_the_models_does_not_matter() -> None:
    labels, models = make_models(5)
    order = np.array([3, 1, 4, 0, 2])
    expected = choose_ensemble(labels, models)[order]
    assert choose_ensemble(labels, models[order]) == pytest.approx(expected)


def test_models_that_cannot_be() -> None:
    truth = np.full((2, 3), 0.5)
    for wrong, picks in ((truth[0], 20), (truth[:0], 20), (truth[:, :0], 20), (truth, 0)):
        with pytest.raises(ValueError, match=r"must be \(m, n\) with m, n and max_picks >= 1, got"):
            ensembles.choose_ensemble(wrong, max_picks=picks)


# -- how sure a mean may be --------------------------------------------------------------------


def draw_calibrated(num_models: int, *, seed: int) -> tuple[IntArray, DoubleArray]:
    """Labels, and what models of the same kind say of them, each calibrated on other images."""
    rng = np.random.default_rng(seed)
    truth = 2.0 * rng.normal(size=(4000, 3))
    labels = (truth + rng.gumbel(size=truth.shape)).argmax(axis=1)
    noisy = truth + 1.5 * rng.normal(size=(num_models, *truth.shape))
    models = np.exp(noisy) / np.exp(noisy).sum(axis=-1, keepdims=True)
    half = len(labels) // 2
    return labels[half:], np.stack(
        [apply_temperature(m[half:], fit_temperature(labels[:half], m[:half])) for m in models]
    )


@pytest.mark.parametrize("number", [2, 3, 6])
def test_a_mean_is_as_sure_as_the_mean_of_others_says(number: int) -> None:
    """Three models tell how sure any number of others may be, on images that are new to both."""
    labels, three = draw_calibrated(3, seed=1)
    disagreement = ensembles.fit_disagreement(labels, three.mean(axis=0), num_models=3)
    new_labels, others = draw_calibrated(number, seed=2)
    mean = others.mean(axis=0)
    temperature = ensembles.temperature_of_mean(disagreement, [1 / number] * number)
    before, after, best = (
        score(new_labels, apply_temperature(mean, t)).log_loss or 0.0
        for t in (1.0, temperature, fit_temperature(new_labels, mean))
    )
    assert temperature < 0.95
    assert before - after > 0.8 * (before - best) > 0.001


def test_few_images_and_one_model_tell_nothing_and_equal_ones_that_none_is_apart() -> None:
    labels, models = draw_calibrated(2, seed=3)
    mean = models.mean(axis=0)
    assert ensembles.fit_disagreement(labels, mean, num_models=2) > 0.1
    assert ensembles.fit_disagreement(labels[:199], mean[:199], num_models=2) == 0.0
    assert ensembles.fit_disagreement(labels, models[0], num_models=1) == 0.0
    alike = ensembles.fit_disagreement(labels, models[0], num_models=2)
    assert alike == pytest.approx(0.0, abs=0.1)


def test_weights_count_as_a_number_of_models() -> None:
    assert ensembles.temperature_of_mean(0.3, [1.0]) == 1.0
    assert ensembles.temperature_of_mean(0.3, [0.5, 0.5]) == pytest.approx(0.85)
    assert 0.85 < ensembles.temperature_of_mean(0.3, [0.8, 0.2]) < 1.0
    assert ensembles.temperature_of_mean(1.6, [0.25] * 4) == LOWEST_TEMPERATURE
