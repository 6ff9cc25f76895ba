"""What the columns of a table mean: label, split, group; `tables` finds out which is the path."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from autocnn.core.errors import DataError, Text, did_you_mean
from autocnn.core.records import SPLITS, SplitName
from autocnn.core.wording import count, first_few, listing, shortened
from autocnn.data.table import split_word

Columns = Mapping[str, Sequence[str]]
"""Name -> cells, all as long."""

NONE = "none"
"""Given in the place of a column: there is none."""

PATH_NAMES = (
    "path",
    "file",
    "filename",
    "filepath",
    "image",
    "img",
    "imagepath",
    "imagefile",
    "imagename",
    "imageid",
    "id",
    "idcode",
    "name",
)
LABEL_NAMES = ("label", "labels", "class", "classname", "classlabel", "target", "y")
"""Names of a label that leave no doubt, as `_plain` has them."""

MORE_LABEL_NAMES = (
    "diagnosis",
    "dx",
    "species",
    "category",
    "breed",
    "disease",
    "emotion",
    "groundtruth",
    "gt",
    "labelname",
    "classid",
    "labelid",
    "categoryname",
    "output",
)
SPLIT_NAMES = ("split", "set", "subset", "partition", "usage", "phase", "dataset", "traintest")
GROUP_NAMES = (
    "group",
    "groups",
    "groupid",
    "patient",
    "patientid",
    "subject",
    "subjectid",
    "lesionid",
)
SPLIT_FLAGS: Mapping[str, tuple[SplitName, SplitName]] = {
    "istrain": ("train", "test"),
    "istraining": ("train", "test"),
    "istrainingimage": ("train", "test"),
    "isval": ("val", "train"),
    "isvalid": ("val", "train"),
    "isvalidation": ("val", "train"),
    "istest": ("test", "train"),
}
"""Columns of yes and no -> the split of either."""

MOST_LETTERS = 80
"""Of the name of a column in a message: it may have to be typed."""

MOST_NUMBERS = 20
"""Different numbers of which some are not whole: above it they are a continuous target."""

_TRUE, _FALSE = ("1", "1.0", "true", "yes"), ("0", "0.0", "false", "no")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE)
_WHOLE = re.compile(r"[+-]?\d+(\.0*)?")


@dataclass(frozen=True)
class Labels:
    """The label of each row, and where it comes from.

    Attributes:
        cells: (rows,) empty where a row has none.
        columns: That it was read from: one, or those of a one-hot table.
    """

    cells: Sequence[str]
    columns: tuple[str, ...]


@dataclass(frozen=True)
class Splits:
    """The split of each row, and where it comes from.

    Attributes:
        cells: (rows,) None where none is given, the cell itself where it means none.
        columns: That it was read from: one, or several of yes and no.
    """

    cells: Sequence[SplitName | str | None]
    columns: tuple[str, ...]


def find_column(columns: Columns, asked: str, setting: str, where: str) -> str:
    """The column that somebody names, in any case.

    Args:
        columns: Of the table.
        asked: The name.
        setting: That it was given in.
        where: For the message.

    Raises:
        DataError: When there is none of that name.
    """
    if asked in columns:
        return asked
    same = [name for name in columns if name.casefold() == asked.strip().casefold()]
    if len(same) == 1:
        return same[0]
    names, hint = first_few([*map(short_name, columns)], limit=12), did_you_mean(asked, columns)
    raise DataError(
        Text(f"{{0}}: {{{setting}}} must be one of its columns, got {{1!r}}.", where, asked),
        remedy=Text("They are {0}.{1}", names, f" {hint}" if hint else ""),
    )


def named_like(columns: Iterable[str], names: Sequence[str]) -> list[str]:
    """The columns of these names, whatever their case and separators, in the names' order.

    >>> named_like(["age", "Image ID", "image_path"], PATH_NAMES)
    ['image_path', 'Image ID']
    """
    found = [name for name in columns if _plain(name) in names]
    return sorted(found, key=lambda name: names.index(_plain(name)))


def short_name(column: str) -> str:
    """The name of a column in a message."""
    return shortened(column, limit=MOST_LETTERS)


# -- labels ----------------------------------------------------------------------------------


def find_labels(columns: Columns, asked: str | None, where: str) -> Labels:
    """Which column is the label: the one that is asked for, or named like one, or left.

    Args:
        columns: Of the table, but for those that are something else.
        asked: Name of the column; None: to be found out.
        where: For messages.

    Raises:
        DataError: When it is not certain, or the labels are of a kind that is not classified.
    """
    if asked is not None:
        name = find_column(columns, asked, "label_column", where)
        _check_kind(columns[name], name, where)
        return Labels(columns[name], (name,))
    for names in (LABEL_NAMES, MORE_LABEL_NAMES):
        named = [name for name in named_like(columns, names) if not _is_place(name, columns)]
        likely = _without_twins(columns, named)
        if likely:
            break
    if not likely:
        hot = _one_hot(columns, where)
        if hot is not None:
            return hot
        likely = list(columns) if len(columns) == 1 else _few_values(columns)
    if len(likely) != 1:
        raise _question(columns, likely, where)
    _check_kind(columns[likely[0]], likely[0], where)
    return Labels(columns[likely[0]], (likely[0],))


def _is_place(name: str, columns: Columns) -> bool:
    """Whether it is the `y` of a place in the image, beside its `x`.

    >>> _is_place("y", {"x": ["7", "9"], "y": ["0", "1"]}), _is_place("y", {"y": ["0", "1"]})
    (True, False)
    """
    beside = [name, *(one for one in columns if _plain(one) == "x")]
    cells = [cell for one in beside for cell in columns[one] if cell]
    return _plain(name) == "y" and len(beside) > 1 and all(map(_is_number, cells))


def _without_twins(columns: Columns, names: Sequence[str]) -> list[str]:
    """Of columns that say the same in other words, the one of words in the place of numbers."""
    kept: list[str] = []
    for name in names:
        twin = next((one for one in kept if _say_the_same(columns[one], columns[name])), None)
        if twin is None:
            kept.append(name)
        elif all(map(_is_number, columns[twin])) and not all(map(_is_number, columns[name])):
            kept[kept.index(twin)] = name
    return kept


def _say_the_same(one: Sequence[str], other: Sequence[str]) -> bool:
    pairs = set(zip(one, other, strict=True))
    return len(pairs) == len(set(one)) == len(set(other))


def _few_values(columns: Columns) -> list[str]:
    """The columns whose values could be classes: at least two, that occur again and again."""
    values = {name: set(cells) - {""} for name, cells in columns.items()}
    return [name for name, cells in columns.items() if 2 <= len(values[name]) <= len(cells) / 2]


def _one_hot(columns: Columns, where: str) -> Labels | None:
    """The labels of a table with a column of 0 and 1 per class; None without such columns.

    Raises:
        DataError: When an image has several classes, or none.
    """
    flags = {
        name: [cell.lower() in _TRUE for cell in cells]
        for name, cells in columns.items()
        if cells and _are_flags(cells)
    }
    if len(flags) < 2:
        return None
    is_alone = all(name in flags for name in _few_values(columns))
    names = tuple(flags)
    rows = list(zip(*flags.values(), strict=True))
    sums = Counter(map(sum, rows))
    # Two may exclude each other by what they mean, as male and female do.
    if set(sums) == {1} and (is_alone or len(flags) > 2):
        return Labels([names[row.index(True)] for row in rows], names)
    several = sum(number for ones, number in sums.items() if ones > 1)
    if several and is_alone and len(flags) > 2:
        raise DataError(
            Text(
                "{0}: an image must have one class, got {1} with several of the columns {2}, and "
                "{3} with none.",
                where,
                count(several, "row"),
                first_few(names),
                f"{sums[0]:,}",
            ),
            remedy=Text(
                "Several labels for an image are not learned: choose one column, as "
                "{label_column:{0}}.",
                names[0],
            ),
        )
    return None


def _check_kind(cells: Sequence[str], name: str, where: str) -> None:
    """Refuse what is no class: measurements, and several labels for an image.

    Raises:
        DataError: When the labels are either.
    """
    values = list(dict.fromkeys(cell for cell in cells if cell))
    numbers = [value for value in values if _is_number(value)]
    if len(values) > MOST_NUMBERS and len(numbers) == len(values):
        decimals = [value for value in numbers if not _WHOLE.fullmatch(value)]
        if decimals or len(values) > len(cells) / 2:
            raise DataError(
                Text(
                    "{0}: a label must be a class, got {1} different numbers in the column {2!r}, "
                    "as {3}.",
                    where,
                    f"{len(values):,}",
                    name,
                    first_few(decimals or numbers, limit=2),
                ),
                remedy=Text(
                    "Measurements are not learned: cut them into classes in a column of its own, "
                    "or name another one with {label_column}."
                ),
            )
    joined = _several_labels(cells)
    if joined is not None:
        raise DataError(
            Text(
                "{0}: an image must have one label, got several in the column {1!r}, as {2!r}.",
                where,
                name,
                shortened(joined),
            ),
            remedy=Text(
                "Several labels for an image are not learned: keep one for each, or name another "
                "column with {label_column}."
            ),
        )


def _several_labels(cells: Sequence[str]) -> str | None:
    """A cell that joins several labels; None when none seems to.

    >>> _several_labels(["a|b", "b|c", "a"]), _several_labels(["scab", "rust", "scab rust"])
    ('a|b', None)
    >>> _several_labels(["great white shark", "white shark", "cat, wild"])
    """
    values = {cell for cell in cells if cell}
    for separator in ("|", ";", ",", " "):
        joined = sorted(value for value in values if separator in value)
        parts = [[part.strip(" '\"[]") for part in value.split(separator)] for value in joined]
        uses = Counter(part for found in parts for part in set(found))
        alone = values - set(joined)
        if separator in ", ":  # which stand in names too
            is_many = len(joined) > 1 and all(part in alone for found in parts for part in found)
        else:
            is_many = any(number > 1 or part in alone for part, number in uses.items())
        if joined and is_many:
            return joined[0]
    return None


def _question(columns: Columns, likely: Sequence[str], where: str) -> DataError:
    """Which of several columns is the label, or of all where none seems to be one."""
    shown = sorted(likely, key=lambda name: len(set(columns[name]))) or list(columns)
    facts = [f"{short_name(name)} ({_describe(columns[name])})" for name in shown]
    got = "several that may be it" if likely else "none that looks like it"
    listed = first_few(facts, limit=6) or "no other column"
    return DataError(
        Text("{0}: one column must be the label, got {1}: {2}.", where, got, listed),
        remedy=Text("Name it, as {label_column:{0}}.", shown[0])
        if shown
        else "Add a column with the label of each image.",
    )


def _describe(cells: Sequence[str]) -> str:
    values = list(dict.fromkeys(cell for cell in cells if cell))
    if len(values) <= 3:
        return ", ".join(map(shortened, values)) or "empty"
    return f"{len(values):,} values"


# -- splits and groups -----------------------------------------------------------------------


def find_splits(columns: Columns, asked: str | None, where: str) -> Splits | None:
    """The splits: of the column that is asked for, named like one, or of nothing else.

    Columns of yes and no, as `is_train` and `is_test`, count together.

    Raises:
        DataError: When there is no column of the name that is asked for, or those of yes and no
            put a row into several splits, or into none.
    """
    if asked == NONE:
        return None
    if asked is not None:
        name = find_column(columns, asked, "split_column", where)
        return Splits(_read_splits(columns[name], name), (name,))
    for name in columns:
        if _plain(name) == "split":
            return Splits(_read_splits(columns[name], name), (name,))
    for name in (*named_like(columns, SPLIT_NAMES), *columns):
        words = {split_word(cell) for cell in columns[name] if cell}
        if None not in words and "train" in words and len(words) > 1:
            return Splits(_read_splits(columns[name], name), (name,))
    flags = {
        name: [cell.lower() in _TRUE for cell in cells]
        for name, cells in columns.items()
        if _plain(name) in SPLIT_FLAGS and _are_flags(cells)
    }
    if any(0 < sum(flag) < len(flag) for flag in flags.values()):
        return _join_flags(flags, where)
    return None


def unread_splits(columns: Columns) -> Iterator[str]:
    """What columns that are named or filled like splits say that is none; a sentence of each."""
    for name, cells in columns.items():
        values = list(dict.fromkeys(cells))
        if _plain(name) in SPLIT_FLAGS:
            is_meant = any(cell.lower() in _TRUE for cell in values)
            others = [cell or "an empty cell" for cell in values if not _are_flags([cell])]
            remedy = "yes or no"
        else:
            is_meant = _plain(name) in SPLIT_NAMES and "train" in map(split_word, values)
            others = [cell for cell in values if cell and split_word(cell) is None]
            remedy = "train, val, test or nothing"
        if is_meant and others:
            shown = first_few([shortened(cell) for cell in others])
            yield f"`{name}` is not read as the split, because of {shown}: write {remedy} there."


def _join_flags(flags: Mapping[str, Sequence[bool]], where: str) -> Splits:
    """What columns of yes and no say together; a split that has none is where all say no.

    Raises:
        DataError: When they contradict each other.
    """
    names = tuple(flags)
    meant = [SPLIT_FLAGS[_plain(name)] for name in names]
    left = [split for split in SPLITS if split not in {yes for yes, _ in meant}]
    otherwise = meant[0][1] if len(left) == 2 else next(iter(left), None)
    found: list[SplitName | None] = []
    for row in zip(*flags.values(), strict=True):
        said = {yes for (yes, _), is_true in zip(meant, row, strict=True) if is_true}
        denied = {yes for (yes, _), is_true in zip(meant, row, strict=True) if not is_true}
        is_clear = len(said) == 1 and not said & denied
        found.append(next(iter(said)) if is_clear else None if said else otherwise)
    if None in found:
        raise DataError(
            Text(
                "{0}: every row must be in one split, got {1} in several, or in none, by the "
                "columns {2}.",
                where,
                count(found.count(None), "row"),
                listing(names),
            ),
            remedy=Text(
                "Name the one that counts, as {split_column:{0}}, or give {split_column:none}.",
                names[0],
            ),
        )
    return Splits(found, names)


def _read_splits(cells: Sequence[str], name: str) -> list[SplitName | str | None]:
    """The split of each row: None where none is given, the cell itself where it means none."""
    flags = SPLIT_FLAGS.get(_plain(name))
    if flags is not None and _are_flags(cells):
        return [flags[0] if cell.lower() in _TRUE else flags[1] for cell in cells]
    return [(split_word(cell) or cell) if cell else None for cell in cells]


def _are_flags(cells: Sequence[str]) -> bool:
    return all(cell.lower() in _TRUE + _FALSE for cell in cells)


def find_group(columns: Columns, asked: str | None, where: str) -> str | None:
    """The column of groups: the one that is asked for, or named like one.

    Raises:
        DataError: When there is none of the name that is asked for.
    """
    if asked == NONE:
        return None
    if asked is not None:
        return find_column(columns, asked, "group_column", where)
    for name in named_like(columns, GROUP_NAMES):
        num_groups = len(set(columns[name]) - {""})
        if _plain(name) == "group" or 1 < num_groups < len(columns[name]):
            return name
    return None


def _plain(name: str) -> str:
    """A name without case and separators."""
    return re.sub(r"[\W_]+", "", name.casefold())


def _is_number(text: str) -> bool:
    return _NUMBER.fullmatch(text) is not None
