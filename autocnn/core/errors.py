"""Every error that autocnn raises on purpose, with its exit code.

    AutocnnError                  1   (never raised itself)
    ├── UsageError                2   a command line or an argument that cannot be
    │   ├── ConfigError           2   a setting out of its range
    │   └── SpaceError            2   a search space that breaks a rule
    ├── DataError                 3   the images, the labels, the splits
    ├── StudyError                4   the study folder
    │   ├── StudyNotFoundError    4
    │   ├── StudyExistsError      4
    │   ├── StudyLockedError      4
    │   ├── StudyChangedError     4   its data or its space are others than they were
    │   └── DiskFullError         4   resumable as soon as there is free space
    ├── SearchError               5   the search ended with nothing to show
    ├── ExportError               6
    ├── MissingExtraError         7   an optional package is not installed
    └── SearchInterrupted       130   Ctrl-C or SIGTERM

A message says where, the rule, and what was got; the remedy is what to do now.
"""

from typing import ClassVar


class AutocnnError(Exception):
    """Base of all errors that a user can cause and repair.

    Args:
        message: Where, the rule that must hold, and what was got.
        remedy: What to do about it, a full sentence; empty when the message says it.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}".strip()


class UsageError(AutocnnError):
    """A command line or an argument that cannot be what was meant."""

    exit_code = 2


class ConfigError(UsageError):
    """A setting that is unknown or out of its range."""


class SpaceError(UsageError):
    """A search space that breaks a rule of the format."""


class DataError(AutocnnError):
    """Images, labels or splits that cannot be used."""

    exit_code = 3


class StudyError(AutocnnError):
    """A study folder that cannot be used as asked."""

    exit_code = 4


class StudyNotFoundError(StudyError):
    """No study under that name or path."""


class StudyExistsError(StudyError):
    """A study of that name is already there."""


class StudyLockedError(StudyError):
    """Another process writes this study."""


class StudyChangedError(StudyError):
    """The data or the space are not those that the study began with."""


class DiskFullError(StudyError):
    """The disk, or the part of it that the study may use, is full."""


class SearchError(AutocnnError):
    """The search ended without a single finished trial."""

    exit_code = 5


class ExportError(AutocnnError):
    """A model that could not be exported, or a model file that cannot be loaded."""

    exit_code = 6


class MissingExtraError(AutocnnError):
    """An optional package that this call needs is not installed."""

    exit_code = 7


class SearchInterrupted(AutocnnError):
    """The search was stopped by the user; what had finished is kept."""

    exit_code = 130
