"""Keras on TensorFlow, whatever the user's own Keras is set to."""

import importlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from autocnn.core.errors import UsageError

BACKEND = "KERAS_BACKEND"


@contextmanager
def on_tensorflow() -> Iterator[None]:
    """Inside, what imports Keras gets it on TensorFlow; importing TensorFlow does so too.

    KERAS_BACKEND comes before keras.json, and Keras reads both but once, when it is imported.
    """
    before = os.environ.get(BACKEND)
    os.environ[BACKEND] = "tensorflow"
    try:
        yield
    finally:
        if before is None:
            del os.environ[BACKEND]
        else:
            os.environ[BACKEND] = before


def import_keras() -> ModuleType:
    """Keras on TensorFlow; `~/.keras/keras.json` and the environment stay as they are.

    Raises:
        UsageError: When this process has imported Keras on another backend.
    """
    with on_tensorflow():
        keras = importlib.import_module("keras")
    backend = keras.config.backend()
    if backend != "tensorflow":
        raise UsageError(
            f"Keras must run on TensorFlow to load this model, got {backend}, with which this "
            "process has imported it.",
            remedy="Set KERAS_BACKEND=tensorflow before Keras is imported, or load the model in "
            "another process; searches run in processes of their own anyway.",
        )
    return keras
