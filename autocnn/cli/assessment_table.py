"""An assessment on stdout."""

from collections.abc import Sequence

from autocnn.cli.tables import Sheet, make_console, print_sheet, print_text
from autocnn.core.records import (
    Assessment,
    CheckedCondition,
    ClassScores,
    Interval,
    SplitScores,
    Subgroup,
)
from autocnn.core.wording import (
    METRICS,
    SET_NAMES,
    TABLE_PLACES,
    fraction,
    fraction_interval,
    p_value,
)

CLASS_COLUMNS = {
    "recall": "sensitivity",
    "specificity": "specificity",
    "precision": "precision",
    "f1": "F1",
    "auc": "AUC",
}


def print_assessment(record: Assessment) -> None:
    """The figures, beside the study's where there are any, each class, and all in words."""
    console = make_console()
    print_sheet(_figures(record), console)
    if record.comparisons and record.compared_with is not None:
        print_sheet(_comparisons(record), console)
    print_sheet(_classes(record.scores), console)
    if record.subgroups:
        print_sheet(_subgroups(record.subgroups), console)
    print_text(console, "")
    for sentence in record.sentences:
        print_text(console, sentence)


def describe_condition(one: CheckedCondition) -> str:
    """A condition, and what was found, on a line."""
    if one.interval is None:
        return f"does not hold: {one.condition}: {one.reason}"
    verdict = "holds" if one.holds else "does not hold"
    return f"{verdict}: {one.condition}: found {fraction_interval(one.interval)}"


def _figures(record: Assessment) -> Sheet:
    header = ["score", f"here: {record.scores.num_images:,} images"]
    scored = [record.scores]
    if record.unseen is not None:
        header.append(f"unseen: {record.unseen.num_images:,}")
        scored.append(record.unseen)
    rows = [
        [words, *(_show(one.intervals.get(name), getattr(one.scores, name)) for one in scored)]
        for name, words in METRICS.items()
    ]
    title = f"{record.study}, candidate {record.candidate}, on {record.data} [95 %]"
    return Sheet(title, header, rows, text=("score",))


def _comparisons(record: Assessment) -> Sheet:
    assert record.compared_with is not None
    header = ("score", f"{SET_NAMES[record.compared_with]} in the study", "difference", "differs")
    rows = [
        (
            METRICS[one.metric],
            _show(one.study, None),
            fraction_interval(one.difference, places=TABLE_PLACES, sign=True),
            "yes" if one.is_told_apart else "no",
        )
        for one in record.comparisons
    ]
    return Sheet("Beside the study [95 %]", header, rows, text=("score",))


def _classes(scores: SplitScores) -> Sheet:
    rows = [
        [one.label, f"{one.num_images:,}", *(_class_value(one, name) for name in CLASS_COLUMNS)]
        for one in scores.classes
    ]
    header = ("class", "images", *CLASS_COLUMNS.values())
    return Sheet("Each class against the rest [95 %]", header, rows, text=("class",))


def _subgroups(subgroups: Sequence[Subgroup]) -> Sheet:
    rows = [
        (
            one.column,
            one.value,
            f"{one.num_images:,}",
            _show(one.scores["accuracy"], None),
            fraction(one.others.value if one.others else None, places=TABLE_PLACES),
            "-" if one.p_value is None else p_value(one.p_value),
            one.verdict,
        )
        for one in subgroups
    ]
    header = ("column", "value", "images", "accuracy", "others", "p", "verdict")
    text = ("column", "value", "verdict")
    return Sheet("By the values of columns [95 %]", header, rows, text=text, keys=2)


def _class_value(scores: ClassScores, name: str) -> str:
    return _show(scores.intervals.get(name), getattr(scores, name))


def _show(interval: Interval | None, value: float | None) -> str:
    if interval is None:
        return fraction(value, places=TABLE_PLACES)
    return fraction_interval(interval, places=TABLE_PLACES)
