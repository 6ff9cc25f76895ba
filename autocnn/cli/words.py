"""Arguments and options that name something: what completion offers for them.

Nothing is checked here: the library does, with errors that say more. What is offered is looked
up when completion asks, so that the commands stay light.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import get_args

import click
from click.shell_completion import CompletionItem

from autocnn.core.config import BUILT_IN, SAMPLERS
from autocnn.core.objective_text import LISTED

Item = CompletionItem[str]


class StudyName(click.ParamType[str]):
    """A study: a name under --results, the newest first, or a path."""

    name = "study"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[Item]:
        """Folders, and the studies that are there."""
        from autocnn.api import study_names

        results = Path(ctx.params.get("results") or "results")
        # Paths first: Bash forgets what stands before them.
        return [_paths(incomplete, "dir"), *_words(study_names(results), incomplete)]


class ModelPlace(StudyName):
    """A study, an exported folder, or the model file in one of these."""

    name = "model"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[Item]:
        """Files, and the studies that are there."""
        _, *studies = super().shell_complete(ctx, param, incomplete)
        return [_paths(incomplete, "file"), *studies]


class Place(click.ParamType[str]):
    """A path, or one of some words.

    Args:
        name: Of what stands there.
        words: Gives the words; called when completion asks.
    """

    def __init__(self, name: str, words: Callable[[], Sequence[str]] = tuple) -> None:
        self.name = name
        self._words = words

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[Item]:
        """Files and folders, and the words."""
        return [_paths(incomplete, "file"), *_words(self._words(), incomplete)]


def _space_names() -> Sequence[str]:
    from autocnn.api import shipped_names

    return shipped_names()


DATA = Place("data", lambda: BUILT_IN)
SPACE = Place("space", _space_names)
OBJECTIVE = Place("objective", lambda: LISTED)
FILE = Place("file")


class FormatName(click.ParamType[str]):
    """A format of `autocnn export`."""

    name = "format"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[Item]:
        """The formats."""
        from autocnn.core.records import ExportFormat

        return _words(get_args(ExportFormat), incomplete)

    def get_missing_message(self, param: click.Parameter, ctx: click.Context | None) -> str:
        """The formats, where none is given."""
        from autocnn.core.records import ExportFormat

        return f"Choose one of {', '.join(get_args(ExportFormat))}."


class SamplerName(click.Choice[str]):
    """A sampler; completion leaves out those of the other engine."""

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[Item]:
        """The samplers of --engine where it is given, else all."""
        engine = ctx.params.get("engine")
        return _words(SAMPLERS.get(str(engine), self.choices), incomplete)


def _words(words: Sequence[str], incomplete: str) -> list[Item]:
    return [CompletionItem(word) for word in words if word.startswith(incomplete)]


def _paths(incomplete: str, kind: str) -> Item:
    """Lets the shell complete a path: `file` or `dir`."""
    return CompletionItem(incomplete, type=kind)
