"""Two studies side by side: their best models on the same test images, and what differs."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from autocnn.core import wording
from autocnn.core.arrays import IntArray
from autocnn.core.config import plain_name
from autocnn.core.errors import StudyError
from autocnn.core.objective import Goal
from autocnn.core.objective_text import LISTED, function_of, is_lower_better
from autocnn.core.records import CandidateRecord, Comparison
from autocnn.reporting.candidates import difference
from autocnn.reporting.elements import (
    Figure,
    Table,
    load_picture,
    make_table,
    number_columns,
    text_columns,
)
from autocnn.reporting.names import title
from autocnn.storage import StudyFolder
from autocnn.storage.status import StudyStatus

if TYPE_CHECKING:
    from autocnn.storage.predictions import StoredPredictions

COMPARED = ("accuracy", "balanced_accuracy", "macro_auc", "log_loss")
"""The metrics of both, the first ones where an objective leads."""

PICTURES = ("confusion_matrix", "roc")
"""Of each candidate, on the page."""

SCORE_BOTH = "Score both on the same images: `autocnn evaluate STUDY DATA`, once for each."
"""What to do where two studies share no clean test image."""

NO_SETTINGS = (
    *("results", "name", "cache_dir", "cache_limit_gb", "disk_limit_gb", "mlflow"),
    *("cluster", "storage"),
)
"""Settings that say where things lie or run, not what was searched."""


@dataclass(frozen=True, eq=False)
class Side:
    """One of two studies.

    Attributes:
        name: Of the study, or what tells it apart from the other one of that name.
        status: The content of its study.json.
        record: Its candidate.
        title: What that is.
        num_trials: Trials that it has.
    """

    name: str
    status: StudyStatus
    record: CandidateRecord
    title: str
    num_trials: int

    def score(self, metric: str) -> float | None:
        """What its own clean test images give; None of an objective that it did not measure."""
        is_measured = metric in LISTED or metric == self.status.config.objective
        return self.record.judged.scores.of(metric) if is_measured else None


@dataclass(frozen=True, eq=False)
class StudyComparison:
    """Two candidates of two studies.

    Attributes:
        first, second: The studies.
        metrics: First minus second, on the test images that both have; corrected for their
            number.
        num_common: How many these are.
        num_alone: Test images that only the first has, and only the second.
        num_relabelled: Images of both with another label in the second: they count for nothing.
        params: Name, value of the first and of the second, where they differ.
        settings: The same of what was asked for.
        sentences: What it comes to.
    """

    first: Side
    second: Side
    metrics: tuple[Comparison, ...]
    num_common: int
    num_alone: tuple[int, int]
    num_relabelled: int
    params: tuple[tuple[str, object, object], ...]
    settings: tuple[tuple[str, object, object], ...]
    sentences: tuple[str, ...]


def compare_studies(
    first: StudyFolder,
    second: StudyFolder,
    *,
    candidates: tuple[int | None, int | None] = (None, None),
) -> StudyComparison:
    """Compare the best candidates of two studies on the test images that both have.

    Images are matched by content, those that have a copy in train or val of either study are left
    out, and images that hang together, in either, are resampled together.

    Args:
        first: One study.
        second: The other.
        candidates: A number for each; None: its best.

    Raises:
        StudyError: When one is not finished, they have other classes, or no test image is in both.
    """
    from autocnn.metrics.comparison import compare
    from autocnn.metrics.own_objective import measure_of

    sides = [_read_side(*pair) for pair in zip((first, second), candidates, strict=True)]
    one, two = sides = _named_apart(sides, first, second)
    classes = [side.status.data.class_names if side.status.data else () for side in sides]
    if set(classes[0]) != set(classes[1]):
        only = sorted(set(classes[0]) ^ set(classes[1]))
        raise StudyError(
            f"{first.path} and {second.path}: must have the same classes to be compared, got "
            f"{wording.first_few(only)} in one alone."
        )
    # Both in the order of the first one's classes.
    ours, theirs = (
        _read_test(folder, side.record, classes[0])
        for folder, side in zip((first, second), sides, strict=True)
    )
    shared = [key for key in ours.place_of if key in theirs.place_of]
    rows = np.array(
        [[ours.place_of[key], theirs.place_of[key]] for key in shared], np.int64
    ).reshape(-1, 2)
    is_same = ours.predicted.labels[rows[:, 0]] == theirs.predicted.labels[rows[:, 1]]
    if not is_same.any():
        raise StudyError(
            f"{first.path} and {second.path}: must share images of clean test, got none.",
            remedy=SCORE_BOTH,
        )
    here, there = rows[is_same].T
    labels = ours.predicted.labels[here]
    groups = _join(ours.predicted.groups[here], theirs.predicted.groups[there])
    metrics = _metrics(one, two, labels)
    found = tuple(
        compare(
            labels,
            ours.predicted.probabilities[here],
            theirs.predicted.probabilities[there],
            other=two.record.candidate,
            metric=metric,
            groups=groups,
            num_comparisons=len(metrics),
            own=measure_of(Goal(metric, class_names=tuple(classes[0]))),
        )
        for metric in metrics
    )
    alone = len(ours.place_of) - len(shared), len(theirs.place_of) - len(shared)
    return StudyComparison(
        first=one,
        second=two,
        metrics=found,
        num_common=len(labels),
        num_alone=alone,
        num_relabelled=len(shared) - len(labels),
        params=_differences(one.record.params, two.record.params),
        settings=_differences(_settings(one), _settings(two)),
        sentences=tuple(_sentences(one, two, found, len(labels), alone)),
    )


@dataclass(frozen=True, eq=False)
class _Test:
    """The clean test images of a study.

    Attributes:
        predicted: What the candidate says of them.
        place_of: SHA-256 of an image, and how many before it have the same -> its place there.
    """

    predicted: "StoredPredictions"
    place_of: Mapping[tuple[str, int], int]


def _read_side(folder: StudyFolder, candidate: int | None) -> Side:
    status = folder.read_status()
    folder.read_leaderboard()  # says what an unfinished study lacks
    number = candidate or (status.choice.candidate if status.choice else 1)
    record = folder.read_candidate(number)
    return Side(folder.name, status, record, title(record), len(folder.read_trials()))


def _named_apart(sides: Sequence[Side], first: StudyFolder, second: StudyFolder) -> list[Side]:
    """Two candidates of one study by their numbers, two studies of one name by their paths."""
    names = [side.name for side in sides]
    if names[0] == names[1]:
        is_one_study = first.path.resolve() == second.path.resolve()
        names = (
            [f"{side.name} candidate {side.record.candidate}" for side in sides]
            if is_one_study
            else [str(first.path), str(second.path)]
        )
    return [replace(side, name=name) for side, name in zip(sides, names, strict=True)]


def _read_test(folder: StudyFolder, record: CandidateRecord, class_names: Sequence[str]) -> _Test:
    from autocnn.storage.predictions import read_judged

    if record.num_test_clean == 0:
        raise StudyError(
            f"{folder.path}: must share images of clean test, got none: every test image of it has "
            "a copy, or an image of its group, in train or val.",
            remedy=SCORE_BOTH,
        )
    predicted = read_judged(folder, record, class_names)
    content_of = {path: sha256 for path, _, _, _, sha256 in folder.read_split()}
    if not predicted.paths or not content_of:
        raise StudyError(
            f"{folder.path}: must have split.csv and predictions.csv of candidate "
            f"{record.candidate}, got one of them missing."
        )
    before: Counter[str] = Counter()
    place_of: dict[tuple[str, int], int] = {}
    for place, path in enumerate(predicted.paths):
        content = content_of[path]
        place_of[content, before[content]] = place
        before[content] += 1
    return _Test(predicted, place_of)


def _join(ours: IntArray, theirs: IntArray) -> IntArray:
    """(n,) The same number for images that hang together in either study.

    Args:
        ours: (n,) The same number for images that hang together in one of them.
        theirs: (n,) The same in the other.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    _, first = np.unique(ours, return_inverse=True)
    _, second = np.unique(theirs, return_inverse=True)
    number = int(first.max()) + 1
    size = number + int(second.max()) + 1
    ties = coo_matrix((np.ones(len(first)), (first, number + second)), shape=(size, size))
    joined: IntArray = connected_components(ties, directed=False)[1][first].astype(np.int64)
    return joined


def _metrics(one: Side, two: Side, labels: IntArray) -> list[str]:
    """What is compared: the first study's objective leads."""
    asked = [side.status.config.objective for side in (one, two)]
    has_several = len(np.unique(labels)) > 1
    known = [name for name in asked if function_of(name) is None]  # a study's code is not run
    names = dict.fromkeys([*known, *COMPARED])
    needing = [name for name in names if name == "macro_auc" or name not in LISTED]
    return [name for name in names if has_several or name not in needing]


def _differences(
    first: Mapping[str, object], second: Mapping[str, object]
) -> tuple[tuple[str, object, object], ...]:
    names = dict.fromkeys([*first, *second])
    return tuple(
        (name, first.get(name), second.get(name))
        for name in names
        if first.get(name) != second.get(name)
    )


def _settings(side: Side) -> dict[str, object]:
    values = side.status.config.model_dump(mode="json", exclude=set(NO_SETTINGS))
    return {plain_name(name): _with_unit(name, value) for name, value in values.items()}


def _with_unit(name: str, value: object) -> object:
    """Times and sizes as people write them; all else as it is."""
    if not isinstance(value, int | float):
        return value
    if name.endswith("_s"):
        return wording.duration(value)
    return wording.size(value) if name.endswith("_gb") else value


def _sentences(
    one: Side, two: Side, found: Sequence[Comparison], num_common: int, alone: tuple[int, int]
) -> Iterator[str]:
    leading, *others = found
    name, by = wording.metric_name(leading.metric), difference(leading)
    by += "" if wording.is_decimal(leading.metric) else " points"
    images = wording.count(num_common, "clean test image")
    if leading.is_told_apart:
        is_better = (leading.difference.value > 0) != is_lower_better(leading.metric)
        better, worse = (one, two) if is_better else (two, one)
        yield (
            f"{better.name} is better than {worse.name} by more than chance: {name} of "
            f"{one.name} minus that of {two.name} is {by} on the {images} that "
            "both have."
        )
    else:
        yield (
            f"In {name}, {one.name} and {two.name} cannot be told apart on the {images} that both "
            f"have: the difference is {by}."
        )
    told = [wording.metric_name(other.metric) for other in others if other.is_told_apart]
    if told:
        also = "also" if leading.is_told_apart else "still"
        yield f"They are {also} told apart by {wording.listing(told)}."
    if any(alone):
        yield (
            f"{wording.count(alone[0], 'clean test image')} of {one.name} and {alone[1]:,} of "
            f"{two.name} are not clean test images of the other, and count for nothing here."
        )
    yield (
        "To choose the better of several by their test scores makes that score too good: choose "
        "by folds, or score the chosen one on new images."
    )


@dataclass(frozen=True)
class ComparisonView:
    """What the page shows of it.

    Attributes:
        sentences: What it comes to.
        scores: Both studies' own scores.
        metrics: The differences on the images that both have.
        params: Params that differ; None: none does.
        settings: Settings that differ; None: none does.
        figures: Name of a picture -> that of the first and of the second.
    """

    sentences: tuple[str, ...]
    scores: Table
    metrics: Table
    params: Table | None
    settings: Table | None
    figures: tuple[tuple[Figure, Figure], ...]


def view_comparison(
    found: StudyComparison, pictures: Mapping[tuple[int, str], bytes | None]
) -> ComparisonView:
    """The tables and pictures of a comparison.

    Args:
        found: From `compare_studies`.
        pictures: (0 or 1, name of a picture of its candidate) -> PNG.
    """
    sides = (found.first, found.second)
    names = [side.name for side in sides]
    figures = tuple(
        (_figure(name, 0, sides[0], pictures), _figure(name, 1, sides[1], pictures))
        for name in PICTURES
    )
    return ComparisonView(
        sentences=found.sentences,
        scores=make_table(
            "scores",
            "Each study by itself, on its own clean test images, with 95 % intervals.",
            columns=[*text_columns("study", "candidate"), *number_columns(*_SCORES)],
            rows=score_rows(found),
        ),
        metrics=make_table(
            "differences",
            f"{names[0]} minus {names[1]} on {wording.count(found.num_common, 'image')} of both, "
            f"corrected for {wording.count(len(found.metrics), 'comparison')}. Shares of images "
            "are in percentage points.",
            columns=[*text_columns("score"), *number_columns("difference [95 %]", "p")],
            rows=[
                [wording.metric_name(one.metric), difference(one), wording.p_value(one.p_value)]
                for one in found.metrics
            ],
        ),
        params=_differing(
            "params", "Params of the two candidates that differ.", names, found.params
        ),
        settings=_differing("settings", "Settings that differ.", names, found.settings),
        figures=figures,
    )


_SCORES = ("images", "accuracy", "balanced accuracy", "macro AUC", "log loss", "trials", "time")


def score_rows(found: StudyComparison) -> list[list[str]]:
    """A row per study: name, candidate, and what was measured on its own clean test images."""
    return [
        [
            side.name,
            side.title,
            f"{side.record.judged.num_images:,}",
            wording.percent_interval(side.record.judged.intervals.get("accuracy")),
            wording.percent_interval(side.record.judged.intervals.get("balanced_accuracy")),
            wording.decimal(side.record.judged.scores.macro_auc),
            wording.decimal(side.record.judged.scores.log_loss),
            f"{side.num_trials:,}",
            wording.duration(side.status.seconds),
        ]
        for side in (found.first, found.second)
    ]


def _differing(
    name: str, caption: str, names: Sequence[str], rows: Sequence[tuple[str, object, object]]
) -> Table | None:
    if not rows:
        return None
    return make_table(
        name,
        caption,
        columns=text_columns("name", *names),
        rows=[[key, wording.setting(one), wording.setting(two)] for key, one, two in rows],
    )


def _figure(
    name: str, number: int, side: Side, pictures: Mapping[tuple[int, str], bytes | None]
) -> Figure:
    words = name.replace("_", " ")
    return Figure(
        name=name,
        title=side.name,
        picture=load_picture(pictures.get((number, name))),
        alt=f"{words} of {side.name}, {side.title}",
    )
