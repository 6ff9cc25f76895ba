"""What may be given as data: a place, or labelled images that a program holds."""

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

from autocnn.api.settings import PathLike
from autocnn.core.config import StudyConfig, change_config, resolve_config
from autocnn.core.errors import DataError, Text

if TYPE_CHECKING:
    from typing import Protocol

    import pandas as pd

    from autocnn.data.sources.memory import Written

    class HubDataset(Protocol):
        """A `datasets.Dataset`."""

        features: Any

        def to_parquet(self, path: str) -> object:
            """Write it."""

    Labelled = PathLike | tuple[Any, Any] | Sequence[tuple[Any, Any]] | pd.DataFrame | HubDataset


def is_place(data: object) -> TypeGuard[PathLike]:
    """Whether it is a path or the name of a built-in set.

    >>> is_place("digits"), is_place((["a.png"], ["cat"]))
    (True, False)
    """
    return isinstance(data, str | os.PathLike)


def config_of(written: "Written", asked: StudyConfig) -> dict[str, Any]:
    """The settings by which written data are read.

    Args:
        written: Where they are.
        asked: The settings beside them.
    """
    images = asked.images or written.images
    return {"data": str(written.data.resolve()), "images": images}


@contextmanager
def placed(
    data: "Labelled", values: dict[str, Any], *, split_out: Path | None = None
) -> Iterator[tuple[StudyConfig, str]]:
    """The settings by which data are read, while they are read, and what to call them.

    What a program holds is written to a folder that is gone afterwards.

    Args:
        data: As for `search`.
        values: Other settings, by the names of the config's fields.
        split_out: A file for a split, which names files that must stay.

    Raises:
        ConfigError: When a setting is out of its range, or the data are of no kind that is read.
        DataError: When the data break a rule, or have no files that stay for a split.
    """
    if is_place(data):
        place = os.fspath(data)
        yield resolve_config({"data": place, **values}), place
        return
    from autocnn.data.sources.memory import write_data  # the commands do without

    asked = resolve_config(values)
    with tempfile.TemporaryDirectory(prefix="autocnn-") as folder:
        written = write_data(data, Path(folder))
        if split_out is not None and written.images is None:
            raise DataError(
                Text("{split_out} can be written for image files only, got {0}.", written.what)
            )
        config = change_config(asked, config_of(written, asked))
        try:
            yield config, written.what
        except DataError as error:
            # A file that is gone in a moment tells nobody anything.
            message = error.message.replace(config.data, written.what)
            raise DataError(message, remedy=error.remedy_text) from error
