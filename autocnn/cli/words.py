"""Arguments and options that name something: what completion offers for them.

Nothing is checked here: the library does, with errors that say more. What is offered is looked
up when completion asks, so that the commands stay light.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import click
from click.shell_completion import CompletionItem

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


class DataPlace(click.ParamType[str]):
    """Images: a folder, a table, an .npz, or the name of a built-in set."""

    name = "data"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[Item]:
        """Files and folders, and the built-in sets."""
        from autocnn.core.config import BUILT_IN

        return [_paths(incomplete, "file"), *_words(BUILT_IN, incomplete)]


class SpaceName(click.ParamType[str]):
    """A search space: a shipped name, or a YAML file."""

    name = "space"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[Item]:
        """Files, and the shipped spaces."""
        from autocnn.api import shipped_names

        return [_paths(incomplete, "file"), *_words(shipped_names(), incomplete)]


class ObjectiveName(click.ParamType[str]):
    """A metric's name, or another objective of `core.objective_text`."""

    name = "objective"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[Item]:
        """Files, and the names of metrics."""
        from autocnn.core.objective_text import LISTED

        return [_paths(incomplete, "file"), *_words(LISTED, incomplete)]


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
        from autocnn.core.config import SAMPLERS

        engine = ctx.params.get("engine")
        return _words(SAMPLERS.get(str(engine), self.choices), incomplete)


class FilePlace(click.ParamType[str]):
    """Text with a file or a pattern in it, which the shell completes."""

    name = "file"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[Item]:
        """Files and folders."""
        return [_paths(incomplete, "file")]


def _words(words: Sequence[str], incomplete: str) -> list[Item]:
    return [CompletionItem(word) for word in words if word.startswith(incomplete)]


def _paths(incomplete: str, kind: str) -> Item:
    """Lets the shell complete a path: `file` or `dir`."""
    return CompletionItem(incomplete, type=kind)
