"""Reads a table of images and their labels, with whatever columns it has."""

import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePath

import numpy as np

from autocnn.core.config import Reading
from autocnn.core.csv_tables import FOLD_COLUMN, SHARE_PREFIX, SPLIT_COLUMNS
from autocnn.core.errors import DataError, Text
from autocnn.core.paths import to_path
from autocnn.core.records import SPLITS, SplitName
from autocnn.core.wording import count, first_few, listing, shortened, visible
from autocnn.data.image_files import IMAGE_SUFFIXES
from autocnn.data.sources import columns as roles
from autocnn.data.sources.columns import Columns, Labels, Splits
from autocnn.data.sources.lookup import FileLookup, Match, absolute, key_of
from autocnn.data.sources.table_files import Cells, read_cells
from autocnn.data.table import FileImages, FoundImages, Images, is_absent

SAMPLE_ROWS = 200
"""From which the column of paths is judged."""

MOST_FOLDERS = 1000
"""Folders in which images without a row are counted."""

MOST_NAMED = 3


def read_table(file: Path, reading: Reading = Reading()) -> FoundImages:  # noqa: B008 - frozen
    """Find the images that a table lists.

    Every cell is text as it is written: the label `007` stays `007`, and so do `NA` and `True`;
    spaces around it are removed, and said. What each column means is found out: the paths are
    where files are found, the label is named like one or is what is left. Paths may be absolute,
    written on another system, lack their suffix or their folders. A one-hot table has its label
    in the names of its columns. A row that is there twice counts once. The first note says what
    was understood.

    Args:
        file: CSV with any separator and in any encoding, Excel, or Parquet, which may be a folder
            of parts; also with the images themselves in a column, or their pixels in many.
        reading: What is not to be found out.

    Raises:
        DataError: When it is not certain which column is the label, or rows break a rule: all
            that do are in one message.
        MissingExtraError: When a package that reads such a file is not installed.
    """
    return _TableReader(file, reading).read()


class _TableReader:
    """One reading of a table; collects what is wrong with its rows."""

    def __init__(self, file: Path, reading: Reading) -> None:
        self.file = file
        self.reading = reading
        self.folder = _image_folder(file, reading)
        self.where = "the table's folder" if reading.images is None else str(self.folder)
        self.lookup = FileLookup(self.folder)
        self.problems: list[str] = []
        self.remedies: list[str] = []
        self.notes: list[str] = []

    def read(self) -> FoundImages:
        cells = read_cells(self.file)
        columns, lines = self.name_columns(cells)
        if not lines:
            raise DataError(
                f"{self.file}: must list at least two images, got none.",
                remedy="Add a row for each image.",
            )
        packed = {name: cells.images[i] for i, name in enumerate(columns) if i in cells.images}
        path_column = self.choose_path_column(columns, packed)
        rest = {name: columns[name] for name in columns if name not in (path_column, *packed)}
        found = self.choose_splits(rest)
        split_columns = found.columns if found else ()
        group_column = self.choose_group_column(rest, split_columns)
        labels = roles.find_labels(
            {name: rest[name] for name in rest if name not in (*split_columns, group_column)},
            self.reading.label_column,
            str(self.file),
        )
        splits = self.read_splits(found, lines)
        groups = self.read_groups(rest[group_column]) if group_column else [None] * len(lines)
        self.check_labels(labels.cells, lines)
        images: Images
        if path_column in packed:
            rows = list(range(len(lines)))
            paths, images = self.packed_images(packed[path_column], columns[path_column])
            source = f"images from `{path_column}`"
        else:
            matches = self.lookup.find_all(columns[path_column])
            matches = _in_folders_of_labels(matches, labels.cells)
            self.check_files(columns[path_column], matches, lines)
            rows = self.once_each(matches, labels.cells, splits, groups)
            self.raise_problems()
            files = [matches[row].files[0] for row in rows]
            root = _root_of(files, self.folder)
            start = len(_with_separator(str(absolute(root))))
            paths = [file[start:].replace(os.sep, "/") for file in files]
            images = FileImages(root)
            source = self.describe_images(path_column, [matches[row] for row in rows])
        self.raise_problems()
        self.check_spaces(cells.spaced, labels)
        used = {path_column, *split_columns, group_column, *labels.columns, *packed}
        others = {
            _own_name(name): tuple(columns[name][row] for row in rows)
            for name in columns
            if name not in used
        }
        chosen_splits = tuple(splits[row] for row in rows)
        sentence = self.describe(
            source, labels, Counter(chosen_splits), split_columns, group_column, groups, len(others)
        )
        unlisted = self.count_unlisted(paths, images)
        return FoundImages(
            paths=tuple(paths),
            class_of=tuple(labels.cells[row] for row in rows),
            splits=chosen_splits,
            groups=tuple(groups[row] for row in rows),
            images=images,
            ignored={"image without a row": unlisted} if unlisted else {},
            notes=(sentence, *cells.notes, *self.notes),
            others=others,
        )

    # -- columns -----------------------------------------------------------------------------

    def name_columns(self, cells: Cells) -> tuple[dict[str, Sequence[str]], Sequence[int]]:
        """Name -> cells of each column, and the number of each row in the file."""
        if not cells.rows:
            return {}, []
        first, *rows = cells.rows
        lines = cells.lines[1:]
        if not cells.has_names and not self.is_header(first, rows[0] if rows else ()):
            first, rows = [f"column {i + 1}" for i in range(len(first))], list(cells.rows)
            lines = cells.lines
            self.notes.append("The table has no header.")
        names = [name or f"column {i + 1}" for i, name in enumerate(first)]
        self.check_names(names)
        columns = zip(*rows, strict=True) if rows else [()] * len(names)
        return dict(zip(_each_once(names), columns, strict=True)), lines

    def is_header(self, first: Sequence[str], second: Sequence[str]) -> bool:
        """Whether the first row names the columns: it holds no files, as the second does."""
        reading = self.reading
        asked = {reading.path_column, reading.label_column}
        asked |= {reading.split_column, reading.group_column} - {roles.NONE}
        if asked & set(first):
            return True
        if any(_is_image(cell) for cell in first):  # a label may be called `class` or `disease`
            return False
        if roles.named_like(first, roles.PATH_NAMES):
            return True
        pairs = zip(first, second, strict=False)
        return not any(self.lookup.find(a).file and self.lookup.find(b).file for a, b in pairs)

    def check_names(self, names: Sequence[str]) -> None:
        shares = [name for name in names if name.casefold().startswith(SHARE_PREFIX)]
        if shares:
            raise DataError(
                f"{self.file}: must be a table of images and their labels, got one of "
                f"predictions: it has the column {shares[0].casefold()!r}.",
                remedy="What a model says is no label: a score on it would compare the model with "
                "itself. Give the true labels; if `label` has them, delete the columns of "
                "probabilities.",
            )
        known = (*roles.LABEL_NAMES, *roles.SPLIT_NAMES, *roles.GROUP_NAMES, "path")
        twice = [name for name, number in Counter(names).items() if number > 1]
        confusing = roles.named_like(twice, known)
        if confusing:
            raise DataError(
                f"{self.file}: must have each column once, got {confusing[0]!r} more than once."
            )

    def choose_path_column(self, columns: Columns, packed: Mapping[str, Images]) -> str:
        asked = self.reading.path_column
        if asked is not None:
            return roles.find_column(columns, asked, "path_column", str(self.file))
        if packed:
            return next(iter(roles.named_like(packed, roles.PATH_NAMES)), next(iter(packed)))
        named = roles.named_like(columns, roles.PATH_NAMES)
        ranks: dict[str, tuple[float, float, bool]] = {}
        for name in (*named, *(name for name in columns if name not in named)):
            found, exact = self.share_of_files(columns[name])
            if found == exact == 1:
                return name
            if found:
                ranks[name] = (round(found, 1), round(exact, 1), name in named)
        best: str | None = max(ranks, key=lambda name: ranks[name], default=None)
        if best is not None and ranks[best][0] >= 0.5:
            return best
        likely = [name for name in columns if any(_is_image(cell) for cell in columns[name])]
        chosen: str | None = next(iter((*likely, *([best] if best else ()), *named)), None)
        if chosen is None:
            shown = [
                f"{roles.short_name(name)} ({shortened(next(iter(cells), ''))})"
                for name, cells in columns.items()
            ]
            raise DataError(
                Text(
                    "{0}: one column must hold the images' paths or names, got none whose values "
                    "are files below {1}: {2}.",
                    self.file,
                    self.where,
                    first_few(shown, limit=6),
                ),
                remedy=Text(
                    "Say where the images are with {images}, and which column it is with "
                    "{path_column}."
                ),
            )
        return chosen

    def share_of_files(self, cells: Sequence[str]) -> tuple[float, float]:
        """Shares of different files among some cells, and of those that need nothing added."""
        places = np.unique(np.linspace(0, len(cells) - 1, SAMPLE_ROWS).astype(int)).tolist()
        sample = dict.fromkeys(cells[place] for place in places)
        matches = [match for match in self.lookup.find_all(list(sample)) if match.files]
        files = {match.files[0] for match in matches}
        exact = {match.files[0] for match in matches if match.how == "as it is"}
        # Repeated rows are no sign of a label: only values that repeat in bulk are.
        number = max(len(sample), len(places) / 2)
        return len(files) / number, len(exact) / number

    def choose_splits(self, columns: Columns) -> Splits | None:
        label = self.reading.label_column
        known = {name: columns[name] for name in columns if name != label}
        found = roles.find_splits(known, self.reading.split_column, str(self.file))
        if found is None and self.reading.split_column is None:
            self.notes += roles.unread_splits(known)
        return found

    def choose_group_column(self, columns: Columns, splits: Sequence[str]) -> str | None:
        taken = (self.reading.label_column, *splits)
        known = {name: columns[name] for name in columns if name not in taken}
        asked, label = self.reading.group_column, self.reading.label_column
        if asked is None and label is None and len(known) == 1:
            return None  # it is the only one that can be the label
        return roles.find_group(known, asked, str(self.file))

    # -- rows --------------------------------------------------------------------------------

    def read_groups(self, cells: Sequence[str]) -> list[str | None]:
        """The group of each row; what other programs write for none is none."""
        groups = [None if is_absent(cell) else cell for cell in cells]
        unknown = Counter(
            cell for cell, group in zip(cells, groups, strict=True) if cell and not group
        )
        if unknown:
            have = "has" if unknown.total() == 1 else "have"
            cells_shown = first_few([repr(shortened(cell)) for cell in unknown])
            self.notes.append(f"{count(unknown.total(), 'row')} {have} no group: {cells_shown}.")
        return groups

    def read_splits(self, found: Splits | None, lines: Sequence[int]) -> list[SplitName | None]:
        if found is None:
            return [None] * len(lines)
        known: dict[str, SplitName] = {split: split for split in SPLITS}
        wrong = [
            f"{shortened(split)!r} in line {line}"
            for split, line in zip(found.cells, lines, strict=True)
            if split is not None and split not in known
        ]
        if wrong:
            self.add(f"{count(len(wrong), 'split')} that is none: {_few(wrong)}")
            self.remedies.append("A split is train, val or test, or empty.")
        return [known.get(split or "") for split in found.cells]

    def check_labels(self, labels: Sequence[str], lines: Sequence[int]) -> None:
        empty = [str(line) for label, line in zip(labels, lines, strict=True) if not label]
        if empty:
            self.add(f"{count(len(empty), 'row')} without a label: {_lines(empty)}")
            self.remedies.append("Give them one, or delete the rows.")

    def check_files(
        self, cells: Sequence[str], matches: Sequence[Match], lines: Sequence[int]
    ) -> None:
        """Note rows without a file, and with more than one that it may be."""
        triples = list(zip(cells, matches, lines, strict=True))
        empty = [str(line) for cell, _, line in triples if not cell]
        if empty:
            self.add(f"{count(len(empty), 'row')} without a path: {_lines(empty)}")
        missing = [cell for cell, match, _ in triples if cell and not match.files]
        if missing:
            near = self.lookup.nearest(missing[0])
            hint = f" (the nearest to {shortened(missing[0])} is {near})" if near else ""
            names = first_few([shortened(cell) for cell in dict.fromkeys(missing)])
            self.add(f"{_files(len(missing))} not below {self.where}: {names}{hint}")
            self.remedies.append("Say where the images are with {images}.")
        unclear = [
            f"{shortened(cell)} ({' or '.join(self.lookup.shown(one) for one in match.files[:2])})"
            for cell, match, _ in triples
            if len(match.files) > 1
        ]
        if unclear:
            self.add(f"{count(len(unclear), 'name')} of more than one file: {_few(unclear)}")
            self.remedies.append("Choose the folder with {images}.")

    def once_each(
        self,
        matches: Sequence[Match],
        labels: Sequence[str],
        splits: Sequence[SplitName | None],
        groups: Sequence[str | None],
    ) -> list[int]:
        """The rows that count: the first of each file. Notes files that are said two things of."""
        rows_of: dict[str, list[int]] = defaultdict(list)
        for row, match in enumerate(matches):
            if match.file is not None:
                rows_of[match.file].append(row)
        repeated = {file: rows for file, rows in rows_of.items() if len(rows) > 1}
        for what, facts in (("label", labels), ("split", splits), ("group", groups)):
            torn = [
                f"{self.lookup.shown(file)} ({listing(_different(facts, rows))})"
                for file, rows in repeated.items()
                if len({facts[row] for row in rows}) > 1
            ]
            if torn:
                self.add(f"{count(len(torn), 'file')} with more than one {what}: {_few(torn)}")
                self.remedies.append("Keep one row for each file.")
        if repeated:
            surplus = sum(len(rows) - 1 for rows in repeated.values())
            names = [self.lookup.shown(file) for file in repeated]
            verb = "repeats a file" if surplus == 1 else "repeat files"
            self.notes.append(f"{count(surplus, 'row')} {verb} and count once: {_few(names)}.")
        return [rows[0] for rows in rows_of.values()]

    def packed_images(self, images: Images, names: Sequence[str]) -> tuple[list[str], Images]:
        """The images of a column, by their own names where these are all different."""
        if all(names) and len(set(names)) == len(names):
            return [name.replace("\\", "/") for name in names], images
        return [f"{self.file.stem}[{row}]" for row in range(len(names))], images

    def add(self, problem: str) -> None:
        self.problems.append(problem)

    def raise_problems(self) -> None:
        """Raise all of them in one message."""
        if self.problems:
            raise DataError(
                Text(
                    "{0}: every row must name a file and its label, got {1}.",
                    self.file,
                    "; ".join(self.problems),
                ),
                remedy=Text(" ".join(dict.fromkeys(self.remedies))),
            )

    # -- words -------------------------------------------------------------------------------

    def check_spaces(self, spaced: frozenset[str], labels: Labels) -> None:
        """Say that spaces around labels were removed."""
        values = set(labels.cells)
        changed = sorted(cell for cell in spaced if cell.strip() in values)
        if changed:
            self.notes.append(
                "Spaces around labels were removed: "
                f"{first_few([repr(shortened(cell)) for cell in changed])}."
            )

    def describe_images(self, column: str, matches: Sequence[Match]) -> str:
        """Where the images come from, in words."""
        folders = {match.files[0].rpartition(os.sep)[0] or os.sep for match in matches}
        where = _shown_folder(Path(os.path.commonpath(folders)), self.file.parent)
        suffixes = sorted({match.suffix for match in matches if match.suffix})
        added = f" + {', '.join(suffixes)}" if suffixes else ""
        by_name = ", by name" if any(match.how == "name" for match in matches) else ""
        return f"images from `{column}`{added}{by_name} in {where}"

    def describe(
        self,
        source: str,
        labels: Labels,
        splits: Mapping[SplitName | None, int],
        split_columns: Sequence[str],
        group_column: str | None,
        groups: Sequence[str | None],
        num_others: int,
    ) -> str:
        """The sentence that says what was understood, and how to say it otherwise."""
        num_rows = len(labels.cells)
        classes = count(len(set(labels.cells)), "class", "classes")
        names = [f"`{name}`" for name in labels.columns]
        shown = first_few(names) if len(names) > 1 else names[0]
        parts = [source, f"labels from {shown} ({classes})"]
        if split_columns:
            sizes = [f"{split} {splits[split]:,}" for split in SPLITS if splits.get(split)]
            named = listing([f"`{name}`" for name in split_columns])
            parts.append(f"splits from {named} ({', '.join(sizes) or 'none given'})")
        if group_column is not None:
            num_groups = len(set(groups) - {None})
            parts.append(f"groups from `{group_column}` ({num_groups:,})")
        kept = f"; {count(num_others, 'other column')} kept" if num_others else ""
        options = ["--path-column", "--label-column"]
        options += ["--split-column"] if split_columns else []
        options += [] if group_column is None else ["--group-column"]
        otherwise = ", ".join([*options, "--images"])
        what = f"Read {count(num_rows, 'row')} of {self.file.name}"
        return f"{what}: {', '.join(parts)}{kept}. Otherwise: {otherwise}."

    def count_unlisted(self, paths: Iterable[str], images: Images) -> int:
        """Images beside those of the table that have no row; says which."""
        if not isinstance(images, FileImages):
            return 0
        listed = set(paths)
        by_key = {key_of(path): path for path in listed}
        folders = {path.rpartition("/")[0] for path in listed}
        if len(folders) > MOST_FOLDERS:
            return 0
        there = (
            f"{folder}/{entry.name}".removeprefix("/")
            for folder in folders
            for entry in os.scandir(images.root / folder)
            if _is_image(entry.name) and not entry.name.startswith(".")
        )

        def is_listed(path: str) -> bool:
            """Also in other letters, where the file system takes them for the same."""
            if path in listed:
                return True
            other = by_key.get(key_of(path))
            return other is not None and (images.root / path).samefile(images.root / other)

        names = sorted(visible(path) for path in there if not is_listed(path))
        if names:
            have = "has" if len(names) == 1 else "have"
            self.notes.append(
                f"{count(len(names), 'image')} beside these {have} no row and "
                f"{'is' if len(names) == 1 else 'are'} not read: {_few(names)}."
            )
        return len(names)


def _in_folders_of_labels(matches: Sequence[Match], labels: Sequence[str]) -> list[Match]:
    """Of several files of one name, the one in the folder that is called as the label."""
    folders: dict[tuple[str, ...], dict[str, list[str]]] = {}  # files -> name of a folder -> some
    found = []
    for match, label in zip(matches, labels, strict=True):
        if len(match.files) > 1:
            by_folder = folders.get(match.files)  # once: there may be a thousand
            if by_folder is None:
                by_folder = folders[match.files] = defaultdict(list)
                for file in match.files:
                    by_folder[Path(file).parent.name].append(file)
            chosen = by_folder.get(label, ())
            match = replace(match, files=tuple(chosen)) if len(chosen) == 1 else match
        found.append(match)
    return found


def _image_folder(file: Path, reading: Reading) -> Path:
    """Where paths begin: the folder that was asked for, else that of the table."""
    if reading.images is None:
        return file.parent
    folder = to_path(reading.images)
    if not folder.is_dir():
        raise DataError(Text("{images} must be a folder, got {0!r}.", str(reading.images)))
    return folder


def _root_of(files: Sequence[str], folder: Path) -> Path:
    """The folder that the files' paths are relative to: that folder, or what they all share."""
    inside = _with_separator(str(absolute(folder)))
    if all(file.startswith(inside) for file in files):
        return folder
    try:
        return Path(os.path.commonpath({file.rpartition(os.sep)[0] or os.sep for file in files}))
    except ValueError as error:  # of Windows
        drives = sorted({os.path.splitdrive(file)[0] for file in files})
        raise DataError(
            f"the images of a table must lie on one drive, got {listing(drives)}.",
            remedy="Put them on one.",
        ) from error


def _with_separator(folder: str) -> str:
    return f"{folder.rstrip(os.sep)}{os.sep}"


def _shown_folder(folder: Path, table_dir: Path) -> str:
    """A folder, as seen from the table's where it is below that."""
    outside = absolute(table_dir)
    if not folder.is_relative_to(outside):
        return f"{folder}/"
    return "its folder" if folder == outside else f"{folder.relative_to(outside).as_posix()}/"


def _is_image(name: str) -> bool:
    return PurePath(name).suffix.lower() in IMAGE_SUFFIXES


def _own_name(name: str) -> str:
    """The name of a column that is kept; one that split.csv has already is told apart."""
    is_taken = name in SPLIT_COLUMNS or name.partition("_")[0] == FOLD_COLUMN
    return f"table.{name}" if is_taken else name


def _each_once(names: Sequence[str]) -> list[str]:
    """The names, later ones of the same with a number."""
    seen: Counter[str] = Counter()
    found = []
    for name in names:
        seen[name] += 1
        found.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return found


def _different(facts: Sequence[str | None], rows: Sequence[int]) -> list[str]:
    return list(dict.fromkeys(shortened(facts[row] or "none") for row in rows))


def _few(names: Sequence[str]) -> str:
    return first_few(names, limit=MOST_NAMED)


def _lines(numbers: Sequence[str]) -> str:
    return f"{'line' if len(numbers) == 1 else 'lines'} {_few(numbers)}"


def _files(number: int) -> str:
    return f"{count(number, 'file')} that {'is' if number == 1 else 'are'}"
