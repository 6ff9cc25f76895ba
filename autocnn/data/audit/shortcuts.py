"""Shortcuts: what predicts the class, or the split, without a look at the content.

A small model sees the `facts` only. Some come from the file alone (mode, type, size, JPEG
quality, a frame): where they tell a class, a network may learn them in the place of the
content, and that is an alarm. Others (brightness, sharpness, bytes, ...) the content itself
decides: for a class they are reported and raise none, but between test and the rest they
should be alike. Why, and what is not found: docs/decisions/0011-shortcuts.md.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import NormalDist
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from autocnn.core.arrays import BoolArray, DoubleArray
from autocnn.core.records import Shortcut
from autocnn.data.audit.facts import Facts

MOST_IMAGES = 20_000
"""More teach the models little and take time."""

FEWEST_BUNDLES = 10
"""A class, or a side of the split, with fewer independent images is not judged."""

FOLDS = 5

FILE_ALARM, SPLIT_ALARM = 0.6, 0.7
"""Areas from which facts of the file, and all facts about the split, raise an alarm. The
second was set with one data set in view: docs/decisions/0011-shortcuts.md."""

CHANCE = 0.01
"""How likely a data set without any effect may raise an alarm."""

SPREAD_OF_FOLDS = 1.3
"""Measured: without any effect a cross-validated area spreads 1.2 to 1.4 times as widely as
that of one model, since the models of two folds share most of their images."""

MOST_CLASSES = 100
"""Classes that are told from each other, the largest: the time grows with their number, and with
so many areas compared only what is glaring is an alarm."""

MOST_VALUES = 20
"""Frequent values that a sentence may speak of."""

ALL, FILE = "all facts", "facts of the file"

IntColumn = NDArray[np.int64]


@dataclass(frozen=True)
class _Fact:
    """A column of `Facts`, and how to speak of it.

    Attributes:
        name: In words, as in `Shortcut.fact`.
        column: Field of `Facts`.
        has: "have mode {}": images of one value; empty where that says little.
        above, below: "are more than {} px wide": images on one side of a value, which itself
            is below; empty where values have no order.
        is_of_file: Whether the content cannot decide it.
        cuts: The only values to speak of with `above` and `below`; empty: any.
    """

    name: str
    column: str
    has: str = ""
    above: str = ""
    below: str = ""
    is_of_file: bool = False
    cuts: tuple[float, ...] = ()


def _measured(name: str, column: str, of: str = "") -> _Fact:
    """A fact that the content decides."""
    above, below = f"have a {name} above {{}}{of}", f"have a {name} of at most {{}}{of}"
    return _Fact(name, column, "", above, below)


_FACTS = (
    _Fact("mode", "mode", "have mode {}", is_of_file=True),
    _Fact("file type", "file_type", "are {} files", is_of_file=True),
    _Fact(
        "width",
        "width",
        "are {} px wide",
        "are more than {} px wide",
        "are at most {} px wide",
        is_of_file=True,
    ),
    _Fact(
        "height",
        "height",
        "are {} px high",
        "are more than {} px high",
        "are at most {} px high",
        is_of_file=True,
    ),
    _Fact(
        "JPEG quality",
        "jpeg_quality",
        "have JPEG quality {}",
        "have a JPEG quality above {}",
        "have a JPEG quality of at most {}",
        is_of_file=True,
    ),
    _Fact(
        "frame",
        "frame_width",
        "",
        "have a frame of one colour",
        "have no frame of one colour",
        is_of_file=True,
        cuts=(0.0,),
    ),
    _Fact(
        "frame brightness",
        "frame_brightness",
        "",
        "have a frame brighter than {} of 255",
        "have a frame with a brightness of at most {} of 255",
        is_of_file=True,
    ),
    _measured("file size", "num_bytes", of=" bytes"),
    _measured("brightness", "brightness", of=" of 255"),
    _measured("contrast", "contrast", of=" of 128"),
    _measured("border brightness", "border_brightness", of=" of 255"),
    _measured("border contrast", "border_contrast", of=" of 128"),
    _measured("sharpness", "sharpness"),
    _measured("share of black", "black_share"),
    _measured("colourfulness", "colourfulness", of=" of 255"),
)
"""In the order of preference: of facts that tell the same, the first is named."""

_Columns = Mapping[_Fact, DoubleArray]


def find_shortcuts(
    facts: Facts,
    labels: NDArray[np.int32],
    class_names: Sequence[str],
    is_test: BoolArray,
    bundles: IntColumn,
    *,
    seed: int,
) -> tuple[Shortcut, ...]:
    """Say how well plain facts tell each class from the rest, and test from the rest.

    Areas under the ROC curve are cross-validated over five folds that keep bundles whole.
    A decision tree judges one fact, and those of the file together; a forest judges all.
    An alarm needs an area of 0.6 from facts of the file, or of 0.7 from any about the split,
    and one that chance reaches in one of 100 data sets at most: without any effect the
    standard error is 1.3 times that of Hanley and McNeil, with bundles for images, and the
    level is divided by the number of areas compared.

    Test images are compared with others of their class: other shares of the classes are no
    shift. A class may raise an alarm by what it lacks, where another one has a telling fact.

    Args:
        facts: About n images.
        labels: (n,) Class of each, an index into `class_names`.
        class_names: In label order, at least 2.
        is_test: (n,) Whether an image is in the test split.
        bundles: (n,) Images with the same number show the same, or belong together.
        seed: Seed of sample, folds and models; the same seed gives the same result.

    Returns:
        One per class, of two classes only the rarer, and one for the split: alarms first, by
        the area of their fact, then the others, by the area of all. Left out are all but the
        largest hundred classes, classes of fewer than ten bundles, a split with fewer on a
        side, and everything when no fact differs between any two images.

    Source: Hanley & McNeil 1982, Radiology 143:29-36, equation 1 at an area of 0.5.
    """
    rng = np.random.default_rng(seed)
    if len(facts) > MOST_IMAGES:
        order = _by_stratum(2 * labels.astype(np.int64) + is_test, rng)
        kept = np.sort(order[np.linspace(0, len(order) - 1, MOST_IMAGES).astype(np.int64)])
        facts, labels, is_test = facts.select(kept), labels[kept], is_test[kept]
        bundles = bundles[kept]
    numbers = {fact: _numbers(getattr(facts, fact.column)) for fact in _FACTS}
    columns = {fact: values for fact, values in numbers.items() if len(np.unique(values)) > 1}
    if not columns:
        return ()
    tests = [
        *_test_classes(columns, labels, class_names, bundles, rng),
        *_test_split(columns, labels, is_test, bundles, rng),
    ]
    num_areas = sum(len(test.areas) for test in tests)
    found = [_conclude(test, facts, num_areas=num_areas) for test in tests]
    return tuple(
        sorted(found, key=lambda s: (not s.is_warning, -(s.fact_auc if s.is_warning else s.auc)))
    )


@dataclass(frozen=True, eq=False)
class _Test:
    """How well facts tell one target from others.

    Attributes:
        predicts, target: As in `Shortcut`.
        others: What it is told from, in words.
        is_target, is_other: (n,) Which images they are.
        areas: Name of a fact, `ALL` or `FILE` -> area under the ROC curve.
        standard_error: Of an area without any effect.
    """

    predicts: Literal["class", "split"]
    target: str
    others: str
    is_target: BoolArray
    is_other: BoolArray
    areas: Mapping[str, float]
    standard_error: float


def _test_classes(
    columns: _Columns,
    labels: NDArray[np.int32],
    class_names: Sequence[str],
    bundles: IntColumn,
    rng: np.random.Generator,
) -> list[_Test]:
    """One per class that is large enough; of two, the rarer."""
    sizes = [_num_bundles(bundles[labels == c]) for c in range(len(class_names))]
    able = [c for c, size in enumerate(sizes) if size >= FEWEST_BUNDLES]
    judged = sorted(sorted(able, key=lambda c: -sizes[c])[:MOST_CLASSES])
    if len(judged) < 2:
        return []
    is_judged = np.isin(labels, judged)
    areas = _measure(
        {fact: values[is_judged] for fact, values in columns.items()},
        np.searchsorted(judged, labels[is_judged]).astype(np.int64),
        bundles[is_judged],
        rng=rng,
    )
    tests = []
    for place, c in enumerate(judged):
        is_target = labels == c
        is_other = is_judged & ~is_target
        others = [class_names[other] for other in judged if other != c]
        test = _Test(
            predicts="class",
            target=class_names[c],
            is_target=is_target,
            is_other=is_other,
            others=f"{others[0]} images" if len(others) == 1 else "the others",
            areas={name: float(column[place]) for name, column in areas.items()},
            standard_error=_standard_error(sizes[c], _num_bundles(bundles[is_other])),
        )
        tests.append(test)
    return tests if len(tests) > 2 else [min(tests, key=lambda test: test.is_target.sum())]


def _test_split(
    columns: _Columns,
    labels: NDArray[np.int32],
    is_test: BoolArray,
    bundles: IntColumn,
    rng: np.random.Generator,
) -> list[_Test]:
    """One, or none when a side is too small."""
    sides = _num_bundles(bundles[is_test]), _num_bundles(bundles[~is_test])
    num_classes = int(labels.max()) + 1
    in_test = np.bincount(labels[is_test], minlength=num_classes)
    in_rest = np.bincount(labels[~is_test], minlength=num_classes)
    if min(sides) < FEWEST_BUNDLES or not (in_test * in_rest).any():
        return []
    # The rest counts as if it had as many of each class; a class that a side lacks does not.
    weights = np.where(is_test, in_rest[labels] > 0, (in_test / np.maximum(in_rest, 1))[labels])
    rest = weights[~is_test]
    areas = _measure(columns, is_test.astype(np.int64), bundles, rng=rng, weights=weights)
    # Kish's effective number of weighted images.
    num_rest = sides[1] * float(rest.sum() ** 2 / (rest**2).sum() / len(rest))
    return [
        _Test(
            predicts="split",
            target="test",
            is_target=is_test,
            is_other=~is_test,
            others="the others",
            areas={name: float(column[1]) for name, column in areas.items()},
            standard_error=_standard_error(sides[0], num_rest),
        )
    ]


def _measure(
    columns: _Columns,
    target: IntColumn,
    bundles: IntColumn,
    *,
    rng: np.random.Generator,
    weights: DoubleArray | None = None,
) -> dict[str, DoubleArray]:
    """Areas under the ROC curve of each value of the target against the rest.

    Args:
        columns: Fact -> (n,) its values; NaN is one of them.
        target: (n,) 0 to k - 1.
        bundles: (n,) Images of the same number are in one fold.
        rng: Decides folds and models.
        weights: (n,) Of the images in the areas; None: all alike.

    Returns:
        Name of a fact, `ALL` facts together, `FILE`: those of the file together -> (k,).
    """
    from sklearn.ensemble import ExtraTreesClassifier
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import PredefinedSplit, cross_val_predict
    from sklearn.tree import DecisionTreeClassifier

    # Not StratifiedGroupKFold: it takes 6.7 s for 5,500 groups (measured).
    _, first, bundle = np.unique(bundles, return_index=True, return_inverse=True)
    fold_of = np.empty(len(first), dtype=np.int64)
    fold_of[_by_stratum(target[first], rng)] = np.arange(len(first)) % FOLDS
    folds = PredefinedSplit(fold_of[bundle])
    seed = int(rng.integers(2**31))
    tree = DecisionTreeClassifier(max_leaf_nodes=16, min_samples_leaf=5, random_state=seed)
    forest = ExtraTreesClassifier(
        n_estimators=20, max_leaf_nodes=64, min_samples_leaf=3, max_features=None, random_state=seed
    )

    def areas(facts: Sequence[_Fact], model: Any) -> DoubleArray:
        values = np.stack([columns[fact] for fact in facts], axis=1)
        predicted = cross_val_predict(model, values, target, cv=folds, method="predict_proba")
        auc = partial(roc_auc_score, sample_weight=weights)
        return np.array([auc(target == c, column) for c, column in enumerate(predicted.T)])

    found = {fact.name: areas([fact], tree) for fact in columns}
    found[ALL] = areas(list(columns), forest)
    if of_file := [fact for fact in columns if fact.is_of_file]:
        found[FILE] = areas(of_file, tree)
    return found


def _by_stratum(strata: IntColumn, rng: np.random.Generator) -> IntColumn:
    """Indices in random order, stratum after stratum: dealing them out is stratified."""
    order = rng.permutation(len(strata))
    return order[np.argsort(strata[order], kind="stable")]


def _num_bundles(bundles: IntColumn) -> int:
    return len(np.unique(bundles))


def _standard_error(num_targets: float, num_others: float) -> float:
    """Of a cross-validated area under a ROC curve that tells nothing."""
    variance = (num_targets + num_others + 1) / (12 * num_targets * num_others)
    return SPREAD_OF_FOLDS * float(np.sqrt(variance))


def _numbers(values: NDArray[Any]) -> DoubleArray:
    """A column as numbers; texts become their rank by frequency."""
    if values.dtype.kind != "U":
        return values.astype(np.float64)
    _, code, counts = np.unique(values, return_inverse=True, return_counts=True)
    rank: DoubleArray = np.argsort(np.argsort(-counts, kind="stable")).astype(np.float64)
    return rank[code]


def _conclude(test: _Test, facts: Facts, *, num_areas: int) -> Shortcut:
    """The record of a test; `num_areas` areas are compared in all."""
    chance = 0.5 + NormalDist().inv_cdf(1 - CHANCE / num_areas) * test.standard_error
    alone = {fact: test.areas[fact.name] for fact in _FACTS if fact.name in test.areas}
    of_file = {fact: area for fact, area in alone.items() if fact.is_of_file}
    of_file_together = max([test.areas.get(FILE, 0.5), *of_file.values()])
    together = max([test.areas[ALL], *alone.values()])
    is_file_alarm = of_file_together >= max(FILE_ALARM, chance)
    is_split_alarm = test.predicts == "split" and together >= max(SPLIT_ALARM, chance)
    named = of_file if is_file_alarm else alone
    # Rounded, so that of facts that tell the same the first is named.
    fact = max(named, key=lambda fact: round(named[fact], 2))
    area = f"AUC {alone[fact]:.2f}, all facts {test.areas[ALL]:.2f}"
    if is_file_alarm or is_split_alarm:
        area = f"AUC {of_file_together if is_file_alarm else together:.2f}"
        so = f"facts without the content tell {test.target} from the rest ({area}). "
        so += (
            "A model may learn where an image comes from, not what it shows."
            if test.predicts == "class"
            else "The test score may be that of another kind of images."
        )
    elif together < chance:
        so = f"no more than chance may give ({area})."
    elif test.predicts == "class" and not fact.is_of_file:
        so = f"the content itself may make that so ({area})."
    else:
        so = f"more than chance, but little ({area})."
    return Shortcut(
        predicts=test.predicts,
        target=test.target,
        fact=fact.name,
        auc=test.areas[ALL],
        fact_auc=alone[fact],
        is_warning=is_file_alarm or is_split_alarm,
        sentence=f"{_say(fact, getattr(facts, fact.column), test)}: {so}",
    )


def _say(fact: _Fact, values: NDArray[Any], test: _Test) -> str:
    """The clause that is true of the target and of others in the most different shares."""
    clauses: list[tuple[BoolArray, str]] = []
    if fact.has:
        found, counts = np.unique(values[values == values], return_counts=True)
        for value in found[np.argsort(-counts, kind="stable")[:MOST_VALUES]]:
            words = value if isinstance(value, str) else f"{value:g}"
            clauses.append((values == value, fact.has.format(words)))
    if fact.above:
        for cut in fact.cuts or _cuts(values):
            clauses.append((values > cut, fact.above.format(_number(cut))))
            clauses.append((values <= cut, fact.below.format(_number(cut))))
    shares = [
        (float(mask[test.is_target].mean()), float(mask[test.is_other].mean()), clause)
        for mask, clause in clauses
    ]
    # At the same difference, what the target has and not what it lacks.
    share, other, clause = max(shares, key=lambda said: (round(abs(said[0] - said[1]), 6), said[0]))
    return (
        f"{_percent(share)} of {test.target} images but {_percent(other)} of {test.others} {clause}"
    )


def _cuts(values: NDArray[Any]) -> list[float]:
    """Values to cut a column at, as they will be written: every fiftieth of the images."""
    quantiles = np.nanquantile(values.astype(np.float64), np.linspace(0.02, 0.98, 49))
    return sorted({float(_number(value).replace(",", "")) for value in quantiles})


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 10 else f"{value:.2g}"


def _percent(share: float) -> str:
    """A share in words that says 0 % and 100 % only of none and all."""
    if 0 < share < 0.01:
        return "under 1 %"
    if 0.99 < share < 1:
        return "over 99 %"
    return f"{100 * share:.0f} %"
