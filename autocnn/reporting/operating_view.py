"""The section of the page with the slider: a threshold, and what it is worth on clean test."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autocnn.core import wording
from autocnn.core.arrays import DoubleArray
from autocnn.core.errors import StudyError
from autocnn.core.records import CandidateRecord
from autocnn.metrics.operating_point import DIGITS, Counts, rates_at
from autocnn.reporting.elements import Row, Table, make_table, number_columns, text_columns
from autocnn.storage import StudyFolder
from autocnn.storage.predictions import StoredPredictions, read_judged, read_unseen

MOST_CLASSES = 20
"""Classes that can be chosen: those of which most is missed, where there are more."""

MOST_POINTS = 200
"""Thresholds of a class: 20 classes with so many are 100 kB of the page."""

MOST_VALUES = 5_000_000
"""Probabilities of a study up to which the page has the section; reading these takes 4 s."""

TARGETS = (0.9, 0.95, 0.99)
"""Sensitivities of the table, one alone where there are more than `FEW_CLASSES`."""

FEW_CLASSES = 5


@dataclass(frozen=True)
class Side:
    """A class against the rest in one set, at every threshold.

    Attributes:
        own, others: Images of the class, and all others.
        num_own, num_others: How many independent images these are worth.
        found, mistaken: (t,) Images of the class, and others, from each threshold on.
    """

    own: int
    others: int
    num_own: float
    num_others: float
    found: tuple[int, ...]
    mistaken: tuple[int, ...]

    def at(self, place: int) -> Counts:
        """The counts at one threshold."""
        return Counts(
            true_positives=self.found[place],
            false_negatives=self.own - self.found[place],
            false_positives=self.mistaken[place],
            true_negatives=self.others - self.mistaken[place],
            num_own=self.num_own,
            num_others=self.num_others,
        )


@dataclass(frozen=True)
class ClassPoints:
    """The thresholds of one class.

    Attributes:
        label: The class.
        thresholds: (t,) Ascending.
        unseen: What they are chosen by.
        judged: What they are judged on.
    """

    label: str
    thresholds: tuple[float, ...]
    unseen: Side
    judged: Side

    @property
    def text(self) -> str:
        """All points for the page's script: `threshold found mistaken found mistaken,...`."""
        rows = zip(
            self.thresholds,
            self.unseen.found,
            self.unseen.mistaken,
            self.judged.found,
            self.judged.mistaken,
            strict=True,
        )
        return ",".join(" ".join(f"{number:.6g}" for number in row) for row in rows)

    def reaching(self, sensitivity: float) -> int:
        """Place of the highest threshold at which so much is found among the unseen images."""
        least = sensitivity * self.unseen.own - 1e-9
        return max((i for i, found in enumerate(self.unseen.found) if found >= least), default=0)


@dataclass(frozen=True)
class PointFacts:
    """The operating points of a candidate.

    Attributes:
        source: What thresholds are chosen by: `folds` or `val`.
        judged_on: What judges them: `test` or `test_clean`.
        num_judged: Images of that.
        classes: Those that can be chosen.
        absent: Classes without images, or with all of them, in one of the two sets.
        num_left_out: Further classes that are not among those that can be chosen.
    """

    source: str
    judged_on: str
    num_judged: int
    classes: tuple[ClassPoints, ...]
    absent: tuple[str, ...]
    num_left_out: int


def read_points(
    folder: StudyFolder, record: CandidateRecord, class_names: Sequence[str]
) -> PointFacts | None:
    """The operating points of a candidate.

    Args:
        folder: The study.
        record: Of the candidate.
        class_names: In the order of the study's labels.

    Returns:
        None in a study whose predictions are gone, broken, or very many.
    """
    measured = [scores.num_images for scores in (record.folds, record.test) if scores is not None]
    if sum(measured) * len(class_names) > MOST_VALUES:
        return None
    try:
        unseen, judged = (read(folder, record, class_names) for read in (read_unseen, read_judged))
    except StudyError:
        return None
    if not len(unseen.labels) or not len(judged.labels):
        return None
    is_there = _is_there(unseen, judged, len(class_names))
    places = _most_missed(np.flatnonzero(is_there), unseen)
    classes = tuple(_points(class_names[place], place, unseen, judged) for place in places)
    if not classes:
        return None
    return PointFacts(
        source=unseen.source,
        judged_on=judged.source,
        num_judged=len(judged.labels),
        classes=classes,
        absent=tuple(name for name, there in zip(class_names, is_there, strict=True) if not there),
        num_left_out=int(is_there.sum()) - len(classes),
    )


def _is_there(
    unseen: StoredPredictions, judged: StoredPredictions, num_classes: int
) -> NDArray[np.bool_]:
    """(k,) Whether both sets have images of a class, and others."""
    numbers = [np.bincount(one.labels, minlength=num_classes) for one in (unseen, judged)]
    first, second = ((n > 0) & (n < n.sum()) for n in numbers)
    found: NDArray[np.bool_] = first & second
    return found


def _most_missed(places: NDArray[np.int64], unseen: StoredPredictions) -> NDArray[np.int64]:
    """Of many classes, the places of those of which most is missed."""
    is_right = unseen.probabilities.argmax(axis=1) == unseen.labels
    missed = np.array([1 - is_right[unseen.labels == place].mean() for place in places])
    return np.sort(places[np.argsort(-missed, kind="stable")[:MOST_CLASSES]])


def _points(
    label: str, place: int, unseen: StoredPredictions, judged: StoredPredictions
) -> ClassPoints:
    shares = unseen.probabilities[:, place].round(DIGITS)
    is_own = unseen.labels == place
    thresholds = _spread(shares[is_own], shares[~is_own])
    return ClassPoints(
        label=label,
        thresholds=tuple(thresholds.tolist()),
        unseen=_side(thresholds, place, unseen),
        judged=_side(thresholds, place, judged),
    )


def _spread(own: DoubleArray, others: DoubleArray) -> DoubleArray:
    """(t,) Thresholds at which either rate moves by about a hundredth, all of them if few."""
    everything = np.unique(np.concatenate([own, others]))
    if len(everything) <= MOST_POINTS:
        return everything
    # Exactly where the sensitivities of the table are reached, so that it is the command's.
    ranked = np.sort(own)
    exact = ranked[[len(own) - math.ceil(target * len(own) - 1e-9) for target in TARGETS]]
    steps = np.linspace(0, 1, (MOST_POINTS - len(exact)) // 2)
    spread = [np.quantile(side, steps, method="inverted_cdf") for side in (own, others)]
    return np.unique(np.concatenate([exact, *spread]))


def _side(thresholds: DoubleArray, place: int, found: StoredPredictions) -> Side:
    is_own, shares = found.labels == place, found.probabilities[:, place].round(DIGITS)
    counts = Counts.at(0.0, is_own, shares, found.groups)
    own, others = int(is_own.sum()), int((~is_own).sum())
    rates = rates_at(thresholds, is_own, shares)
    numbers = [
        tuple(np.rint(rate * total).astype(int).tolist())
        for rate, total in zip(rates, (own, others), strict=True)
    ]
    return Side(own, others, counts.num_own, counts.num_others, *numbers)


@dataclass(frozen=True)
class PointView:
    """What the page shows of operating points.

    Attributes:
        facts: The points, for the script.
        sentences: What it is.
        chosen: The set by which a threshold is chosen, as a column calls it.
        judged: The set that judges it.
        first: Place of the class that is shown at first: that of the fewest images.
        starts: Of each class, the place of the threshold that is shown at first.
        table: Some points, with intervals.
    """

    facts: PointFacts
    sentences: tuple[str, ...]
    chosen: str
    judged: str
    first: int
    starts: tuple[int, ...]
    table: Table


def view_points(facts: PointFacts) -> PointView:
    """What the page shows of operating points: the slider's points, and a table of some."""
    classes = facts.classes
    judged = wording.SET_NAMES["test_clean" if facts.judged_on == "test_clean" else "test"]
    chosen = wording.CHOSEN_ON[facts.source]
    targets = TARGETS if len(classes) <= FEW_CLASSES else TARGETS[1:2]
    rarest = min(range(len(classes)), key=lambda place: classes[place].unseen.own)
    return PointView(
        facts=facts,
        sentences=tuple(_sentences(facts, chosen, judged)),
        chosen=chosen,
        judged=judged,
        first=rarest,
        starts=tuple(one.reaching(0.95) for one in classes),
        table=make_table(
            "points",
            f"The highest threshold that finds so much of a class {chosen}, and what it is worth "
            f"on {wording.count(facts.num_judged, f'{judged} image')} [95 %]. PPV and NPV hold for "
            "the share of the class there.",
            columns=[
                *text_columns("class"),
                *number_columns(
                    f"sensitivity {chosen}", "threshold", "sensitivity", "specificity", "PPV", "NPV"
                ),
            ],
            rows=[
                _row(one, place)
                for one in classes
                for place in dict.fromkeys(map(one.reaching, targets))
            ],
        ),
    )


def _sentences(facts: PointFacts, chosen: str, judged: str) -> Iterator[str]:
    yield (
        "Where a missed case costs more than a false alarm, or less, take the class from another "
        "probability on than the largest. Choose the threshold by the column "
        f"{chosen!r}, of images that the model had not seen; {judged} then says what it is worth. "
        "Chosen by test, it would look better than it is."
    )
    if facts.source == "val":
        yield "Val also chose the trial: expect a little less."
    if facts.absent:
        yield (
            f"Of {wording.first_few(facts.absent)} there are no images, or no others, to choose a "
            "threshold by or to judge it."
        )
    if facts.num_left_out:
        left_out = wording.count(facts.num_left_out, "class", "classes")
        yield (
            f"Here are the {len(facts.classes)} classes of which most is missed; {left_out} left "
            "out: `autocnn leaderboard` with --target has them."
        )


def _row(one: ClassPoints, place: int) -> Row:
    values = one.judged.at(place).values()
    reached = one.unseen.found[place] / one.unseen.own
    return [
        one.label,
        wording.percent(reached),
        f"{one.thresholds[place]:g}",
        *(
            wording.percent_interval(values.get(name))
            for name in ("sensitivity", "specificity", "ppv", "npv")
        ),
    ]
