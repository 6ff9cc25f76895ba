"""Names for the types of arrays that packages hand to each other."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
"""Images of 0 to 255: (height, width) or (height, width, channels), or n of them."""

IntArray = NDArray[np.integer[Any]]
"""Labels, rows or groups: integers of any size."""

FloatArray = NDArray[np.floating[Any]]
"""Probabilities, maps or scores: floats of any precision."""

DoubleArray = NDArray[np.float64]
"""What is computed in float64."""

BoolArray = NDArray[np.bool_]
"""Masks: which of some items."""

Tensor = Any
"""A tensor of Keras, symbolic or of numbers: Keras has no type for it that mypy could check."""
