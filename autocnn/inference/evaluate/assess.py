"""Scores of a model on DATA, from its images to the record, and how they compare."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from autocnn.core.arrays import Pixels
from autocnn.core.config import Reading, StudyConfig
from autocnn.core.errors import DataError
from autocnn.core.events import Observer
from autocnn.core.records import Assessment, FigureComparison, SplitScores, UnreadableImage
from autocnn.data import (
    DecodedImages,
    ImageTable,
    bundle_images,
    choose_image_size,
    decode_images,
    find_copies,
    read_source,
    values_by,
)
from autocnn.inference.evaluate.labels import Asked, choose_images, match_labels
from autocnn.inference.evaluate.reference import Reference
from autocnn.inference.evaluate.seen import StudyData, find_near_seen
from autocnn.inference.evaluate.words import describe, describe_point
from autocnn.metrics.calibration import reliability_bins
from autocnn.metrics.intervals import difference_interval
from autocnn.metrics.scores import METRICS, confusion_matrix, score_split
from autocnn.metrics.subgroups import score_subgroups
from autocnn.reporting.subgroups import describe_worst

IMAGES_AT_ONCE = 1024
"""Images that the model is given at a time: what bounds the memory."""


class Predicted(Protocol):
    """What a model gives for m images."""

    @property
    def probabilities(self) -> NDArray[np.floating]:
        """(m, classes); a row of an image with an error counts for nothing."""
        ...

    @property
    def is_unlike(self) -> NDArray[np.bool_] | None:
        """(m,) Whether each is unlike the training images; None where nobody can say."""
        ...

    @property
    def errors(self) -> Sequence[str | None]:
        """(m,) Why an image could not be read, or None."""
        ...


class Predictor(Protocol):
    """A model that reads images by itself."""

    def predict(self, images: Sequence[Path | bytes | Pixels]) -> Predicted:
        """Predict some images, each a file, its content or uint8 pixels.

        Classes are the reference's.
        """
        ...


@dataclass(frozen=True, eq=False)
class Assessed:
    """A model on n images, and all that its tables and pictures are made from.

    Attributes:
        record: Everything measured.
        paths: (n,) The scored images.
        labels: (n,) Their classes, index into the model's.
        probabilities: (n, classes).
        groups: (n,) The same number for copies and images of one named group.
        is_unlike: (n,) Unlike the training images; None where the model cannot say.
        is_seen: (n,) Copy of a train or val image of its study, near copies too where its images
            are still there, or of a group with one; None where not known.
    """

    record: Assessment
    paths: tuple[str, ...]
    labels: NDArray[np.int32]
    probabilities: NDArray[np.floating]
    groups: NDArray[np.int64]
    is_unlike: NDArray[np.bool_] | None
    is_seen: NDArray[np.bool_] | None


def assess(
    load: Callable[[], Predictor],
    reference: Reference,
    data: str,
    *,
    name: str,
    asked: Asked = "all",
    reading: Reading = Reading(),  # noqa: B008 - frozen
    by: Sequence[str] = (),
    cache_dir: Path | None = None,
    observer: Observer | None = None,
) -> Assessed:
    """Score a model on DATA as a study scores its candidates on test.

    Intervals are by group: copies and images of one named group count together. Nothing is
    written but decoded images in the cache.

    Args:
        load: Loads the model, which is slow: it is called when DATA has turned out usable.
        reference: Of its study: its classes, and what the scores are compared with.
        data: As for a search; one class is enough here.
        name: MODEL as it was given, for the record.
        asked: All images, or the test split alone.
        reading: What DATA does not say of itself.
        by: Columns of the table, of whose values each is scored.
        cache_dir: Folder for decoded images; None: the platform's cache folder.
        observer: Hears of the stages `read`, `decode`, `compare`, `load the model`, `predict`.

    Raises:
        DataError: When DATA cannot be used, or has a class that the model does not know.
    """
    observer = observer or Observer()
    table = read_source(
        data,
        reading=reading,
        observer=observer,
        fewest_classes=1,
        array_levels=reference.array_levels,
    )
    for note in table.notes:
        observer.note(note)
    columns = values_by(table, by)
    class_names = reference.class_names
    labels = match_labels(table, class_names)
    chosen = choose_images(table, asked, reference)
    decoded = _decode(table, reference.source, cache_dir, observer)
    bundles, unreadable = _bundle(table, decoded, observer), dict(decoded.unreadable)
    readable = chosen[bundles[chosen] >= 0]
    is_near = _find_near(table, readable, decoded, reference.source, cache_dir, observer)
    observer.stage("load the model")
    parts = list(_predict(load(), table, readable, observer))
    errors = [error for part in parts for error in part.errors]
    unreadable |= {int(i): error for i, error in zip(readable, errors, strict=True) if error}
    keep = np.array([error is None for error in errors], dtype=bool)
    kept = readable[keep]
    left_out = tuple(
        UnreadableImage(path=table.paths[i], reason=unreadable[i])
        for i in chosen.tolist()
        if i in unreadable
    )
    if not len(kept):
        first = "; ".join(f"{image.path} {image.reason}" for image in left_out[:3])
        raise DataError(f"{data}: must have an image that can be read, got none: {first}.")
    hashes = [table.sha256[i] for i in kept.tolist()]
    is_byte_copy = _is_among(hashes, reference.seen)
    is_kin = _find_kin(table, bundles, reference, readable, is_near, observer)
    is_near = None if is_near is None else is_near[keep]
    images = _Images(
        labels=labels[kept],
        probabilities=np.concatenate([part.probabilities for part in parts])[keep],
        groups=bundles[kept],
        is_byte_copy=is_byte_copy,
        is_near=is_near,
        is_kin=None if is_kin is None else is_kin[kept],
        is_tested=_is_among(hashes, _hashes_of(reference.tested)),
        is_unlike=_joined([part.is_unlike for part in parts], keep),
    )
    of_images = {name: [cells[i] for i in kept.tolist()] for name, cells in columns.items()}
    record = _record(
        images,
        of_images,
        class_names,
        reference,
        name=name,
        data=data,
        asked=asked,
        left_out=left_out,
    )
    return Assessed(
        record=record.model_copy(
            update={
                "sentences": (
                    *describe(record),
                    *describe_worst(record.subgroups),
                    *describe_point(reference.point),
                )
            }
        ),
        paths=tuple(table.paths[i] for i in kept.tolist()),
        labels=images.labels,
        probabilities=images.probabilities,
        groups=images.groups,
        is_unlike=images.is_unlike,
        is_seen=images.is_seen,
    )


@dataclass(frozen=True, eq=False)
class _Images:
    """The scored images, each attribute (n, ...)."""

    labels: NDArray[np.int32]
    probabilities: NDArray[np.floating]
    groups: NDArray[np.int64]
    is_byte_copy: NDArray[np.bool_] | None
    is_near: NDArray[np.bool_] | None
    is_kin: NDArray[np.bool_] | None
    is_tested: NDArray[np.bool_] | None
    is_unlike: NDArray[np.bool_] | None

    @property
    def is_copy(self) -> NDArray[np.bool_] | None:
        """(n,) Whether the study has seen what an image shows."""
        if self.is_byte_copy is None or self.is_near is None:
            return self.is_byte_copy
        return self.is_byte_copy | self.is_near

    @property
    def is_seen(self) -> NDArray[np.bool_] | None:
        """(n,) Whether the study has seen that, or other images of its group."""
        if self.is_copy is None or self.is_kin is None:
            return self.is_copy
        return self.is_copy | self.is_kin


def _decode(
    table: ImageTable, source: StudyData | None, cache_dir: Path | None, observer: Observer
) -> DecodedImages:
    """As the study did, where it is known: the same images are then the same copies."""
    return decode_images(
        table,
        image_size=choose_image_size(table) if source is None else source.side,
        channels="auto" if source is None else source.channels,
        cache_dir=cache_dir,
        cache_limit_gb=StudyConfig().cache_limit_gb,
        observer=observer,
        levels=None if source is None else source.levels,
        fit="stretch" if source is None else source.fit,
    )


def _bundle(table: ImageTable, decoded: DecodedImages, observer: Observer) -> NDArray[np.int64]:
    """The bundle of each image, -1 for an unreadable one.

    Over all of DATA, as a search does, so that the same images get the same bundles.
    """
    rows = np.flatnonzero(decoded.rows >= 0).astype(np.int64)
    bundles = np.full(len(table), -1, np.int64)
    if len(rows):
        readable = table.select(rows)
        copies = find_copies(readable, decoded.open(), rows=rows, observer=observer)
        bundles[rows] = bundle_images(readable, copies)
    return bundles


def _find_near(
    table: ImageTable,
    readable: NDArray[np.int64],
    decoded: DecodedImages,
    source: StudyData | None,
    cache_dir: Path | None,
    observer: Observer,
) -> NDArray[np.bool_] | None:
    """(readable images,) Whether each is a copy of what the study has seen; None: not known."""
    if source is None or not len(readable):
        return None
    return find_near_seen(
        table.select(readable),
        decoded,
        source,
        rows=decoded.rows[readable],
        cache_dir=cache_dir,
        observer=observer,
    )


def _find_kin(
    table: ImageTable,
    bundles: NDArray[np.int64],
    reference: Reference,
    readable: NDArray[np.int64],
    is_near: NDArray[np.bool_] | None,
    observer: Observer,
) -> NDArray[np.bool_] | None:
    """(n,) Whether an image is in a bundle with one that the study has seen; None: not known.

    Where DATA has none of the study's images, its groups are known by their names alone.
    """
    is_seen = _is_among(table.sha256, reference.seen)
    if is_seen is None:
        return None
    if not is_seen.any():
        is_seen = np.array([group in reference.seen_groups for group in table.groups])
        if is_seen.any():
            observer.note(
                f"{table.source} holds no train or val image of the study: groups are compared "
                "by their names."
            )
    if is_near is not None:
        is_seen[readable[is_near]] = True
    is_seen &= bundles >= 0
    is_kin: NDArray[np.bool_] = np.isin(bundles, bundles[is_seen])
    return is_kin


def _predict(
    model: Predictor, table: ImageTable, rows: NDArray[np.int64], observer: Observer
) -> Iterator[Predicted]:
    observer.stage("predict", total=len(rows), unit="images")
    for start in range(0, len(rows), IMAGES_AT_ONCE):
        part = rows[start : start + IMAGES_AT_ONCE].tolist()
        yield model.predict([table.open(i) for i in part])
        observer.advance(len(part))


def _record(
    images: _Images,
    columns: Mapping[str, Sequence[str]],
    class_names: tuple[str, ...],
    reference: Reference,
    *,
    name: str,
    data: str,
    asked: Asked,
    left_out: tuple[UnreadableImage, ...],
) -> Assessment:
    labels, probabilities, groups = images.labels, images.probabilities, images.groups
    scores = score_split(
        "test", labels, probabilities, class_names, groups=groups, seed=reference.seed
    )
    unseen = None
    is_seen = images.is_seen
    if is_seen is not None and is_seen.any() and not is_seen.all():
        unseen = score_split(
            "test_clean",
            labels[~is_seen],
            probabilities[~is_seen],
            class_names,
            groups=groups[~is_seen],
            seed=reference.seed,
        )
    is_comparable = is_seen is None or not is_seen.all()
    judged = unseen or scores
    is_judged = np.ones(len(labels), bool) if unseen is None or is_seen is None else ~is_seen
    counts = np.bincount(labels, minlength=len(class_names))
    return Assessment(
        model=name,
        study=reference.study,
        candidate=reference.candidate,
        data=data,
        split=asked,
        missing_classes=tuple(c for c, n in zip(class_names, counts, strict=True) if not n),
        unreadable=left_out,
        num_unlike=_count(images.is_unlike),
        num_seen=_count(is_seen),
        num_near=_num_more(images.is_near, images.is_byte_copy),
        num_kin=_num_more(images.is_kin, images.is_copy),
        num_own_test=_count(images.is_tested),
        scores=scores,
        unseen=unseen,
        confusion=confusion_matrix(labels, probabilities, class_names),
        bins=reliability_bins(labels, probabilities, groups=groups),
        compared_with=reference.scored if is_comparable else None,
        comparisons=_compare(judged, reference) if is_comparable else (),
        subgroups=score_subgroups(
            labels[is_judged],
            probabilities[is_judged],
            class_names,
            {
                name: [cell for cell, keep in zip(cells, is_judged, strict=True) if keep]
                for name, cells in columns.items()
            },
            groups=groups[is_judged],
            seed=reference.seed,
        ),
    )


def _compare(here: SplitScores, reference: Reference) -> tuple[FigureComparison, ...]:
    """Every figure that both sides have, the study's images and these taken as independent."""
    figures = reference.figures or {}
    comparisons = []
    for metric in METRICS:
        if metric not in figures or metric not in here.intervals:
            continue
        study = figures[metric]
        difference = difference_interval(here.intervals[metric], study)
        comparisons.append(
            FigureComparison(
                metric=metric,
                study=study,
                here=here.intervals[metric],
                difference=difference,
                is_told_apart=not difference.low <= 0 <= difference.high,
            )
        )
    return tuple(comparisons)


def _is_among(hashes: Sequence[str], known: frozenset[str] | None) -> NDArray[np.bool_] | None:
    return None if known is None else np.array([sha256 in known for sha256 in hashes], dtype=bool)


def _hashes_of(images: frozenset[tuple[str, str]] | None) -> frozenset[str] | None:
    return None if images is None else frozenset(sha256 for _, sha256 in images)


def _joined(
    parts: Sequence[NDArray[np.bool_] | None], keep: NDArray[np.bool_]
) -> NDArray[np.bool_] | None:
    found = [part for part in parts if part is not None]
    return np.concatenate(found)[keep] if len(found) == len(parts) and found else None


def _num_more(mask: NDArray[np.bool_] | None, known: NDArray[np.bool_] | None) -> int | None:
    return None if mask is None or known is None else int((mask & ~known).sum())


def _count(mask: NDArray[np.bool_] | None) -> int | None:
    return None if mask is None else int(mask.sum())
