"""A model on other labelled images."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from autocnn.api.candidate import Candidate
from autocnn.api.frames import to_frame
from autocnn.api.inputs import placed
from autocnn.api.settings import PathLike, check_choice
from autocnn.api.study import Study
from autocnn.api.watch import show
from autocnn.core.errors import Text, UsageError
from autocnn.core.paths import to_path
from autocnn.core.records import Assessment, CheckedCondition, SplitScores
from autocnn.core.wording import fraction_interval

if TYPE_CHECKING:
    import pandas as pd

    from autocnn.api.inputs import Labelled
    from autocnn.inference.evaluate import Assessed


@dataclass(frozen=True, repr=False)
class Evaluation:
    """A model on other labelled images.

    Attributes:
        record: Everything measured: `unseen`, `comparisons`, `sentences`, ...
        path: Folder with its tables and pictures; None where none was asked for.
    """

    record: Assessment
    path: Path | None
    _assessed: "Assessed" = field(compare=False)

    @property
    def scores(self) -> SplitScores:
        """Scores on all images, over all and per class, with their 95 % intervals."""
        return self.record.scores

    def check(self, conditions: Iterable[str]) -> tuple[CheckedCondition, ...]:
        """Whether conditions hold, as `clean accuracy low >= 0.93`.

        Args:
            conditions: SET METRIC [low|high|value] OPERATOR NUMBER each. SET is `all`, or `clean`:
                images that the model has not seen. METRIC is a score over all classes, or
                `sensitivity of CLASS`, specificity, precision, f1 or auc of one. low and high are
                the ends of its 95 % interval, value itself where neither is written.

        Returns:
            One each, in their order: `holds`, and what was `found`. What was not measured does
            not hold, and has its `reason`.

        Raises:
            UsageError: When a condition is none.
        """
        from autocnn.inference.evaluate import check_conditions, parse_condition

        names = [one.label for one in self.scores.classes]
        return check_conditions(self.record, [parse_condition(one, names) for one in conditions])

    @property
    def predictions(self) -> "pd.DataFrame":
        """A row per image: path, label, predicted, ..., and `p.<class>` per class."""
        from autocnn.inference.evaluate.files import prediction_table

        columns, rows = prediction_table(self._assessed)
        return to_frame(columns, list(rows))

    def __repr__(self) -> str:
        record = self.record
        accuracy = record.scores.intervals["accuracy"]
        return (
            f"Evaluation({record.study!r}, candidate {record.candidate}, on {record.data!r}: "
            f"accuracy {fraction_interval(accuracy)} of "
            f"{record.scores.num_images:,} images)"
        )


def evaluate(
    model: PathLike | Study | Candidate,
    data: "Labelled",
    *,
    split: Literal["all", "test"] = "all",
    candidate: int | None = None,
    to: PathLike | Literal[True] | None = None,
    images: PathLike | None = None,
    path_column: str | None = None,
    label_column: str | None = None,
    split_column: str | None = None,
    group_column: str | None = None,
    label_from_name: str | None = None,
    group_from_name: str | None = None,
    by: str | Sequence[str] | None = None,
    require: Sequence[str] = (),
    results: PathLike = "results",
    cache_dir: PathLike | None = None,
    trust_code: bool = False,
    verbose: bool | None = None,
) -> Evaluation:
    """Score a model on other labelled images, as a study scores its candidates on test.

    Args:
        model: As for `load`, or a study or a candidate.
        data: As for `search`; classes are matched by name, and some may be missing.
        split: All images, or the test split alone.
        candidate: Of a study; None: the best.
        to: Folder for metrics.json, tables and pictures; True: one in the current folder, named
            after study and data, as `autocnn evaluate` has it; None: nothing is written.
        images: As for `search`.
        path_column: As for `search`.
        label_column: As for `search`.
        split_column: As for `search`.
        group_column: As for `search`.
        label_from_name: As for `search`.
        group_from_name: As for `search`.
        by: Columns of the table; each of their values is scored, in `record.subgroups`.
        require: Conditions that are checked, in `record.conditions`; see `Evaluation.check`.
        results: Folder that holds the studies.
        cache_dir: Folder for decoded images; None: the platform's cache folder.
        trust_code: As for `load`.
        verbose: As for `search`.

    Raises:
        ConfigError: When a setting is out of its range.
        DataError: When the images cannot be used, or have a class that the model does not
            know.
        StudyError: When there is no such study or candidate, or `to` cannot be written.
        ExportError: When the folder is no whole export.
        UsageError: When `to` holds something else, `split` is another, a condition is none, a
            candidate of a candidate is asked for, or the model needs code that is not trusted.

    >>> evaluate("no-model", "digits", results="no-folder")
    Traceback (most recent call last):
        ...
    autocnn.core.errors.StudyNotFoundError: no-model: must be a study under no-folder, a path to \
one, an exported folder or a model file in one of these, got none of them. Start one with \
`autocnn search`.
    """
    from autocnn.inference.evaluate import (
        assess,
        check_conditions,
        check_target,
        default_target,
        open_reference,
        parse_condition,
        write_assessment,
    )
    from autocnn.inference.predict import model as models

    check_choice("split", split, ("all", "test"))
    if isinstance(model, Candidate) and candidate is not None:
        raise UsageError(Text("{candidate} is for a study, got a candidate as the model."))
    values = {
        "images": images,
        "path_column": path_column,
        "label_column": label_column,
        "split_column": split_column,
        "group_column": group_column,
        "label_from_name": label_from_name,
        "group_from_name": group_from_name,
        "by": by,
    }
    number = model.number if isinstance(model, Candidate) else candidate
    place = os.fspath(model.path if isinstance(model, Candidate) else model)
    target = None if to is None or to is True else to_path(to)
    if target is not None:
        check_target(target)
    reference = open_reference(place, results=to_path(results), candidate=number)
    conditions = [parse_condition(one, reference.class_names) for one in require]
    with placed(data, values) as (read, data_name):
        if to is True:
            target = default_target(reference, data_name)
            check_target(target, data=data_name, model=place)
        observer = show(verbose)
        try:
            assessed = assess(
                lambda: models.load(
                    place, results=to_path(results), candidate=number, trust_code=trust_code
                ),
                reference,
                read.data,
                name=place,
                asked=split,
                reading=read.reading,
                by=read.by or (),
                cache_dir=None if cache_dir is None else to_path(cache_dir),
                observer=observer,
            )
        finally:
            observer.close()
        checked = check_conditions(assessed.record, conditions)
        record = assessed.record.model_copy(update={"data": data_name, "conditions": checked})
        assessed = replace(assessed, record=record)
    if target is not None:
        write_assessment(assessed, target)
    return Evaluation(assessed.record, target, assessed)
