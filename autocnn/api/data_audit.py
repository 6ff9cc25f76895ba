"""A look at the data before anything is trained on it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from autocnn.api.frames import to_frame
from autocnn.api.html import audit_html
from autocnn.api.inputs import placed
from autocnn.api.settings import DataSettings, PathLike, page_path, read_settings
from autocnn.api.watch import ProgressOnly, show
from autocnn.core.csv_tables import Cell
from autocnn.core.paths import to_path
from autocnn.core.records import SPLITS, AuditReport, ClassPixels, SampleImage
from autocnn.core.wording import count

if TYPE_CHECKING:
    import pandas as pd

    from autocnn.api.inputs import Labelled


@dataclass(frozen=True, repr=False)
class Audit:
    """What was found in a data set.

    Attributes:
        record: All of it, as in audit.json.
        split_path: The split without leaks, where one was asked for.
        split_notes: How it differs from the split that was there, a sentence each.
        page_path: The page, where one was asked for.
        pictures: Name of a thumbnail in the record -> JPEG.

    >>> import autocnn, numpy, tempfile
    >>> images = numpy.random.default_rng(0).integers(0, 256, (12, 16, 16), dtype=numpy.uint8)
    >>> images[11] = images[0]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     found = autocnn.audit((images, ["cat", "dog"] * 6), cache_dir=folder)
    >>> found.copies["label"].tolist(), found.label_conflicts["label"].tolist()
    (['cat', 'dog'], ['cat', 'dog'])
    """

    record: AuditReport
    split_path: Path | None = None
    split_notes: tuple[str, ...] = ()
    page_path: Path | None = None
    pictures: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is affected, how much of it, and what to do, a paragraph each."""
        return self.record.warnings

    @property
    def counts(self) -> "pd.DataFrame":
        """A row per split: split, a column of image counts per class, all."""
        rows: list[list[Cell]] = []
        for split in SPLITS:
            numbers = list(self.record.counts[split].values())
            rows.append([split, *numbers, sum(numbers)])
        return to_frame(["split", *self.record.class_names, "all"], rows)

    @property
    def samples(self) -> "pd.DataFrame":
        """Images of each class, a row each: path, label, split, picture (a key of `pictures`)."""
        columns = list(SampleImage.model_fields)
        rows = [[getattr(one, name) for name in columns] for one in self.record.samples]
        return to_frame(columns, rows)

    @property
    def copies(self) -> "pd.DataFrame":
        """A row per image that has copies: group, kind, path, label, split, turn."""
        rows: list[list[Cell]] = [
            [number, group.kind, *image]
            for number, group in enumerate(self.record.copies, start=1)
            for image in zip(group.paths, group.labels, group.splits, group.turns, strict=True)
        ]
        return to_frame(["group", "kind", "path", "label", "split", "turn"], rows)

    @property
    def label_conflicts(self) -> "pd.DataFrame":
        """A row per image whose copies have another label: group, path, label."""
        rows: list[list[Cell]] = [
            [number, path, label]
            for number, conflict in enumerate(self.record.label_conflicts, start=1)
            for path, label in zip(conflict.paths, conflict.labels, strict=True)
        ]
        return to_frame(["group", "path", "label"], rows)

    @property
    def problems(self) -> "pd.DataFrame":
        """A row per image that is unreadable, of one colour, or odd: problem, path, reason."""
        record = self.record
        rows: list[list[Cell]] = [["unreadable", one.path, one.reason] for one in record.unreadable]
        rows += [["of one colour", path, None] for path in record.blank]
        rows += [["odd", one.path, one.reason] for one in record.odd]
        return to_frame(["problem", "path", "reason"], rows)

    @property
    def shortcuts(self) -> "pd.DataFrame":
        """A row per thing that file facts predict: predicts, target, auc, fact, fact_auc, ..."""
        columns = ["predicts", "target", "auc", "fact", "fact_auc", "is_warning"]
        return to_frame(
            columns, [[getattr(one, name) for name in columns] for one in self.record.shortcuts]
        )

    @property
    def pixels(self) -> "pd.DataFrame":
        """A row per class: label, num_images, brightness, brightness_sd, contrast, ..."""
        columns = list(ClassPixels.model_fields)
        rows = [[getattr(one, name) for name in columns] for one in self.record.pixels]
        return to_frame(columns, rows)

    def to_html(self, path: PathLike) -> Path:
        """Write all of it as a page: classes, samples of each, pixels, warnings, copies.

        The page is one file that opens offline, of at most 2 MB or so.

        Args:
            path: File to write.

        Returns:
            Where it stands.

        Raises:
            UsageError: When it is in no folder.
            StudyError: When it cannot be written.
        """
        from autocnn.core.atomic import replace_file
        from autocnn.reporting.page import render_audit

        target = page_path(path)
        html = render_audit(self.record, self.pictures)
        replace_file(target, html.encode("utf-8"), setting="to")
        return target

    def __repr__(self) -> str:
        record = self.record
        facts = (
            count(record.num_images, "image"),
            count(len(record.class_names), "class", "classes"),
            count(len(record.warnings), "warning"),
        )
        return f"Audit({record.source!r}: {', '.join(facts)})"

    def _repr_html_(self) -> str:
        """Images of each class and split, what is affected, and samples."""
        return audit_html(self.record, self.pictures)


def audit(
    data: "Labelled",
    *,
    split_out: PathLike | None = None,
    to: PathLike | None = None,
    verbose: bool | None = None,
    **settings: Unpack[DataSettings],
) -> Audit:
    """Look for copies, leaks, wrong labels and shortcuts in some labelled images.

    Args:
        data: As for `search`.
        split_out: File for a split without leaks, a CSV to be given as data; None: none.
        to: File for a page, HTML, that shows all of it with samples of each class; None: none.
        verbose: As for `search`.
        **settings: The options of `autocnn audit`: `val_fraction=0.2`, `cache_limit="10GB"`.

    Returns:
        What was found; nothing of it is an error.

    Raises:
        ConfigError: When a setting is unknown or out of its range.
        UsageError: When the page is in no folder.
        DataError: When the images cannot be used, or the split cannot be written there.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     found = audit("digits", cache_dir=folder)
    >>> found
    Audit('digits': 1,797 images, 10 classes, 0 warnings)
    >>> found.counts[["split", "0", "9", "all"]].to_dict("records")[2]
    {'split': 'test', '0': 27, '9': 27, 'all': 270}
    """
    from autocnn.data import check_split_file, correct_split, prepare_data, read_source, write_split
    from autocnn.data.thumbnails import picture_data

    if to is not None:
        page_path(to)
    target = None if split_out is None else to_path(split_out)
    values: dict[str, Any] = read_settings(settings, tuple(DataSettings.__annotations__))
    with placed(data, values, split_out=target) as (config, name):
        display = show(verbose)
        try:
            if target is not None:
                check_split_file(target, read_source(config.data, reading=config.reading))
            dataset = prepare_data(config, image_sizes=(), observer=ProgressOnly(display))
        finally:
            display.close()
        report, pictures = picture_data(dataset, samples=config.samples, seed=config.seed)
        found = Audit(report.model_copy(update={"source": name}), pictures=pictures)
        if to is not None:
            found = replace(found, page_path=found.to_html(to))
        if target is None:
            return found
        corrected = correct_split(
            dataset,
            val_fraction=config.val_fraction,
            test_fraction=config.test_fraction,
            seed=config.seed,
        )
        write_split(target, corrected)
        return replace(found, split_path=target, split_notes=corrected.sentences)
