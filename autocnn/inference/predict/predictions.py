"""What a model says of some images."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from autocnn.core.records import OperatingPoint
from autocnn.core.wording import count, first_few
from autocnn.metrics.operating_point import DIGITS, decide

if TYPE_CHECKING:
    import pandas as pd

Kind = TypeVar("Kind", bound=np.generic)

__all__ = ["DIGITS", "Predictions"]


NUM_ROWS = 20
"""Of answers that a notebook shows."""


@dataclass(frozen=True, eq=False)
class Predictions:
    """Answers for n images, in the order that they were given.

    Attributes:
        names: (n,) The path of each, or `images[3]`.
        class_names: In the order of the probabilities.
        probabilities: (n, classes) float32; NaN where an image could not be read.
        is_unsure: (n,) Whether the largest probability is below the threshold that was asked for:
            the answer does not count then.
        distances: (n,) float32, how unlike the training images each is, NaN where it could
            not be read; None where the model cannot say.
        is_unlike: (n,) Whether that is farther than nearly all of val; None as `distances`.
        errors: (n,) Why an image could not be read, None where it could.
        point: How the class was decided, where that is not by the largest probability alone.
    """

    names: tuple[str, ...]
    class_names: tuple[str, ...]
    probabilities: NDArray[np.float32]
    is_unsure: NDArray[np.bool_]
    distances: NDArray[np.float32] | None
    is_unlike: NDArray[np.bool_] | None
    errors: tuple[str | None, ...]
    point: OperatingPoint | None = None

    def __len__(self) -> int:
        return len(self.names)

    def __repr__(self) -> str:
        counts = Counter(label for label in self.predicted if label).most_common()
        errors = count(sum(error is not None for error in self.errors), "error")
        facts = [first_few([f"{label} {number:,}" for label, number in counts]), errors]
        images = count(len(self), "image")
        return f"Predictions({images}: {'; '.join(filter(None, facts))}; see to_frame())"

    def _repr_html_(self) -> str:
        """The rows of `to_frame`, the first and the last where there are many."""
        html: str = self.to_frame().to_html(max_rows=NUM_ROWS, notebook=True)
        return html

    @property
    def choices(self) -> NDArray[np.int64]:
        """(n,) Index of the predicted class: the most probable, or by the operating point."""
        shares = np.nan_to_num(self.probabilities, nan=-1)
        if self.point is None or self.point.label is None:
            best: NDArray[np.int64] = shares.argmax(axis=1)
            return best
        place = self.class_names.index(self.point.label)
        return decide(shares, place, self.point.threshold).astype(np.int64)

    @property
    def predicted(self) -> tuple[str, ...]:
        """(n,) The predicted class, sure or not; empty where there is an error."""
        return tuple(
            "" if error is not None else self.class_names[index]
            for index, error in zip(self.choices.tolist(), self.errors, strict=True)
        )

    @property
    def confidences(self) -> NDArray[np.float32]:
        """(n,) Probability of the predicted class; NaN where there is an error."""
        places = self.choices[:, np.newaxis]
        chosen: NDArray[np.float32] = np.take_along_axis(self.probabilities, places, axis=1)
        return chosen[:, 0]

    def to_frame(self) -> "pd.DataFrame":
        """A row per image, with a column `p.<class>` per class at the end.

        The others: path, predicted (also where it is `unsure`), probability, unsure, unlike,
        distance, error. What was not measured is missing.
        """
        import pandas as pd

        is_read = np.array([error is None for error in self.errors], bool)

        def told(values: NDArray[np.bool_] | None) -> object:
            """Yes, no, or missing where the image could not be read."""
            if values is None:
                return None
            return pd.arrays.BooleanArray(values, ~is_read, copy=True)  # the frame may be changed

        columns = {
            # As objects: a file name that is no UTF-8 fits no other kind of text column.
            "path": pd.Series(self.names, dtype=object),
            "predicted": [name or None for name in self.predicted],
            "probability": self.confidences,
            "unsure": told(self.is_unsure),
            "unlike": told(self.is_unlike),
            "distance": None if self.distances is None else self.distances,
            "error": list(self.errors),
        }
        shares = {
            f"p.{name}": self.probabilities[:, place] for place, name in enumerate(self.class_names)
        }
        return pd.DataFrame(columns | shares, index=range(len(self)))

    def part(self, start: int, stop: int) -> "Predictions":
        """The answers from one place up to another."""
        some = slice(start, stop)
        return Predictions(
            names=self.names[some],
            class_names=self.class_names,
            probabilities=self.probabilities[some],
            is_unsure=self.is_unsure[some],
            distances=None if self.distances is None else self.distances[some],
            is_unlike=None if self.is_unlike is None else self.is_unlike[some],
            errors=self.errors[some],
            point=self.point,
        )

    @classmethod
    def joined(cls, parts: Sequence["Predictions"]) -> "Predictions":
        """One after another; at least one, all of the same model."""
        first = parts[0]
        return cls(
            names=tuple(name for part in parts for name in part.names),
            class_names=first.class_names,
            probabilities=np.concatenate([part.probabilities for part in parts]),
            is_unsure=np.concatenate([part.is_unsure for part in parts]),
            distances=_joined([part.distances for part in parts]),
            is_unlike=_joined([part.is_unlike for part in parts]),
            errors=tuple(error for part in parts for error in part.errors),
            point=first.point,
        )


def _joined(parts: Sequence[NDArray[Kind] | None]) -> NDArray[Kind] | None:
    """None where a part has none: the model cannot say, though it did not come to it in others."""
    found = [part for part in parts if part is not None]
    return np.concatenate(found) if len(found) == len(parts) else None
