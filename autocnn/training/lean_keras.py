"""Imports Keras without the packages that it takes along where they are installed.

For drawing and for scikit-learn's interface Keras 3.15 imports Matplotlib, pandas and scikit-learn,
a third of the time of the import. No worker draws or fits an estimator, and the server that forks
them is what every study waits for; whatever imports them later gets them as ever.
"""

import importlib
import sys
from types import ModuleType

TAKEN_ALONG = ("matplotlib", "pandas", "sklearn")

_absent = [name for name in TAKEN_ALONG if name not in sys.modules]
for _name in _absent:
    sys.modules[_name] = None  # type: ignore[assignment]  # it cannot be imported
try:
    importlib.import_module("keras")
finally:
    for _name in _absent:
        del sys.modules[_name]


def _as_keras_comes(keras: ModuleType) -> None:
    """Undo what the user's own ~/.keras/keras.json says: networks are built for these values."""
    keras.config.set_image_data_format("channels_last")
    keras.config.set_floatx("float32")
    keras.config.set_epsilon(1e-7)


_as_keras_comes(sys.modules["keras"])
