"""Where a network looks: class activation maps from gradients, and the same with random weights.

The maps are those of HiResCAM, the Grad-CAM whose gradients are not averaged over the image
before they weigh the activations. On the last feature map the two agree; on the finer maps that
small images need, only HiResCAM points at the right place (docs/decisions/0013-grad-cam.md).
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from autocnn.execution.machine import batch_size_for
from autocnn.training.networks.average import members_of
from autocnn.training.networks.inference import in_batches

MOST_AT_ONCE = 32
"""Images of a batch, unless they are large: gradients need all feature maps at once."""

FEWEST_CELLS = 20
"""Rows and columns that a feature map needs to say where something is; see the decision."""

SMOOTHING = 0.04
"""Standard deviation of the blur, as a fraction of each side: gradients through strided layers
come in a chequered pattern, and a single cell says too little."""

FEWEST_CHANNELS = 4
"""What has fewer is still the image."""

Explain = Callable[[Any, Any], Any]
"""(batch, height, width, channels) uint8 images and (batch,) classes to (batch, height, width)."""


class GradCam:
    """What speaks for a class, place by place; the graphs of a model are built once.

    The evidence for a class is its logit less the mean of all logits, as a softmax only sees
    such differences; probabilities near 1 would have no gradient left. Of each feature map,
    activation times gradient is added up over the channels, and what speaks against the class
    is dropped. A network's map is the mean over its feature maps of at least 20 by 20 cells
    (over its finest where all are smaller), smoothed a little. An averaged model's map is the
    mean of its members' maps, weighted as the model weighs them.

    Args:
        model: Of `build_model`, or of `average_models` over such.

    Raises:
        ValueError: When the model does not end in a Dense softmax layer, or shows no feature
            map.

    Source: Selvaraju et al. 2017, arXiv:1610.02391; Draelos & Carin 2020, arXiv:2011.08891.
    """

    def __init__(self, model: keras.Model) -> None:
        self.num_channels = int(model.input_shape[-1])
        self._explain = _explain_average(model)

    def __call__(
        self, images: NDArray[np.uint8], classes: NDArray[np.integer[Any]]
    ) -> NDArray[np.float32]:
        """The maps of images.

        Args:
            images: (n, height, width, channels) uint8, as the model takes them.
            classes: (n,) The class that each image's map is about, 0 to k - 1.

        Returns:
            (n, height, width) float32, 0 or more, each map adding up to 1. A map is the same
            everywhere when no place speaks for the class.
        """

        def work(part: slice) -> NDArray[np.float32]:
            chosen = tf.constant(classes[part].astype(np.int32))
            maps = np.asarray(self._explain(tf.constant(images[part]), chosen), np.float32)
            # Reflected at the edges: what is on the border stays there.
            blur = [0.0, *(SMOOTHING * side for side in maps.shape[1:])]
            smooth: NDArray[np.float32] = gaussian_filter(maps, blur, mode="reflect")
            return smooth

        batch_size = batch_size_for(*images.shape[1:3], most=MOST_AT_ONCE)
        none = np.zeros((0, *images.shape[1:3]), np.float32)
        return np.concatenate([none, *in_batches(work, len(images), batch_size=batch_size)])


def randomize_weights(model: keras.Model, *, seed: int) -> keras.Model:
    """The same architecture before any training, to see whether maps depend on what was learned.

    Kernels are drawn anew (He normal); biases are 0, and normalisation changes nothing.

    Args:
        model: Of `build_model` or `average_models`; it is not changed.
        seed: The same seed gives the same weights.

    Source: Adebayo et al. 2018, arXiv:1810.03292, model parameter randomisation.
    """
    clone = keras.models.clone_model(model)
    rng = np.random.default_rng(seed)
    for variable in clone.variables:
        if len(variable.shape) > 1:
            draw = keras.initializers.HeNormal(seed=int(rng.integers(2**31)))
            variable.assign(draw(variable.shape, dtype=variable.dtype))
    return clone


def _explain_average(model: keras.Model) -> Explain:
    """The explanation of a model that may average others: layers `member_1`, `member_2`, ...

    `average_models` names a member's weight (`share_1`) and its resizing (`resize_1`) alike;
    members without weights count alike.
    """
    named = {layer.name: layer for layer in model.layers}
    members = members_of(model)
    if not members:
        return _explain_network(model)
    height, width = model.input_shape[1:3]
    weights = {n: float(getattr(named.get(f"share_{n}"), "scale", 1.0)) for n in members}
    parts = [
        (weights[n] / sum(weights.values()), named.get(f"resize_{n}"), _explain_average(member))
        for n, member in members.items()
    ]

    def explain(images: Any, classes: Any) -> Any:
        maps = tf.zeros((len(images), height, width))
        for share, resize, explain_member in parts:
            shown = images if resize is None else resize(images)
            maps += share * _fit(explain_member(shown, classes), height, width)
        return maps

    return explain


def _explain_network(model: keras.Model) -> Explain:
    """The explanation of one network as a graph for batches of any length."""
    opened = _Opened.of(model)
    maps = _fine_maps(opened.cuts)
    head, head_input = opened.head()
    network = keras.Model(opened.inputs, [*maps, head_input])
    height, width = model.input_shape[1:3]
    shape = (None, *model.input_shape[1:])

    @tf.function(  # type: ignore[untyped-decorator]
        autograph=False,
        input_signature=[tf.TensorSpec(shape, tf.uint8), tf.TensorSpec((None,), tf.int32)],
    )
    def explain(images: Any, classes: Any) -> Any:
        pixels = tf.cast(images, tf.float32)
        with tf.GradientTape() as tape:
            tape.watch(pixels)  # a frozen backbone has no trained variable to follow
            *activations, features = network(pixels, training=False)
            logits = tf.matmul(tf.cast(features, tf.float32), head.kernel)
            logits = logits if head.bias is None else logits + head.bias
            evidence = tf.gather(logits, classes, batch_dims=1) - tf.reduce_mean(logits, axis=1)
            total = tf.reduce_sum(evidence)
        gradients = tape.gradient(total, activations)
        found = [
            tf.nn.relu(tf.reduce_sum(tf.cast(gradient * activation, tf.float32), axis=-1))
            for gradient, activation in zip(gradients, activations, strict=True)
        ]
        return sum(_fit(each, height, width) for each in found) / len(found)

    return explain.get_concrete_function()  # type: ignore[no-any-return]


def _fit(maps: Any, height: int, width: int) -> Any:
    """Maps (batch, h, w) at another size, each adding up to 1; flat where all is 0."""
    maps = tf.image.resize(maps[..., None], (height, width), "bilinear")[..., 0]
    total = tf.reduce_sum(maps, axis=(1, 2), keepdims=True)
    flat = tf.ones_like(maps) / (height * width)
    return tf.where(total > 0, tf.math.divide_no_nan(maps, total), flat)


def _fine_maps(cuts: list[Any]) -> list[Any]:
    """The deepest map of each resolution that is fine enough; else the finest there is."""
    deepest = {
        tuple(cut.shape[1:3]): cut
        for cut in cuts
        if len(cut.shape) == 4 and cut.shape[-1] >= FEWEST_CHANNELS
    }
    if not deepest:
        raise ValueError("model must have a feature map of at least 4 channels, got none.")
    enough = min(FEWEST_CELLS, max(min(size) for size in deepest))
    return [cut for size, cut in deepest.items() if min(size) >= enough]


@dataclass
class _Opened:
    """A functional model with its layers' tensors at hand; the layers are shared, not copied.

    Attributes:
        inputs: Its input, float32: gradients may be asked for.
        cuts: Tensors through which all that the image says must pass, first to last. What
            runs beside another branch (squeeze-excitation, a shortcut) is none.
        calls: Layers in the order of their calls, with input and output tensors.
    """

    inputs: Any
    cuts: list[Any] = field(default_factory=list)
    calls: list[tuple[Any, list[Any], Any]] = field(default_factory=list)

    @classmethod
    def of(cls, model: keras.Model) -> "_Opened":
        """Trace a model; models inside it are opened too, unless they are subclasses."""
        if isinstance(model, keras.Sequential) or isinstance(model.input, list):
            model = keras.Model(model.inputs[0], model.outputs[0])  # the same layers
        opened = cls(keras.Input(model.input_shape[1:], dtype="float32"))
        inner_cuts: dict[int, list[Any]] = {}

        def call(layer: Any, *arguments: Any, **keywords: Any) -> Any:
            if isinstance(layer, keras.Sequential) or hasattr(layer, "operations"):
                inner = cls.of(layer)
                *cuts, output = keras.Model(inner.inputs, [*inner.cuts, inner.calls[-1][2]])(
                    arguments[0]
                )
                inner_cuts[len(opened.calls)] = cuts
            else:
                output = layer(*arguments, **keywords)
            opened.calls.append((layer, keras.tree.flatten(arguments), output))
            return output

        keras.models.clone_model(
            model,
            input_tensors=opened.inputs,
            clone_function=lambda layer: layer,
            call_function=call,
        )
        last_use = {
            id(tensor): index
            for index, (_, tensors, _) in enumerate(opened.calls)
            for tensor in tensors
        }
        pending = 0
        for index, (layer, _, output) in enumerate(opened.calls):
            # Nothing before a cut is used after it; a padded map is the one before, shifted.
            if pending <= index and not isinstance(layer, keras.layers.ZeroPadding2D):
                opened.cuts += [*inner_cuts.get(index, []), output]
            pending = max(pending, last_use.get(id(output), 0))
        return opened

    def head(self) -> tuple[keras.layers.Dense, Any]:
        """The last layer, which must give probabilities, and what goes into it."""
        layer, tensors, _ = self.calls[-1]
        if not isinstance(layer, keras.layers.Dense) or (
            layer.activation is not keras.activations.softmax
        ):
            got = f"{type(layer).__name__} {layer.name!r}"
            raise ValueError(f"model must end in a Dense softmax layer, got {got}.")
        return layer, tensors[0]
