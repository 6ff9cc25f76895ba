"""What a study and an agent on another machine say to each other: plain data that pickles.

The study sends commands and the agent answers with reports, both in their order, through the
one method `Agent.exchange`. A submission is one attempt at a task; its number is never used
twice, so that whatever a lost agent still says or writes is known as old.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from autocnn.core.records import EpochScore
from autocnn.execution.executor import Outcome
from autocnn.execution.machine import Machine, Resources
from autocnn.execution.tasks import Task

Contents = Mapping[str, bytes]
"""Name of a file -> what it holds."""


# -- commands ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Offer:
    """Images that will be needed.

    Attributes:
        images: Their name.
        path: Where they stand on the study's machine: an agent that sees the same file there
            uses it as it is.
        size: Bytes of that file.
        modified_ns: When it was written.
    """

    images: str
    path: str
    size: int
    modified_ns: int


@dataclass(frozen=True)
class Piece:
    """The next piece of images that an agent asked for.

    Attributes:
        images: Their name.
        content: Bytes, or what the transport puts in their place.
        is_first, is_last: Where it stands.
    """

    images: str
    content: Any
    is_first: bool
    is_last: bool


@dataclass(frozen=True)
class Begin:
    """Start a task.

    Attributes:
        submission: Its number.
        function: `module:name`.
        task: With names for paths.
        writes: Names of the files that it leaves.
        checkpoint: Name of the file with its last whole epoch, or none.
        images: Name of its images, or none.
        timeout_s: Seconds after which it is stopped.
        files: What it reads; empty with a shared folder, where they stand already.
        folder: The shared folder of this submission, as the agent sees it; None: files travel
            in messages.
    """

    submission: str
    function: str
    task: Task
    writes: tuple[str, ...]
    checkpoint: str | None
    images: str | None
    timeout_s: float | None
    files: Contents = field(default_factory=dict)
    folder: str | None = None


@dataclass(frozen=True)
class Answer:
    """Reply to an `EpochReport`: go on, or end after it."""

    submission: str
    stop: bool


@dataclass(frozen=True)
class Cancel:
    """Stop a submission at once, and give back its checkpoint."""

    submission: str


@dataclass(frozen=True)
class CheckStorage:
    """Try the shared folder.

    Attributes:
        folder: As agents see it.
        token: Name of a file that the study put there.
    """

    folder: str
    token: str


@dataclass(frozen=True)
class Leave:
    """The study needs the agent no more."""


Command = Offer | Piece | Begin | Answer | Cancel | CheckStorage | Leave


# -- reports -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Hello:
    """The first report of an agent.

    Attributes:
        host: Name of its machine.
        versions: Package -> version there; None where it is absent.
        machine: What the agent may use of its machine.
        resources: How tasks share it.
        warnings: What was found on the way.
    """

    host: str
    versions: Mapping[str, str | None]
    machine: Machine
    resources: Resources
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class StorageReport:
    """Whether the shared folder is one: empty, or what is wrong with it."""

    wrong: str = ""


@dataclass(frozen=True)
class HasImages:
    """Whether the offered images are there now, or have to be sent."""

    images: str
    are_there: bool


@dataclass(frozen=True)
class EpochReport:
    """A submission finished an epoch and waits for an `Answer`.

    Attributes:
        submission: Its number.
        score: Of the epoch.
        log: What it has printed since its last report.
        files: Its checkpoint, now and then.
    """

    submission: str
    score: EpochScore
    log: bytes = b""
    files: Contents = field(default_factory=dict)


@dataclass(frozen=True)
class EndReport:
    """A submission has ended.

    Attributes:
        submission: Its number.
        outcome: How; None: it was cancelled.
        log: What it has printed since its last report.
        files: What it left; empty with a shared folder.
        left: Name -> bytes of each file that it left.
    """

    submission: str
    outcome: Outcome | None
    log: bytes = b""
    files: Contents = field(default_factory=dict)
    left: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Unusable:
    """The agent cannot go on, and why."""

    reason: str


Report = Hello | StorageReport | HasImages | EpochReport | EndReport | Unusable
