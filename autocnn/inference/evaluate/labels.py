"""DATA in the terms of the model: its classes by name, and which of its images are asked for."""

import difflib
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from autocnn.core.errors import DataError, Text
from autocnn.core.wording import first_few
from autocnn.data import ImageTable
from autocnn.inference.evaluate.reference import Reference

Asked = Literal["all", "test"]

MOST_NAMED = 5
"""Names that a message lists."""


def match_labels(table: ImageTable, class_names: Sequence[str]) -> NDArray[np.int32]:
    """The label of each image as the model numbers its classes.

    Args:
        table: Of n images; its classes may stand in another order, and some may be missing.
        class_names: Of the model.

    Returns:
        (n,) Index into `class_names`.

    Raises:
        DataError: When the model does not know a class.
    """
    index_of = {name: index for index, name in enumerate(class_names)}
    unknown = [name for name in table.class_names if name not in index_of]
    if unknown:
        known = _few(class_names)
        near = [_nearest(name, class_names) for name in unknown[:MOST_NAMED]]
        hints = [hint for hint in near if hint]
        raise DataError(
            f"{table.source}: every class must be one of the model's ({known}), got "
            f"{_few(unknown)}.",
            remedy=" ".join(hints) if hints else "Name the classes as in the study's data.",
        )
    order = np.array([index_of[name] for name in table.class_names], dtype=np.int32)
    labels: NDArray[np.int32] = order[table.labels]
    return labels


def choose_images(table: ImageTable, asked: Asked, reference: Reference) -> NDArray[np.int64]:
    """Indices in the table of the images that are scored.

    Args:
        table: The images of DATA.
        asked: `all`, whatever splits it gives; or `test`: those that it gives as test, and
            where it gives no split, those that are test in the model's own study.
        reference: Of the model's study.

    Raises:
        DataError: When there is no test split.
    """
    if asked == "all":
        return np.arange(len(table), dtype=np.int64)
    if any(table.splits):
        is_test = np.array([split == "test" for split in table.splits])
    else:
        own = reference.tested or frozenset()
        images = zip(table.paths, table.sha256, strict=True)
        is_test = np.array([image in own for image in images])
    if not is_test.any():
        raise DataError(
            Text("{0}: must have a test split for {split:test}, got none.", table.source),
            remedy=Text("Leave {split} out to score all images."),
        )
    return np.flatnonzero(is_test).astype(np.int64)


def _nearest(name: str, class_names: Sequence[str]) -> str:
    folded = {known.casefold(): known for known in class_names}
    close = difflib.get_close_matches(name.casefold(), folded, n=1)
    return f"Did you mean {folded[close[0]]!r} by {name!r}?" if close else ""


def _few(names: Sequence[str]) -> str:
    return first_few([repr(name) for name in names], limit=MOST_NAMED)
