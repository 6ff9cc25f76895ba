"""Writes a model in another format, inside a worker process: converters talk, leak and crash."""

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from autocnn.execution.tasks import ExportResult, ExportTask
from autocnn.inference.export.graphs import PROBABILITIES, ServedModel, keras_graph, lite_graph
from autocnn.inference.metadata import has_own_layers
from autocnn.training.networks.inference import compile_prediction, predict_rows
from autocnn.training.train import Report, configure_tensorflow

OPSET = 18
"""Of ONNX: December 2022, so that runtimes of the last years read it."""

NUM_CALIBRATION = 200
"""Images that the ranges of int8 are set by."""


def convert(task: ExportTask, report: Report) -> ExportResult:
    """Write a candidate's model in the format of a task, and what the candidate predicts.

    Args:
        task: Model, images, format.
        report: Not called: there are no epochs.
    """
    configure_tensorflow(threads=task.threads)
    if task.own_model is not None:
        task.own_model.register()
    model = keras.saving.load_model(task.model_path, compile=False, safe_mode=True)
    images: NDArray[np.uint8] = np.load(task.images_path, mmap_mode="r")
    reference = predict_rows(compile_prediction(model), images, np.arange(len(images)))
    np.save(task.reference_path, reference)
    if task.format == "keras":
        keras_graph(model, fit=task.fit).save(task.target_path)
        return ExportResult((PROBABILITIES,), has_own_layers(task.target_path))
    if task.format == "litert":
        is_int8 = task.precision == "int8"
        calibration = images[:NUM_CALIBRATION] if task.activations == "int8" else None
        task.target_path.write_bytes(
            convert_to_lite(lite_graph(model), calibration=calibration, has_int8_weights=is_int8)
        )
        return ExportResult((PROBABILITIES,))
    served = ServedModel(model, task.familiarity_path, fit=task.fit)
    if task.format == "savedmodel":
        signatures = {"serving_default": served.serve}
        tf.saved_model.save(served, str(task.target_path), signatures=signatures)
    else:
        task.target_path.write_bytes(convert_to_onnx(served))
    return ExportResult(served.outputs)


def convert_to_onnx(served: ServedModel) -> bytes:
    """The content of an .onnx file.

    Args:
        served: The model; its constants become part of the file.
    """
    import onnx
    import tf2onnx

    proto, _ = tf2onnx.convert.from_function(
        served.serve,
        input_signature=served.serve.input_signature,
        opset=OPSET,
        custom_op_handlers={"Erfc": (_convert_erfc, [])},
    )
    # tf2onnx makes an input of every tensor that a layer made outside of the graph, as
    # EfficientNet's normalisation does.
    captures = served.serve.get_concrete_function().graph.captures
    values = {inner.name: outer for outer, inner in captures if outer.dtype != tf.resource}
    for given in [one for one in proto.graph.input if one.name in values]:
        array = onnx.numpy_helper.from_array(values[given.name].numpy(), given.name)
        proto.graph.initializer.append(array)
        proto.graph.input.remove(given)
    content: bytes = proto.SerializeToString()
    return content


def _convert_erfc(context: Any, node: Any, name: str, args: Any) -> Any:
    """1 - erf(x), in GELU: tf2onnx would leave TensorFlow's own operation in the file."""
    one = context.make_const(f"{name}/one", np.array(1.0, np.float32)).output[0]
    erf = context.make_node("Erf", [node.input[0]]).output[0]
    shape, dtype = context.get_shape(node.output[0]), context.get_dtype(node.output[0])
    outputs = node.output
    context.remove_node(node.name)
    return context.make_node(
        "Sub", [one, erf], name=name, outputs=outputs, shapes=[shape], dtypes=[dtype]
    )


def convert_to_lite(
    lite: keras.Model,
    *,
    calibration: NDArray[np.uint8] | None = None,
    has_int8_weights: bool = False,
) -> bytes:
    """The content of a .tflite file; without the options all is float32.

    Args:
        lite: From `graphs.lite_graph`.
        calibration: uint8 (n, height, width, channels): weights and activations become int8,
            in the ranges that these images have; operations without an int8 kind stay in
            float, and so do the probabilities.
        has_int8_weights: Whether the weights alone become int8.
    """
    converter = tf.lite.TFLiteConverter.from_keras_model(lite)
    if calibration is not None or has_int8_weights:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if calibration is not None:

        def representative() -> Iterator[list[Any]]:
            for image in calibration:
                yield [image[None]]

        converter.representative_dataset = representative
        converter.target_spec.supported_ops = [
            tf.lite.OpsSet.TFLITE_BUILTINS_INT8,
            tf.lite.OpsSet.TFLITE_BUILTINS,
        ]
    content: bytes = converter.convert()
    return content
