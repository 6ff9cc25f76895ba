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
    │   ├── TornRecordError     4   what stands in a file is no record
    │   └── DiskFullError         4   resumable as soon as there is free space
    ├── TrialDivergedError        1   raised in a trial's process: it ends the trial alone
    ├── SearchError               5   the search ended with nothing to show
    ├── ExportError               6
    ├── MissingExtraError         7   an optional package is not installed
    └── SearchInterrupted       130   Ctrl-C or SIGTERM

A message says where, the rule, and what was got; the remedy is what to do now. Where they name a
setting, they are a `Text`: the command line and Python write it each in its own way.
"""

import difflib
import shlex
import string
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

NameSetting = Callable[[str, str], str]
"""(setting, value or nothing) -> how a reader gives it: `as_argument`, `as_option`."""


def as_argument(setting: str, value: str) -> str:
    """A setting as Python has it.

    >>> as_argument("val_fraction", "0.2"), as_argument("to", ""), as_argument("format", "onnx")
    ('val_fraction=0.2', 'to', "format='onnx'")
    """
    if not value:
        return setting
    is_plain = value in ("True", "False") or value.replace(".", "", 1).isdigit()
    return f"{setting}={value if is_plain else repr(value)}"


def as_option(setting: str, value: str) -> str:
    """A setting as the command line has it.

    >>> as_option("val_fraction", "0.2"), as_option("to", ""), as_option("force", "True")
    ('--val-fraction 0.2', '--to', '--force')
    >>> as_option("label_from_name", "^[a-z]+")
    "--label-from-name '^[a-z]+'"
    """
    option = f"--{setting.replace('_', '-')}"
    return option if value in ("", "True") else f"{option} {shlex.quote(value)}"


@dataclass(frozen=True, init=False)
class Text:
    """A sentence of an error with settings in it.

    Args:
        template: As of `str.format`. `{0}` is the first value; `{val_fraction}` names a setting,
            `{val_fraction:0.2}` one with a value, `{force:True}` a switch.
        values: What was got: it is never read as a template.

    >>> text = Text("{to} {0}: must be new. Replace it with {force:True}.", "a{b}")
    >>> text.write(as_argument)
    'to a{b}: must be new. Replace it with force=True.'
    >>> text.write(as_option)
    '--to a{b}: must be new. Replace it with --force.'
    """

    template: str
    values: tuple[object, ...]

    def __init__(self, template: str, *values: object) -> None:
        object.__setattr__(self, "template", template)
        object.__setattr__(self, "values", values)

    def write(self, name: NameSetting) -> str:
        """The sentence, with the settings as `name` has them."""
        return _Writer(name).vformat(self.template, self.values, {})


class _Setting(str):
    """The name of a setting in a template."""

    __slots__ = ()


class _Writer(string.Formatter):
    def __init__(self, name: NameSetting) -> None:
        self.name = name

    def get_value(self, key: int | str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        return args[key] if isinstance(key, int) else _Setting(key)

    def format_field(self, value: Any, format_spec: str) -> str:
        if isinstance(value, _Setting):
            return self.name(value, format_spec)
        return format(value, format_spec)


class AutocnnError(Exception):
    """Base of all errors that a user can cause and repair.

    Args:
        message: Where, the rule that must hold, and what was got.
        remedy: What to do about it, a full sentence; empty when the message says it.

    Attributes:
        message_text, remedy_text: As they were given, for an error that is raised in the place
            of this one.

    >>> import autocnn
    >>> try:
    ...     autocnn.open_study("nowhere")
    ... except autocnn.AutocnnError as error:
    ...     print(error.exit_code, error.message)
    4 nowhere: must be a study under results or a path to one, got neither.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str | Text, *, remedy: str | Text = "") -> None:
        super().__init__(message)
        self.message_text = message
        self.remedy_text = remedy

    @property
    def message(self) -> str:
        """The message, with settings as Python has them."""
        return _write(self.message_text, as_argument)

    @property
    def remedy(self) -> str:
        """The remedy, with settings as Python has them."""
        return _write(self.remedy_text, as_argument)

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}".strip()

    def lines(self, name: NameSetting) -> tuple[str, ...]:
        """Message and remedy, a line each where there is one, with settings as `name` has them."""
        texts = (self.message_text, self.remedy_text)
        return tuple(line for line in (_write(text, name) for text in texts) if line)


def _write(text: str | Text, name: NameSetting) -> str:
    return text if isinstance(text, str) else text.write(name)


def did_you_mean(word: object, words: Iterable[str]) -> str:
    """The remedy for a word that begins one of those there are, or is close to it; else nothing.

    >>> did_you_mean("label", ["drop_labels", "label_column"])
    "Did you mean 'label_column'?"
    >>> did_you_mean("kapa", ["kappa", "mcc"]), did_you_mean(3, ["kappa"])
    ("Did you mean 'kappa'?", '')
    """
    known = list(words)
    begun = [one for one in known if len(str(word)) >= 3 and one.startswith(str(word))]
    close = begun or difflib.get_close_matches(str(word), known, n=1)
    return f"Did you mean {close[0]!r}?" if close else ""


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


class TornRecordError(StudyError):
    """What stands in a file is no record; of one that cannot be read, nobody knows."""


class DiskFullError(StudyError):
    """The disk, or the part of it that the study may use, is full."""


class TrialDivergedError(AutocnnError):
    """The loss of a training is no longer a number."""


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
