"""Scores by the values of a column: as a table for a CSV, in words, and on the page."""

from collections.abc import Iterator, Sequence

from autocnn.core import wording
from autocnn.core.csv_tables import Cell as CsvCell
from autocnn.core.records import CandidateRecord, Interval, Subgroup
from autocnn.core.records.subgroups import SHOWN
from autocnn.metrics.evidence import MIN_CLASS_IMAGES
from autocnn.reporting.elements import Cell, Row, Section, make_table, number_columns, text_columns

COLUMNS = (
    "column",
    "value",
    "images",
    *(f"{name}{end}" for name in SHOWN for end in ("", "_low", "_high")),
    "others_accuracy",
    "difference",
    "difference_low",
    "difference_high",
    "p_value",
    "verdict",
)
"""Of subgroups.csv."""


def subgroup_table(subgroups: Sequence[Subgroup]) -> tuple[Sequence[str], Iterator[list[CsvCell]]]:
    """Columns and rows of subgroups.csv."""
    return COLUMNS, map(_csv_row, subgroups)


def _csv_row(one: Subgroup) -> list[CsvCell]:
    scores = [cell for name in SHOWN for cell in _ends(one.scores.get(name))]
    others = None if one.others is None else one.others.value
    return [
        one.column,
        one.value,
        one.num_images,
        *scores,
        others,
        *_ends(one.difference),
        one.p_value,
        one.verdict,
    ]


def _ends(interval: Interval | None) -> list[CsvCell]:
    return [None] * 3 if interval is None else [interval.value, interval.low, interval.high]


def describe_worst(subgroups: Sequence[Subgroup]) -> Iterator[str]:
    """A sentence per column: where the model is worst, and whether that is shown."""
    number = sum(one.p_value is not None for one in subgroups)
    for column in dict.fromkeys(one.column for one in subgroups):
        ours = [one for one in subgroups if one.column == column]
        large = [
            (one.difference.value, place, one)
            for place, one in enumerate(ours)
            if one.p_value is not None and one.difference is not None
        ]
        worst = min(large)[2] if large else None
        small = [one.value for one in ours if one.p_value is None]
        few = f" Too few images for a verdict: {wording.first_few(small)}." if small else ""
        if worst is None or worst.others is None:
            yield f"By {column}: no value has {MIN_CLASS_IMAGES} images and others to compare with."
            continue
        is_shown = worst.verdict == "worse"
        shown = "is worse than" if is_shown else "is not shown to be worse than"
        yield (
            f"By {column}, the worst is {worst.value}: accuracy "
            f"{wording.fraction_interval(worst.scores['accuracy'])} of "
            f"{wording.count(worst.num_images, 'image')}. {_own_part(worst)}It {shown} the others, "
            f"{wording.fraction(worst.others.value)} on the same mix of classes (p "
            f"{wording.p_value(worst.p_value)}, corrected for "
            f"{wording.count(number, 'value')}).{few}"
        )


def _own_part(one: Subgroup) -> str:
    """Its accuracy on the classes that the others have too, where it has more; else nothing."""
    if one.others is None or one.difference is None:
        return ""
    compared = one.others.value + one.difference.value
    if abs(compared - one.scores["accuracy"].value) < 1e-9:
        return ""
    return f"On the classes that the others have too it has {wording.fraction(compared)}. "


def view_subgroups(record: CandidateRecord) -> Section | None:
    """What the page shows of them; None where no column was asked for."""
    if not record.subgroups:
        return None
    columns = [
        *text_columns("column", "value"),
        *number_columns("images", "accuracy [95 %]", "balanced accuracy", "macro AUC"),
        *number_columns("others, same classes", "points of difference [95 %]", "p"),
        *text_columns("verdict"),
    ]
    where = wording.images_of(record.judged.split, record.judged.num_images)
    caption = (
        f"Candidate {record.candidate} on {where}, by the values of columns of the table. Others: "
        "the images with other values, their classes mixed as in these; a class that they lack is "
        "not compared. p is corrected for the number of values."
    )
    return Section(
        sentences=tuple(describe_worst(record.subgroups)),
        table=make_table(
            "subgroups",
            caption,
            columns=columns,
            rows=[_row(one) for one in record.subgroups],
            is_sortable=True,
        ),
    )


def _row(one: Subgroup) -> Row:
    accuracy, difference = one.scores["accuracy"], one.difference
    others = [(name, one.scores[name].value if name in one.scores else None) for name in SHOWN[1:]]
    return [
        Cell(one.column, one.column),
        Cell(one.value, one.value),
        Cell(f"{one.num_images:,}", one.num_images),
        Cell(wording.percent_interval(accuracy, accuracy.value), accuracy.value),
        *(Cell(wording.metric(name, value), value) for name, value in others),
        Cell(wording.percent(one.others.value if one.others else None)),
        Cell(_points(difference), difference.value if difference else None),
        Cell(wording.p_value(one.p_value), one.p_value),
        Cell(one.verdict, one.verdict),
    ]


def _points(difference: Interval | None) -> str:
    if difference is None:
        return wording.ABSENT
    low, high = wording.points(difference.low), wording.points(difference.high)
    return f"{wording.points(difference.value)} [{low}, {high}]"
