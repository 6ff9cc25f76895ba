"""What a model says of some images."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

Kind = TypeVar("Kind", bound=np.generic)

DIGITS = 6
"""Of probabilities in tables; thresholds come from such tables, and are compared so."""


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
    """

    names: tuple[str, ...]
    class_names: tuple[str, ...]
    probabilities: NDArray[np.float32]
    is_unsure: NDArray[np.bool_]
    distances: NDArray[np.float32] | None
    is_unlike: NDArray[np.bool_] | None
    errors: tuple[str | None, ...]

    def __len__(self) -> int:
        return len(self.names)

    @property
    def predicted(self) -> tuple[str, ...]:
        """(n,) The most probable class, sure or not; empty where there is an error."""
        best = np.nan_to_num(self.probabilities, nan=-1).argmax(axis=1)
        return tuple(
            "" if error is not None else self.class_names[index]
            for index, error in zip(best.tolist(), self.errors, strict=True)
        )

    @property
    def confidences(self) -> NDArray[np.float32]:
        """(n,) Probability of the most probable class; NaN where there is an error."""
        largest: NDArray[np.float32] = self.probabilities.max(axis=1)
        return largest

    def to_frame(self) -> "pd.DataFrame":
        """A row per image, with a column `p.<class>` per class at the end.

        The others: path, predicted (also where it is `unsure`), probability, unsure, unlike,
        distance, error. What was not measured is missing.
        """
        import pandas as pd

        columns = {
            # As objects: a file name that is no UTF-8 fits no other kind of text column.
            "path": pd.Series(self.names, dtype=object),
            "predicted": self.predicted,
            "probability": self.confidences,
            "unsure": self.is_unsure,
            "unlike": None if self.is_unlike is None else self.is_unlike,
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
        )


def _joined(parts: Sequence[NDArray[Kind] | None]) -> NDArray[Kind] | None:
    found = [part for part in parts if part is not None]
    return np.concatenate(found) if found else None
