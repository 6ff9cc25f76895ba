"""An assessment on stdout, drawn with rich."""

import textwrap
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from autocnn.cli.tables import make_console
from autocnn.core.records import Assessment, ClassScores, Interval, SplitScores
from autocnn.core.wording import METRICS, SET_NAMES, fraction, fraction_interval

CLASS_COLUMNS = {
    "recall": "sensitivity",
    "specificity": "specificity",
    "precision": "precision",
    "f1": "F1",
    "auc": "AUC",
}


def print_assessment(record: Assessment) -> None:
    """The figures beside the study's, each class, then what it means in words."""
    console = make_console()
    console.print(_figures(record))
    console.print(_classes(record.scores))
    console.print()
    for sentence in record.sentences:
        _print_text(console, sentence)


def _figures(record: Assessment) -> Table:
    title = f"{record.study}, candidate {record.candidate}, on {record.data}"
    header = [f"here: {record.scores.num_images:,} images [95 %]"]
    if record.unseen is not None:
        header.append(f"unseen: {record.unseen.num_images:,} [95 %]")
    if record.compared_with is not None and record.comparisons:
        header += [f"{SET_NAMES[record.compared_with]} in the study", "difference", "differs"]
    compared = {one.metric: one for one in record.comparisons}
    rows = []
    for metric, words in METRICS.items():
        row = [words, _value(record.scores, metric)]
        if record.unseen is not None:
            row.append(_value(record.unseen, metric))
        one = compared.get(metric)
        if record.comparisons:
            row += (
                [
                    fraction_interval(one.study),
                    fraction_interval(one.difference),
                    "yes" if one.is_told_apart else "no",
                ]
                if one is not None
                else ["-", "-", "-"]
            )
        rows.append(row)
    return _table(title, ("score", *header), rows)


def _classes(scores: SplitScores) -> Table:
    rows = [
        [one.label, f"{one.num_images:,}", *(_class_value(one, name) for name in CLASS_COLUMNS)]
        for one in scores.classes
    ]
    return _table(
        "Each class against the rest [95 %]", ("class", "images", *CLASS_COLUMNS.values()), rows
    )


def _value(scores: SplitScores, metric: str) -> str:
    return _show(scores.intervals.get(metric), getattr(scores.scores, metric))


def _class_value(scores: ClassScores, name: str) -> str:
    return _show(scores.intervals.get(name), getattr(scores, name))


def _show(interval: Interval | None, value: float | None) -> str:
    return fraction(value) if interval is None else fraction_interval(interval)


def _table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    table = Table(title=title.replace("[", r"\["), title_justify="left")
    for number, name in enumerate(header):
        table.add_column(
            name.replace("[", r"\["), justify="right" if number else "left", overflow="fold"
        )
    for row in rows:
        table.add_row(*(cell.replace("[", r"\[") for cell in row))
    return table


def _print_text(console: Console, text: str) -> None:
    for line in textwrap.wrap(text, min(console.width, 100), break_on_hyphens=False):
        console.print(line, markup=False)
