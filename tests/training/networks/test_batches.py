from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.framework.kernels import get_registered_kernels_for_op

from autocnn.core.records import ParamValue
from autocnn.spaces.knobs import Settings
from autocnn.training.networks.batches import class_weights, training_batches
from autocnn.training.networks.stored_images import images_on_gpu
from tests.training.networks.test_augmentation import OFF

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (40, 12, 12, 3), dtype=np.uint8)
LABELS = RNG.integers(0, 3, 40)
ROWS = RNG.permutation(40)[:23]
SEED = (0, 7)

ALL: dict[str, ParamValue] = {
    "flip": "both",
    "rotation": 20.0,
    "zoom": 0.2,
    "shift": 0.1,
    "shear": 0.1,
    "brightness": 0.2,
    "contrast": 0.2,
    "noise": 0.05,
    "erasing": 0.5,
    "mixup": 0.3,
    "cutmix": 0.5,
    "imbalance": "class_weights",
}


def test_class_weights_are_1_in_the_mean_over_the_images() -> None:
    settings = Settings({"imbalance": "class_weights"})
    for counts in ([30, 60, 10], [30, 60, 0], [1, 0, 0]):
        labels = np.repeat(np.arange(3), counts)
        weights = class_weights(labels, 3, settings)
        assert weights[labels].mean() == pytest.approx(1), "also where a fold lacks a class"
        shares = [count * weight for count, weight in zip(counts, weights, strict=True) if count]
        assert shares == pytest.approx([len(labels) / len(shares)] * len(shares))
    assert class_weights(labels, 3, Settings({})).tolist() == [1, 1, 1]


def test_class_weights_hold_in_mixed_images() -> None:
    """Each class has its part of the loss, also where a rare one is mixed with a common one."""
    labels = np.repeat([0, 1], [90, 10])
    images = np.zeros((100, 8, 8, 1), np.uint8)
    settings = Settings({"mixup": 4.0, "imbalance": "class_weights"})
    batches = training_batches(
        images,
        labels,
        np.arange(100),
        settings,
        num_classes=2,
        batch_size=50,
        epochs=40,
        done=0,
        seed=(0,),
    )
    parts, totals = np.zeros(2), []
    for _, y, weight in batches:
        np.testing.assert_allclose(y.numpy().sum(axis=1), 1, atol=1e-5)
        parts += (y.numpy() * weight.numpy()[:, None]).sum(axis=0)
        totals.append(weight.numpy().mean())
    assert parts / parts.sum() == pytest.approx([0.5, 0.5], abs=0.02)
    assert np.mean(totals) == pytest.approx(1, abs=0.02)


class Network:
    """Takes what its training step is given for what it learned."""

    def train_step(self, batch: Any) -> Any:
        return batch


def make(
    params: dict[str, ParamValue], *, done: int = 0, model: Any = None, stored: Any = None
) -> tf.data.Dataset:
    """Batches of 5 in three epochs."""
    return training_batches(
        IMAGES,
        LABELS,
        ROWS,
        Settings({**OFF, **params}),
        num_classes=3,
        batch_size=5,
        epochs=3,
        done=done,
        seed=SEED,
        model=model,
        stored=stored,
    )


def test_the_order_of_an_epoch_is_that_of_its_seed() -> None:
    batches = [batch[0].numpy() for batch in make({})]
    assert len(batches) == 3 * 4, "whole batches"
    for epoch in range(3):
        rows = np.random.default_rng((*SEED, epoch)).permutation(ROWS)[:20]
        np.testing.assert_array_equal(
            np.concatenate(batches[4 * epoch : 4 * epoch + 4]), IMAGES[rows]
        )


def test_what_was_trained_is_left_out() -> None:
    whole, rest = list(make(ALL)), list(make(ALL, done=1))
    assert len(rest) == 8
    for one, other in zip(whole[4:], rest, strict=True):
        for expected, found in zip(one, other, strict=True):
            np.testing.assert_array_equal(found, expected)


@pytest.fixture
def stored(as_on_a_gpu: None) -> Iterator[Any]:
    """The images of the rows where those on a GPU would be."""
    with images_on_gpu(IMAGES, ROWS) as variable:
        yield variable


@pytest.mark.parametrize(("params", "done"), [({}, 0), (ALL, 0), (ALL, 2)])
def test_the_training_step_makes_the_same_batches(
    stored: Any, params: dict[str, ParamValue], done: int
) -> None:
    network = Network()
    loaded = list(make(params, done=done, model=network, stored=stored))
    assert all(len(batch[0].shape) == 1 for batch in loaded), "places, no images"
    step = tf.function(network.train_step, autograph=False)
    for batch, expected in zip(loaded, make(params, done=done), strict=True):
        images, labels, weights = step(batch)
        assert images.dtype == tf.uint8
        apart = np.abs(images.numpy().astype(int) - expected[0].numpy())
        assert apart.max() <= 1 and apart.mean() < 0.01, "but for rounding"
        np.testing.assert_allclose(labels, expected[1], atol=1e-6)
        np.testing.assert_allclose(weights, expected[2], atol=1e-6)


def runs_on_gpu(operation: Any) -> bool:
    """Whether TensorFlow was built with a kernel for a GPU for an operation of such types."""
    return any(
        kernel.device_type in ("GPU", "DEFAULT")
        and all(
            operation.get_attr(rule.name).as_datatype_enum in rule.allowed_values.list.type
            for rule in kernel.constraint
        )
        for kernel in get_registered_kernels_for_op(operation.type).kernel
    )


@pytest.mark.skipif(
    not tf.sysconfig.get_build_info()["is_cuda_build"], reason="TensorFlow without CUDA"
)
def test_a_gpu_can_make_the_batches(stored: Any) -> None:
    """An operation without a kernel there would bring all images back, step after step."""
    network = Network()
    batches = make(ALL, model=network, stored=stored)
    step = tf.function(network.train_step, autograph=False)
    graph = step.get_concrete_function(batches.element_spec).graph
    operations = [one for one in graph.get_operations() if one.device != "/device:CPU:0"]
    assert {"ResourceGather", "ImageProjectiveTransformV3"} <= {one.type for one in operations}
    missing = {one.type for one in operations if not runs_on_gpu(one)}
    assert not missing - {"Placeholder"}
