"""Whether new images, without labels, are like those of the study: what a model sees of them.

Three questions: how many are unlike the training images; do they lie farther from them as a whole,
though each may pass; is what they are taken for spread over the classes as it was. None of them
says how often the model is wrong; only labels do. A shift says that its scores may not hold.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from autocnn.core.arrays import DoubleArray, FloatArray
from autocnn.core.records import Familiarity, Interval
from autocnn.core.wording import count, fraction_interval, p_value
from autocnn.metrics.familiarity import QUANTILE_DIGITS
from autocnn.metrics.intervals import SIGNIFICANCE, Z_95, difference_interval, wilson_interval

LEAST_EXPECTED = 5.0
"""Images that a class must be expected to have in the test of the classes; rarer ones are taken
together. Source: Cochran 1954, Biometrics 10:417-451."""

RANK_VARIANCE = 1 / 12
"""Of the ranks of images like those of the study, which are even from 0 to 1."""

MOST_NAMED = 3
"""Classes whose shift is told."""


@dataclass(frozen=True)
class ClassShift:
    """A class among the predictions of the new images, and of the study's.

    Attributes:
        label: The class.
        here, study: Share of the images that are taken for it.
        difference: Here minus study.
    """

    label: str
    here: Interval
    study: Interval
    difference: Interval


@dataclass(frozen=True)
class Drift:
    """New images beside those of the study.

    Attributes:
        num_images: New ones that could be read.
        unlike: Share that is unlike the training images; None where the model cannot say.
        expected_unlike: The same share of the study's unseen images.
        is_unlike: Whether the new ones have more than chance explains.
        farther: How often a new image lies farther from the training images than an unseen one of
            the study: 0.5 without any shift. None where the study did not keep how far these lie.
        is_farther: Whether they lie farther than chance explains.
        class_p_value: Of the classes that are predicted, by a chi-square test; None where there is
            nothing to be compared with.
        classes: Those that changed most, the largest change first.
    """

    num_images: int
    unlike: Interval | None = None
    expected_unlike: Interval | None = None
    is_unlike: bool = False
    farther: Interval | None = None
    is_farther: bool = False
    class_p_value: float | None = None
    classes: tuple[ClassShift, ...] = ()

    @property
    def is_shifted(self) -> bool:
        """Whether any of the three differs by more than chance explains."""
        p_value = self.class_p_value
        return self.is_unlike or self.is_farther or (p_value is not None and p_value < SIGNIFICANCE)

    @property
    def sentences(self) -> tuple[str, ...]:
        """What was found, a verdict each, and what it comes to."""
        return tuple(_sentences(self))


@dataclass
class DriftCounter:
    """Counts new images a batch at a time; memory does not grow with their number.

    Args:
        class_names: k names, in the order of the probabilities.
        familiarity: When an image is unlike, and how far the study's unseen images lie; None: the
            model cannot say.
        predicted: Class -> share of the study's unseen images that was taken for it.
        num_predicted: Independent images that these are shares of; 0: not known.

    >>> counter = DriftCounter(("a", "b"), None, {"a": 0.5, "b": 0.5}, 100)
    >>> counter.add(np.tile([0.9, 0.1], (100, 1)), None)
    >>> counter.result().is_shifted
    True
    """

    class_names: Sequence[str]
    familiarity: Familiarity | None
    predicted: Mapping[str, float]
    num_predicted: float
    num_images: int = 0
    counts: NDArray[np.int64] = field(init=False)
    num_measured: int = 0
    num_unlike: int = 0
    sums: DoubleArray = field(init=False)
    below: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        self.counts = np.zeros(len(self.class_names), np.int64)
        self.sums = np.zeros(2)
        self.below = np.zeros(len(self._quantiles), np.int64)

    def add(self, probabilities: FloatArray, distances: FloatArray | None) -> None:
        """Count some more.

        Args:
            probabilities: (n, k); rows of NaN, of images that could not be read, count for nothing.
            distances: (n,) From the training images; None where the model cannot say.
        """
        is_read = ~np.isnan(probabilities).any(axis=1)
        self.num_images += int(is_read.sum())
        guesses = probabilities[is_read].argmax(axis=1)
        self.counts += np.bincount(guesses, minlength=len(self.class_names))
        if distances is None or self.familiarity is None:
            return
        measured = distances[is_read].astype(np.float64)
        self.num_measured += len(measured)
        self.num_unlike += int((measured > self.familiarity.threshold).sum())
        measured = measured.round(QUANTILE_DIGITS)  # as those of the study are: equals are equal
        if len(self._quantiles) > 1:
            levels = np.linspace(0, 1, len(self._quantiles))
            # Where many of the study lie equally far, as copies do, the middle of them counts.
            places = [
                np.searchsorted(self._quantiles, measured, side="left"),
                np.searchsorted(self._quantiles, measured, side="right"),
            ]
            ends = (places[0], places[1] - 1)
            first, last = (levels[np.clip(end, 0, len(levels) - 1)] for end in ends)
            ranks = np.interp(measured, self._quantiles, levels)
            ranks = np.where(places[1] - places[0] > 1, (first + last) / 2, ranks)
            self.sums += [ranks.sum(), (ranks**2).sum()]
            self.below += np.sort(measured).searchsorted(self._quantiles, side="left")

    def result(self) -> Drift:
        """What all of them show."""
        found = Drift(self.num_images)
        if not self.num_images:
            return found
        p_value, classes = self._classes()
        unlike, expected, is_unlike = self._unlike()
        farther = self._farther()
        return Drift(
            num_images=self.num_images,
            unlike=unlike,
            expected_unlike=expected,
            is_unlike=is_unlike,
            farther=farther,
            is_farther=farther is not None and farther.low > 0.5,
            class_p_value=p_value,
            classes=classes,
        )

    @property
    def _quantiles(self) -> DoubleArray:
        facts = self.familiarity
        return np.array(facts.unseen_quantiles if facts is not None else (), np.float64)

    def _unlike(self) -> tuple[Interval | None, Interval | None, bool]:
        facts = self.familiarity
        if facts is None or not self.num_measured:
            return None, None, False
        here = wilson_interval(self.num_unlike / self.num_measured, self.num_measured)
        share = facts.val_share if facts.test_share is None else facts.test_share
        expected = Interval(value=share, low=share, high=share)
        if facts.unseen_share is not None and facts.num_unseen:
            expected = wilson_interval(facts.unseen_share, facts.num_unseen)
        return here, expected, difference_interval(here, expected).low > 0

    def _farther(self) -> Interval | None:
        """The chance that a new image lies farther out, with the interval of DeLong."""
        facts, number = self.familiarity, self.num_measured
        if facts is None or not facts.num_unseen or len(self._quantiles) < 2 or not number:
            return None
        value = float(self.sums[0] / number)
        # One image more, of the ranks of images alike: of one alone, or of two, no spread is known.
        squares = max(0.0, float(self.sums[1]) - number * value**2) + RANK_VARIANCE
        spread_here = squares / number**2
        spread_study = float(np.var(self.below / number)) / facts.num_unseen
        if not 0 < value < 1:
            worth = 1 / (1 / number + 1 / facts.num_unseen)
            return wilson_interval(min(1.0, max(0.0, value)), worth)
        half = Z_95 * math.sqrt(spread_here + spread_study) / (value * (1 - value))
        odds = value / (1 - value)
        low, high = odds * math.exp(-half), odds * math.exp(half)
        return Interval(value=value, low=low / (1 + low), high=high / (1 + high))

    def _classes(self) -> tuple[float | None, tuple[ClassShift, ...]]:
        if not self.num_predicted or not self.predicted:
            return None, ()
        shares = np.array([self.predicted.get(name, 0.0) for name in self.class_names])
        changes = []
        for name, number, share in zip(
            self.class_names, self.counts.tolist(), shares.tolist(), strict=True
        ):
            here = wilson_interval(number / self.num_images, self.num_images)
            study = wilson_interval(share, self.num_predicted)
            changes.append(ClassShift(name, here, study, difference_interval(here, study)))
        changes.sort(key=lambda one: -abs(one.difference.value))
        p_value = _homogeneity(self.counts.astype(float), shares * self.num_predicted)
        return p_value, tuple(changes[:MOST_NAMED])


def _homogeneity(here: DoubleArray, study: DoubleArray) -> float | None:
    """The p-value of a chi-square test that two rows of counts have the same shares.

    None where fewer than two classes have images enough.
    """
    from scipy.special import chdtrc

    table = np.stack([here, study])
    expected = table.sum(axis=0) * min(table.sum(axis=1)) / table.sum()
    is_rare = expected < LEAST_EXPECTED
    if is_rare.any():
        table = np.column_stack([table[:, ~is_rare], table[:, is_rare].sum(axis=1)])
        table = table[:, table.sum(axis=0) > 0]
    if table.shape[1] < 2:
        return None
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
    return float(chdtrc(table.shape[1] - 1, ((table - expected) ** 2 / expected).sum()))


def _sentences(found: Drift) -> Iterator[str]:
    if not found.num_images:
        yield "No image could be read: there is nothing to compare."
        return
    if found.unlike is None or found.expected_unlike is None:
        yield "Unlike: the model cannot say how far an image is from the training images."
    else:
        verdict = "more than chance explains" if found.is_unlike else "no more than chance explains"
        yield (
            f"Unlike the training images: {fraction_interval(found.unlike)} of "
            f"{count(found.num_images, 'image')}, {found.expected_unlike.value:.4f} of the study's "
            f"own unseen ones: {verdict}."
        )
    if found.farther is not None:
        verdict = "no shift shown"
        if found.is_farther:
            verdict = "they lie farther out"
        elif found.farther.high < 0.5:
            verdict = "they lie nearer"
        yield (
            "Features: a new image lies farther from the training images than an unseen one of the "
            f"study in {fraction_interval(found.farther)} of the pairs (0.5: no shift): {verdict}."
        )
    elif found.unlike is not None:
        yield (
            "Features: an earlier version made the study, and did not keep how far its own images "
            "lie; a shift within what is familiar is not seen."
        )
    yield _class_sentence(found)
    label_some = "Label some images, and score them with `autocnn evaluate`."
    if found.is_unlike or found.is_farther:
        yield f"The images are not like those of the study: its scores may not hold. {label_some}"
    elif found.is_shifted:
        yield (
            "The mix of classes is another one: accuracy and PPV depend on it, even where each "
            f"class is found as well as before. {label_some}"
        )
    else:
        yield f"No drift is shown. That the model is right is not, either. {label_some}"


def _class_sentence(found: Drift) -> str:
    if found.class_p_value is None:
        return "Predicted classes: too few images to compare, or nothing to compare with."
    chance = p_value(found.class_p_value)
    if found.class_p_value >= SIGNIFICANCE:
        return f"Predicted classes: spread as in the study (chi-square test, p {chance})."
    changes = ", ".join(
        f"{one.label!r} {one.here.value:.3f} in place of {one.study.value:.3f} "
        f"({fraction_interval(one.difference, places=3, sign=True)})"
        for one in found.classes
        if not one.difference.low <= 0 <= one.difference.high
    )
    most = f"; most changed: {changes}" if changes else ""
    return (
        f"Predicted classes: spread otherwise than in the study (chi-square test, p {chance})"
        f"{most}. Other cases come, or the same ones look otherwise."
    )
