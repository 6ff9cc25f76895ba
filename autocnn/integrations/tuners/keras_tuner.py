"""A search space and its networks as a HyperModel, for a KerasTuner script of one's own."""

import importlib.util
from typing import Any

import keras
import keras_tuner
import numpy as np

from autocnn.core.errors import MissingExtraError
from autocnn.core.extras import install_line
from autocnn.core.records import ParamValue
from autocnn.integrations.tuners.fitting import METRICS, fit_model
from autocnn.spaces.files import load_space
from autocnn.spaces.space import SearchSpace
from autocnn.training.networks import build_model
from autocnn.training.networks.compiling import compile_model
from autocnn.tuning.engines.keras_tuner_space import add_space, read_point


class AutoCNNHyperModel(keras_tuner.HyperModel):  # type: ignore[misc]
    """Networks of a space for any tuner of KerasTuner, trained as a study trains them.

    `tuner.search(x, y, validation_data=..., epochs=...)` with uint8 images (n, height, width,
    channels) and class numbers or one-hot labels uses everything that the params say of
    training, see `fitting.fit_model`. A dataset of one's own, with one-hot labels, is trained as
    it comes, at a constant learning rate.

    Args:
        space: A space, or the name or path of one. Its image size is held to `image_shape`.
        image_shape: (height, width, channels).
        num_classes: At least 2.
        weights: For the `pretrained` family: `imagenet`, a file, or None for random.
        name: Of the HyperModel.

    Raises:
        SpaceError: When there is no such space.
        MissingExtraError: Without TensorBoard, which KerasTuner imports before each trial.
    """

    def __init__(
        self,
        space: SearchSpace | str,
        image_shape: tuple[int, int, int],
        num_classes: int,
        *,
        weights: str | None = "imagenet",
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        if importlib.util.find_spec("tensorboard") is None:
            raise MissingExtraError(
                "KerasTuner: its tuners need the package tensorboard, got none.",
                remedy=install_line("tensorboard"),
            )
        loaded = load_space(space) if isinstance(space, str) else space
        self.space = loaded.narrow("image_size", [image_shape[0]])
        self.image_shape = image_shape
        self.num_classes = num_classes
        self.weights = weights

    def params(self, hp: Any) -> dict[str, ParamValue]:
        """The point of the space that hyperparameters stand for; declares it in them.

        Args:
            hp: A `keras_tuner.HyperParameters`, e.g. `tuner.get_best_hyperparameters()[0]`.
        """
        add_space(self.space, hp)
        return read_point(self.space, hp.values)

    def build(self, hp: Any) -> keras.Model:
        """A compiled network; its labels are one-hot.

        Args:
            hp: Gets every parameter of the space.
        """
        params = self.params(hp)
        model = build_model(params, self.image_shape, self.num_classes, weights=self.weights)
        compile_model(model, params, metrics=METRICS)
        return model

    def fit(self, hp: Any, model: keras.Model, *args: Any, **kwargs: Any) -> Any:
        """Train a network with its params; what KerasTuner calls in each trial.

        Args:
            hp: Of the trial.
            model: From `build`.
            args: What `search` was called with: images and labels, or a dataset.
            kwargs: `validation_data` or `validation_split`, `epochs`, `batch_size`,
                `callbacks`, ... as in Keras.

        Raises:
            UsageError: When images or labels are of another kind.
        """
        arguments = dict(zip(("x", "y"), args, strict=False)) | kwargs
        x, y = arguments.pop("x", None), arguments.pop("y", None)
        if not isinstance(x, np.ndarray) or y is None:
            return model.fit(*args, **kwargs)
        num_train = int(len(x) * (1.0 - arguments.pop("validation_split", 0.0)))
        if num_train < len(x):  # the last ones are val, and as many as in Keras
            arguments["validation_data"] = x[num_train:], y[num_train:]
            x, y = x[:num_train], y[:num_train]
        return fit_model(model, self.params(hp), x, y, **arguments)
