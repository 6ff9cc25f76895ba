"""study.json: what was asked, on what, and how far it is. All that repeating it needs."""

import datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from autocnn.core.config import StudyConfig
from autocnn.core.errors import StudyError
from autocnn.core.extras import installed_version
from autocnn.core.records import Record

VERSIONS_OF = (
    "autocnn",
    "tensorflow",
    "keras",
    "optuna",
    "keras-tuner",
    "scikit-learn",
    "numpy",
    "pillow",
)

Stage = Literal["preparing", "searching", "finalists", "done", "interrupted", "failed"]


class DataFacts(Record):
    """The images of a study.

    Attributes:
        fingerprint: Changes with any path, label, split or content.
        class_names: In label order.
        image_shape: Height, width, channels at the default size.
        split: Split -> images in it.
        levels: Values that became 0 and 255 in images of more than 8 bits; None: there are none.
        absent: Place among all images that were found, and sha256, of each that split.csv lacks: it
            cannot be read, or was left out on demand.
        array_levels: Values of an .npz that became 0 and 255; None: it is none, or is of uint8, or
            the study is of an earlier version.
    """

    fingerprint: str
    class_names: tuple[str, ...]
    image_shape: tuple[int, ...]
    split: dict[str, int]
    levels: tuple[float, float] | None = None
    absent: tuple[tuple[int, str], ...] = ()
    array_levels: tuple[float, float] | None = None


class FinalistFacts(Record):
    """A trial that was chosen for the end.

    Attributes:
        trial: Its number.
        epochs: For how many epochs it is retrained; None: there was no time for that, and its
            own model is judged.
        own_epochs: Epochs of its own model, where that is judged.
    """

    trial: int
    epochs: int | None
    own_epochs: int | None = None


class TestLook(Record):
    """A time that the test split was opened.

    Attributes:
        at: When.
        finalists: What was judged: it makes up all candidates.
        is_over: Whether the candidates were judged; else a later session goes on with it.
    """

    __test__ = False  # not for pytest

    at: str
    finalists: tuple[FinalistFacts, ...]
    is_over: bool = False


class Choice(Record):
    """Which candidate is best, decided before the test split is opened.

    Attributes:
        candidate: Its number.
        sentences: Why, and whether it beats the default configuration.
    """

    candidate: int
    sentences: tuple[str, ...]


class StudyStatus(Record):
    """The content of study.json.

    Attributes:
        schema_version: Of this file.
        name: Of the study.
        created: When it began.
        resumed: When it was resumed.
        status: Its stage, or how its last session ended.
        seconds: Time that it has taken, all sessions together.
        config: What was asked, resolved.
        epochs: Most epochs per trial.
        versions: Package -> version, when it began.
        machine: Facts about the machine that it began on.
        resources: How trials share the machine, in the latest session.
        data: The images; None until they are prepared.
        space_fingerprint: Of the space that is searched; None until it is prepared.
        model_files: Files of the user's own model: path -> SHA-256; None: autocnn's networks.
        objective_files: The same of an objective of the user's own; None: it is none.
        finalists: The trials that are retrained; None before they are chosen.
        num_folds: Folds on which they are compared; 0 where there is no time for any.
        choice: The best candidate; None before.
        test_looks: When the test split was opened, and for what.
    """

    schema_version: Literal[1] = 1
    name: str
    created: str
    resumed: tuple[str, ...] = ()
    status: Stage = "preparing"
    seconds: float = 0.0
    config: StudyConfig
    epochs: int
    versions: dict[str, str | None] = Field(default_factory=dict)
    machine: dict[str, Any] | None = None
    resources: dict[str, Any] | None = None
    data: DataFacts | None = None
    space_fingerprint: str | None = None
    model_files: dict[str, str] | None = None
    objective_files: dict[str, str] | None = None
    finalists: tuple[FinalistFacts, ...] | None = None
    num_folds: int = 0
    choice: Choice | None = None
    test_looks: tuple[TestLook, ...] = ()

    @classmethod
    def new(cls, name: str, config: StudyConfig, *, epochs: int) -> "StudyStatus":
        """Of a study that begins now."""
        return cls(
            name=name,
            created=timestamp(),
            config=config,
            epochs=epochs,
            versions=installed_versions(),
        )

    @classmethod
    def from_json(cls, data: Any, *, source: Path) -> "StudyStatus":
        """What `to_json` gave.

        Raises:
            StudyError: When it is no such thing.
        """
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "all of it"
            raise StudyError(
                f"{source}: {where}: {first['msg']}, got {first['input']!r}.",
                remedy="Was it written by another version of autocnn? Install that one.",
            ) from error

    def to_json(self) -> dict[str, Any]:
        """For study.json."""
        return self.model_dump(mode="json")

    @property
    def is_prepared(self) -> bool:
        """Whether data and space are known, and trials may have begun."""
        return self.data is not None

    @property
    def is_done(self) -> bool:
        """Whether its leaderboard is the last word."""
        return self.status == "done"


def timestamp() -> str:
    """The time now, UTC, to the second."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def installed_versions() -> dict[str, str | None]:
    """Package -> version of what results depend on; None where it is absent."""
    return {package: installed_version(package) for package in VERSIONS_OF}
