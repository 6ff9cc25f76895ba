"""How far an image is from the training images, as the model sees them.

A classifier gives a sure answer to noise, too: its probabilities say nothing about images that
it was never trained for. In the space of its last features, what resembles no training image
lies far from all of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from autocnn.core.archives import BROKEN_ARCHIVE, read_arrays
from autocnn.core.arrays import FloatArray, IntArray
from autocnn.core.records.exports import Familiarity

NUM_REFERENCE = 512
"""Training images that distances are measured to: 512 features of 256 numbers are 0.5 MB."""

MOST_NEIGHBOURS = 5
"""The distance is that to the fifth nearest, so that a single stray reference hides nothing."""

VAL_PERCENTILE = 99
"""Of the val images, this percentage counts as familiar."""

QUANTILE_DIGITS = 6
"""Decimal places of the distances that are kept of a study."""

CHUNK = 4096
"""Images whose distances are computed at once."""


@dataclass(frozen=True, eq=False)
class Reference:
    """What familiarity is measured with: the content of familiarity.npz.

    Attributes:
        features: (m, d) float32 of length 1, of training images.
        facts: Neighbours, threshold, and the shares of val and test beyond it.
    """

    features: NDArray[np.float32]
    facts: Familiarity

    def is_unlike(self, features: FloatArray) -> NDArray[np.bool_]:
        """(n,) Whether each image is unlike the training images, by its (n, d) unit features."""
        distances = neighbour_distances(features, self.features, self.facts.neighbours)
        unlike: NDArray[np.bool_] = distances > self.facts.threshold
        return unlike

    def arrays(self) -> Mapping[str, NDArray[np.generic]]:
        """Name -> array, for an .npz; a share that was not measured is absent."""
        facts = self.facts
        arrays: dict[str, NDArray[np.generic]] = {
            "reference": self.features,
            "neighbours": np.array(facts.neighbours),
            "threshold": np.array(facts.threshold),
            "val_share": np.array(facts.val_share),
        }
        if facts.test_share is not None:
            arrays["test_share"] = np.array(facts.test_share)
        if facts.unseen_share is not None:
            arrays["unseen_share"] = np.array(facts.unseen_share)
            arrays["unseen_quantiles"] = np.array(facts.unseen_quantiles)
            arrays["num_unseen"] = np.array(facts.num_unseen)
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]]) -> "Reference":
        """What `arrays` gave.

        Raises:
            KeyError, TypeError, ValueError: When it is no such thing.
        """
        features = np.asarray(arrays["reference"], np.float32)
        has_unseen = "unseen_share" in arrays
        facts = Familiarity(
            neighbours=int(arrays["neighbours"]),
            num_reference=len(features),
            threshold=float(arrays["threshold"]),
            val_share=float(arrays["val_share"]),
            test_share=float(arrays["test_share"]) if "test_share" in arrays else None,
            unseen_share=float(arrays["unseen_share"]) if has_unseen else None,
            unseen_quantiles=tuple(arrays["unseen_quantiles"].tolist()) if has_unseen else (),
            num_unseen=float(arrays["num_unseen"]) if has_unseen else 0,
        )
        return cls(features, facts)


def choose_reference(
    labels: NDArray[np.integer], number: int = NUM_REFERENCE, *, seed: int
) -> NDArray[np.int64]:
    """Positions of random images, as many of every class as there are to be had.

    Args:
        labels: (n,) Classes.
        number: Images wanted, at least 1.
        seed: The same seed gives the same positions.

    Returns:
        (min(number, n),) Ascending.

    >>> labels = np.array([0] * 90 + [1] * 10)
    >>> np.bincount(labels[choose_reference(labels, 30, seed=0)]).tolist()
    [20, 10]
    """
    order = np.random.default_rng(seed).permutation(len(labels))
    place = np.empty(len(labels), np.int64)
    for label in np.unique(labels):
        members = order[labels[order] == label]
        place[members] = np.arange(len(members))
    return np.sort(order[np.argsort(place[order], kind="stable")[:number]]).astype(np.int64)


def choose_neighbours(num_reference: int, num_classes: int) -> int:
    """Which neighbour counts: the fifth, or a nearer one where classes have fewer than ten.

    >>> [choose_neighbours(512, classes) for classes in (2, 100, 1000)]
    [5, 2, 1]
    """
    return max(1, min(MOST_NEIGHBOURS, num_reference // (2 * num_classes)))


def neighbour_distances(
    features: FloatArray, reference: FloatArray, neighbours: int
) -> NDArray[np.float32]:
    """1 - cosine to the k-th nearest reference.

    Args:
        features: (n, d) of length 1.
        reference: (m, d) of length 1; m at least `neighbours`.
        neighbours: k, 1 for the nearest.

    Returns:
        (n,) 0 for what looks the same, 1 for what has nothing in common.

    Source:
        Sun et al. 2022, arXiv:2204.06507, Out-of-distribution detection with deep nearest
        neighbors.

    >>> reference = np.eye(3)
    >>> neighbour_distances(np.array([[0.6, 0.8, 0.0]]), reference, 2).round(2).tolist()
    [0.4000000059604645]
    """
    place = len(reference) - neighbours
    parts = [np.zeros(0, np.float32)]
    for start in range(0, len(features), CHUNK):
        cosines = features[start : start + CHUNK] @ reference.T
        nearest = np.partition(cosines, place, axis=1)[:, place]
        parts.append((1 - nearest).astype(np.float32))
    return np.concatenate(parts)


def calibrate_familiarity(
    reference: FloatArray,
    val: FloatArray,
    test: FloatArray,
    *,
    num_classes: int,
    judged: IntArray | None = None,
    num_independent: float | None = None,
) -> Reference:
    """The distance beyond which an image counts as unlike the training images.

    The threshold is the 99th percentile of the val images' distances. Where the model was
    retrained on val as well, these lie a little too near: the share of test shows by how much.

    Args:
        reference: (m, d) unit features of training images; m at least 1.
        val: (n, d) unit features of val images; n at least 1.
        test: (n, d) unit features of test images; n at least 1.
        num_classes: Of the study.
        judged: Positions in test of the images without a copy in train or val, at least one; None:
            all.
        num_independent: How many of them count, as copies and images of one group are alike; None:
            all.
    """
    neighbours = choose_neighbours(len(reference), num_classes)
    found = neighbour_distances(val, reference, neighbours)
    threshold = float(np.percentile(found, VAL_PERCENTILE))
    tested = neighbour_distances(test, reference, neighbours)
    unseen = tested if judged is None else tested[judged]
    facts = Familiarity(
        neighbours=neighbours,
        num_reference=len(reference),
        threshold=threshold,
        val_share=float((found > threshold).mean()),
        test_share=float((tested > threshold).mean()),
        unseen_share=float((unseen > threshold).mean()),
        unseen_quantiles=quantiles_of(unseen),
        num_unseen=len(unseen) if num_independent is None else num_independent,
    )
    return Reference(np.asarray(reference, np.float32), facts)


def quantiles_of(distances: FloatArray, *, most: int = 201) -> tuple[float, ...]:
    """At most so many distances that stand for all, evenly spread over their ranks.

    Args:
        distances: (n,) n at least 1.
        most: Of them, at least 2.

    >>> quantiles_of(np.array([0.1, 0.2, 0.4])), len(quantiles_of(np.arange(1000.0)))
    ((0.1, 0.2, 0.4), 201)
    """
    ordered = np.sort(distances.astype(np.float64))
    if len(ordered) > most:
        ordered = np.quantile(ordered, np.linspace(0, 1, most))
    return tuple(ordered.round(QUANTILE_DIGITS).tolist())


def read_reference(path: Path) -> Reference:
    """What stands in a familiarity.npz.

    Raises:
        ValueError: When it is no whole one; the message says why.
    """
    try:
        with path.open("rb") as file:
            return Reference.from_arrays(read_arrays(file))
    except (OSError, KeyError, ValueError, TypeError, *BROKEN_ARCHIVE) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(f"{path}: must be a whole familiarity.npz, got: {reason}.") from error
