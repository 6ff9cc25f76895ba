"""Predictions of any number of image files, a batch at a time, into a file or a stream."""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO, Literal

from autocnn.api.settings import PathLike, check_choice, page_path
from autocnn.api.watch import show
from autocnn.core.atomic import replacing
from autocnn.core.errors import Text, UsageError
from autocnn.core.events import Observer
from autocnn.core.paths import to_path
from autocnn.core.wording import describe_point
from autocnn.inference.predict import model as models
from autocnn.inference.predict.abstention import choose_abstention
from autocnn.inference.predict.explaining import Explainer
from autocnn.inference.predict.listing import count_images, list_images
from autocnn.inference.predict.predictions import Predictions
from autocnn.inference.predict.reading import NamedImage
from autocnn.inference.predict.rows import Summary, csv_header, csv_rows, json_rows
from autocnn.metrics.drift import DriftCounter

RowFormat = Literal["csv", "json"]


def predict(
    model: PathLike,
    images: PathLike | Iterable[PathLike],
    *,
    to: PathLike | None = None,
    stream: BinaryIO | None = None,
    format: RowFormat = "csv",  # noqa: A002 - as of `Study.report`
    unsure: float | None = None,
    max_error: float | None = None,
    explain: PathLike | None = None,
    compare: bool = False,
    target: str | None = None,
    prevalence: float | None = None,
    candidate: int | None = None,
    results: PathLike = "results",
    trust_code: bool = False,
    verbose: bool | None = None,
) -> Summary:
    """Predict any number of image files in flat memory; for a few, see `load`.

    Args:
        model: As for `load`.
        images: Files, folders (all images below them) and patterns (`scans/**/*.png`).
        to: File for a row per image; it appears whole, at the end.
        stream: Where the rows go as soon as they are known, in the place of `to`.
        format: Of the rows: `csv`, or `json`, an object per line.
        unsure: Answers with a smaller probability are `unsure`.
        max_error: Share of the answers that may be wrong, with 95 % confidence by images of the
            study that the model had not seen.
        explain: Folder for a picture per image of where the model looked; Keras models.
        compare: Whether the images are compared with those of the study, without labels: share
            unlike, shift of the features and of the predicted classes, in `Summary.drift`.
        target: The operating point at which a study's model decides, as `sensitivity of malignant
            >= 0.95`; see `Study.operating_point`. None: by the largest probability, and an export
            as it was exported.
        prevalence: Share of the target's class where the model is used; None: that of test.
        candidate: Of a study; None: the best.
        results: Folder that holds the studies.
        trust_code: As for `load`.
        verbose: As for `search`.

    Returns:
        The first rows, and how many images got which class, or an error.

    Raises:
        DataError: When there is no such image.
        UsageError: When a threshold is out of range or a target out of reach, `to` is in no folder,
            or the model needs code that is not trusted.
        StudyError: When there is no such study or candidate.
        ExportError: When the folder is no whole export, or the model cannot be explained.

    >>> predict("mine", "nothing/*.png")
    Traceback (most recent call last):
    ...
    autocnn.core.errors.DataError: nothing/*.png: must match an image, got none. Is it relative \
to the right folder?
    """
    given = [images] if isinstance(images, str | os.PathLike) else images
    places = [os.fspath(place) for place in given]
    file = None if to is None else page_path(to)
    check_choice("format", format, ("csv", "json"))
    if target is not None and (unsure is not None or max_error is not None):
        raise UsageError(Text("{target} must not be given together with {unsure} or {max_error}."))
    maps_dir = None if explain is None else to_path(explain)
    num_images = count_images(places, but=maps_dir)
    display = show(verbose)
    summary, drift = Summary(), None
    try:
        display.stage("load the model")
        opened = models.load(
            os.fspath(model),
            results=to_path(results),
            candidate=candidate,
            trust_code=trust_code,
            target=target,
            prevalence=prevalence,
        )
        point = opened.metadata.operating_point
        abstention = choose_abstention(opened.metadata, unsure=unsure, max_error=max_error)
        if point is not None and unsure is None and max_error is None:
            display.note(describe_point(point))
        elif abstention is not None:
            display.note(abstention.describe())
        if compare:
            facts = opened.metadata
            drift = DriftCounter(
                facts.class_names, facts.familiarity, facts.predicted, facts.num_predicted
            )
        explainer = None if maps_dir is None else Explainer(opened, maps_dir)
        display.stage("predict", total=num_images, unit="images")
        named = (NamedImage(str(path), path) for path in list_images(places, but=maps_dir))
        with _row_writer(opened.class_names, format, file, stream) as write:
            for batch in opened.read(named):
                predictions = opened.answer(batch, abstention)
                write(predictions)
                summary.add(predictions)
                if drift is not None:
                    drift.add(predictions.probabilities, predictions.distances)
                if explainer is not None:
                    explainer.write(batch, predictions)
                display.advance(len(predictions))
        _warn(summary, display)
        if drift is not None:
            summary.drift = drift.result()
    finally:
        display.close()
    return summary


@contextmanager
def _row_writer(
    class_names: tuple[str, ...], row_format: RowFormat, to: Path | None, stream: BinaryIO | None
) -> Iterator[Callable[[Predictions], None]]:
    """What writes the rows of a batch, and lets go of them at once."""
    with ExitStack() as stack:
        file = stream if to is None else stack.enter_context(replacing(to))

        if file is None:
            yield lambda predictions: None
            return

        def put(text: str) -> None:
            # A file name that is no UTF-8 is written with the bytes that it has.
            file.write(text.encode("utf-8", "surrogateescape"))
            file.flush()

        if row_format == "csv":
            put(csv_header(class_names))
        yield lambda found: put(csv_rows(found) if row_format == "csv" else json_rows(found))


def _warn(summary: Summary, display: Observer) -> None:
    of_all = f"of {summary.num_images:,} images"
    if summary.num_errors:
        display.warn(f"{summary.num_errors:,} {of_all} could not be read: see the column `error`.")
    if summary.num_unlike:
        is_are = "is" if summary.num_unlike == 1 else "are"
        display.warn(
            f"{summary.num_unlike:,} {of_all} {is_are} unlike the training images (`unlike`): "
            "what the model says of them is a guess."
        )
