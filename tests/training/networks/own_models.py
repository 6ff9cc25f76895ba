"""Models of somebody's own, right and wrong ones."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from keras import layers

Shape = tuple[int, int, int]


@keras.saving.register_keras_serializable("own_models")
class Scale(layers.Layer):  # type: ignore[misc]
    """A weight per channel."""

    def build(self, shape: Any) -> None:
        self.scale = self.add_weight(shape=(shape[-1],), initializer="ones", name="scale")

    def call(self, images: Any) -> Any:
        return images * self.scale


class Unregistered(layers.Layer):  # type: ignore[misc]
    def call(self, images: Any) -> Any:
        return images * 2


@keras.saving.register_keras_serializable("own_models")
class Forgetful(layers.Layer):  # type: ignore[misc]
    """It does not say what it was made with."""

    def __init__(self, factor: float = 1.0, **options: Any) -> None:
        super().__init__(**options)
        self.factor = factor

    def call(self, images: Any) -> Any:
        return images * self.factor

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name}


@keras.saving.register_keras_serializable("own_models")
class OnNumpy(layers.Layer):  # type: ignore[misc]
    def call(self, images: Any) -> Any:
        return images * np.asarray(images).mean()

    def compute_output_spec(self, images: Any) -> Any:
        return keras.KerasTensor(images.shape, images.dtype)


def cnn(params: Mapping[str, Any], image_shape: Shape, num_classes: int) -> keras.Model:
    """A functional model with a layer of its own, float images."""
    images = keras.Input(image_shape)
    x = layers.Rescaling(1 / 255)(images)
    for _ in range(params.get("depth", 1)):
        x = layers.Conv2D(params.get("filters", 8), 3, padding="same", activation="relu")(x)
        x = Scale()(layers.BatchNormalization()(x))
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(images, layers.Dense(num_classes, activation="softmax")(x))


def bytes_in(params: Any, image_shape: Shape, num_classes: int) -> keras.Model:
    """A Sequential that takes uint8 and has its softmax apart, as mixed precision asks for."""
    return sequential(
        image_shape,
        layers.Rescaling(1 / 255),
        layers.Conv2D(8, 3, activation="relu"),
        layers.Flatten(),
        layers.Dense(num_classes),
        layers.Activation("softmax", dtype="float32"),
        dtype="uint8",
    )


def nested(params: Any, image_shape: Shape, num_classes: int) -> keras.Model:
    """A Sequential inside, a head without bias, and no word on the size of the image."""
    inner = keras.Sequential([layers.Conv2D(8, 3, activation="relu"), layers.Conv2D(4, 3)])
    images = keras.Input((None, None, image_shape[-1]))
    x = layers.GlobalMaxPooling2D()(inner(images))
    return keras.Model(images, layers.Softmax()(layers.Dense(num_classes, use_bias=False)(x)))


def mlp(params: Any, image_shape: Shape, num_classes: int) -> keras.Model:
    """Without a feature map."""
    return flat(image_shape, layers.Dense(num_classes, activation="softmax"))


def nothing(params: Any, image_shape: Shape, num_classes: int) -> None:
    """It forgot to return."""


def unbuilt(params: Any, image_shape: Shape, num_classes: int) -> keras.Model:
    return keras.Sequential([layers.Dense(num_classes, activation="softmax")])


class Subclass(keras.Model):  # type: ignore[misc]
    def call(self, images: Any) -> Any:
        return images


def subclass(params: Any, image_shape: Shape, num_classes: int) -> keras.Model:
    return Subclass()


def two_outputs(params: Any, image_shape: Shape, num_classes: int) -> keras.Model:
    model = mlp(params, image_shape, num_classes)
    return keras.Model(model.inputs, [model.outputs[0], model.outputs[0]])


def other_input(params: Any, image_shape: Shape, num_classes: int) -> keras.Model:
    return mlp(params, (32, 32, 3), num_classes)


def one_output(params: Any, image_shape: Shape, num_classes: int) -> keras.Model:
    return flat(image_shape, layers.Dense(1, activation="sigmoid"))


def logits(params: Any, image_shape: Shape, num_classes: int) -> keras.Model:
    return flat(image_shape, layers.Dense(num_classes))


def conv_head(params: Any, image_shape: Shape, num_classes: int) -> keras.Model:
    return sequential(
        image_shape,
        layers.Conv2D(num_classes, 1),
        layers.GlobalAveragePooling2D(),
        layers.Softmax(),
    )


def failing(params: Mapping[str, Any], image_shape: Shape, num_classes: int) -> keras.Model:
    return params["no_such_name"]


def unregistered(params: Any, image_shape: Shape, num_classes: int) -> keras.Model:
    return flat(image_shape, Unregistered(), layers.Dense(num_classes, activation="softmax"))


def forgetful(params: Any, image_shape: Shape, num_classes: int) -> keras.Model:
    return flat(
        image_shape,
        layers.Rescaling(1 / 255),
        Forgetful(3.0),
        layers.Dense(num_classes, activation="softmax"),
    )


def infinite(params: Any, image_shape: Shape, num_classes: int) -> keras.Model:
    return flat(
        image_shape, layers.Rescaling(float("inf")), layers.Dense(num_classes, activation="softmax")
    )


def on_numpy(params: Any, image_shape: Shape, num_classes: int) -> keras.Model:
    return flat(image_shape, OnNumpy(), layers.Dense(num_classes, activation="softmax"))


def frozen(params: Any, image_shape: Shape, num_classes: int) -> keras.Model:
    model = mlp(params, image_shape, num_classes)
    model.trainable = False
    return model


def flat(image_shape: Shape, *then: keras.Layer) -> keras.Model:
    return sequential(image_shape, layers.Flatten(), *then)


def sequential(image_shape: Shape, *then: keras.Layer, dtype: str = "float32") -> keras.Model:
    return keras.Sequential([keras.Input(image_shape, dtype=dtype), *then])
