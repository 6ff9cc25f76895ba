"""What `import autocnn` offers to call."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Unpack

from autocnn.api.frames import to_frame
from autocnn.api.settings import PathLike, Settings, read_settings
from autocnn.api.study import Candidate, Study
from autocnn.api.watch import interruptible, show
from autocnn.core.config import StudyConfig, resolve_config
from autocnn.core.errors import ConfigError
from autocnn.core.records import Assessment, SplitScores
from autocnn.core.wording import fraction_interval
from autocnn.storage import open_study as find_study
from autocnn.study import run as studies

if TYPE_CHECKING:
    import pandas as pd

    from autocnn.inference.evaluate import Assessed
    from autocnn.inference.predict.model import Model


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


def search(
    data: PathLike | StudyConfig = "digits",
    *,
    verbose: bool | None = None,
    **settings: Unpack[Settings],
) -> Study:
    """Search the CNN, augmentation and regularisation that generalise best on some images.

    Trials run in processes of their own; a script needs no `if __name__ == "__main__"`.
    Ctrl-C stops softly, pressed twice at once, and raises SearchInterrupted; `Study.resume`
    goes on.

    Args:
        data: A folder of class folders, a CSV of path,label[,split][,group], an .npz, or
            `digits` or `phantoms`, built in. Or a whole config, without other settings.
        verbose: Show progress on stderr; None: in a terminal, in a notebook and at a prompt.
            Warnings are always shown.
        **settings: The options of `autocnn search`: `trials=50`, `budget="2h"`,
            `memory_limit="2GB"`. The config's fields, with their unit in the name
            (`budget_s=7200`), mean the same.

    Returns:
        The finished study.

    Raises:
        ConfigError: When a setting is unknown or out of its range.
        SpaceError: When the space breaks a rule.
        DataError: When the images cannot be used.
        StudyError: When the study's folder is there already or cannot be written.
        SearchError: When no trial finished.
        SearchInterrupted: When it was stopped.
    """
    config = _read_config(data, settings)
    with interruptible() as interruption:
        observer = show(verbose)
        return Study(studies.search(config, observer, interruption=interruption))


def open_study(study: PathLike | None = None, *, results: PathLike = "results") -> Study:
    """A study on disk, finished or not.

    Args:
        study: Its name under `results`, or its path; None: the newest.
        results: Folder that holds the studies.

    Raises:
        StudyError: When there is none, or its study.json cannot be read.
    """
    name = None if study is None else os.fspath(study)
    return Study(find_study(name, Path(results)))


def load(
    model: PathLike, *, results: PathLike = "results", candidate: int | None = None
) -> "Model":
    """A model that predicts images: `load("mine").predict(["a.png", "b.png"])`.

    Args:
        model: A study (its name under `results`, or its path) or a folder that
            `Study.export` made.
        results: Folder that holds the studies.
        candidate: Of a study; None: the best.

    Raises:
        StudyError: When there is no such study or candidate.
        ExportError: When the folder is no whole export.
    """
    from autocnn.inference.predict.model import load as load_model

    return load_model(os.fspath(model), results=Path(results), candidate=candidate)


def evaluate(
    model: PathLike | Study | Candidate,
    data: PathLike,
    *,
    split: Literal["all", "test"] = "all",
    to: PathLike | None = None,
    results: PathLike = "results",
    cache_dir: PathLike | None = None,
    verbose: bool | None = None,
) -> Evaluation:
    """Score a model on other labelled images, as a study scores its candidates on test.

    Args:
        model: As for `load`, or a study or a candidate.
        data: As for `search`; classes are matched by name, and some may be missing.
        split: All images, or the test split alone.
        to: Folder for the tables and pictures that `autocnn evaluate` writes; None: none.
        results: Folder that holds the studies.
        cache_dir: Folder for decoded images; None: the platform's cache folder.
        verbose: As for `search`.

    Raises:
        DataError: When the images cannot be used, or have a class that the model does not
            know.
        StudyError: When there is no such study or candidate, or `to` cannot be written.
        ExportError: When the folder is no whole export.
        UsageError: When `to` holds something else.
    """
    from autocnn.inference.evaluate import assess, check_target, open_reference, write_assessment

    number = model.number if isinstance(model, Candidate) else None
    place = os.fspath(model.path if isinstance(model, Candidate) else model)
    target = None if to is None else Path(to)
    if target is not None:
        check_target(target)
    reference = open_reference(place, results=Path(results), candidate=number)
    observer = show(verbose)
    try:
        assessed = assess(
            lambda: load(place, results=results, candidate=number),
            reference,
            os.fspath(data),
            name=place,
            asked=split,
            cache_dir=None if cache_dir is None else Path(cache_dir),
            observer=observer,
        )
    finally:
        observer.close()
    if target is not None:
        write_assessment(assessed, target)
    return Evaluation(assessed.record, target, assessed)


def _read_config(data: PathLike | StudyConfig, settings: Settings) -> StudyConfig:
    if isinstance(data, StudyConfig):
        if settings:
            got = next(iter(settings))
            raise ConfigError(f"a StudyConfig must come without other settings, got {got}.")
        return data
    if not isinstance(data, str | os.PathLike):
        raise ConfigError(
            f"data must be a path or the name of a built-in set, got {type(data).__name__}.",
            remedy="For arrays, use AutoCNNClassifier, or save them with numpy.savez(x=..., "
            "y=...) and give the file.",
        )
    values: dict[str, Any] = read_settings(settings, tuple(Settings.__annotations__))
    return resolve_config({"data": os.fspath(data), **values})
