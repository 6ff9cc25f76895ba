"""The `autocnn` command: finds its sub-commands, and turns errors into exit codes."""

import errno
import importlib
import io
import os
import shlex
import shutil
import sys
import traceback
from typing import Any

import click
from click.shell_completion import CompletionItem

from autocnn import __version__
from autocnn.core.errors import AutocnnError, SearchInterrupted, UsageError, as_option, did_you_mean

COMMANDS = {
    "search": "Search, retrain the best, write the leaderboard.",
    "resume": "Go on with a study that was stopped, or add trials.",
    "audit": "Look for copies, leaks, wrong labels and shortcuts in the data.",
    "leaderboard": "Show the leaderboard of a study.",
    "list": "List the studies that are there.",
    "compare": "Compare two studies on the same test images.",
    "remove": "Delete studies for good.",
    "report": "Write everything about a study on one page, or a model card.",
    "export": "Write a finished model as Keras, SavedModel, ONNX or LiteRT.",
    "predict": "Predict images with a model of a study or an export.",
    "evaluate": "Score a model on other labelled images.",
    "view": "Show a study in a browser: live, its images, one of yours.",
    "serve": "Answer for a model over HTTP, as a REST service.",
    "dashboard": "Show a search in a browser, with optuna-dashboard.",
    "spaces": "List the search spaces, or show one.",
    "doctor": "Say what this machine offers and what is missing.",
    "completion": "Print the script that lets a shell complete all this.",
}
"""Commands in the order of --help; each is `autocnn.cli.<name>:command`."""

EXIT_BUG = 1
EXIT_INTERRUPTED = 130
EXIT_UNREAD = 141
"""What reads the output was gone: as a shell tells of programs that SIGPIPE ends."""


class LazyGroup(click.Group):
    """A group that imports a command only when it is called, so that --help is instant."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names, in the order of `COMMANDS`."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, or None."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"autocnn.cli.{cmd_name}").command
        for parameter in command.params:
            if isinstance(parameter.type, click.IntRange | click.FloatRange):
                parameter.metavar = parameter.metavar or "N"  # not: INTEGER RANGE
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that the first word names; the error names a near one, or what data need."""
        name = args[0]
        if name not in COMMANDS and not name.startswith("-") and not ctx.resilient_parsing:
            is_data = os.path.exists(name)  # noqa: PTH110 - Path's raises for what is too long
            remedy = f"To search on it: `autocnn search {shlex.quote(name)}`." if is_data else ""
            remedy = remedy or did_you_mean(name, COMMANDS)
            raise click.UsageError(f"No such command {name!r}. {remedy}".strip(), ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem[str]]:
        """Commands, without importing them, and the options before a command."""
        names = [name for name in COMMANDS if name.startswith(incomplete)]
        commands = [CompletionItem(name, help=COMMANDS[name]) for name in names]
        return commands + click.Command.shell_complete(self, ctx, incomplete)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="autocnn")
@click.option("--debug", is_flag=True, help="Show the traceback of every error.")
def cli(debug: bool) -> None:
    """Find the CNN that generalises on your own labelled images.

    \b
    Examples:
      autocnn search                     try it on the built-in digits
      autocnn search images/ --trials 50 --budget 2h --name mine
      autocnn resume mine                go on after Ctrl-C, a crash, a reboot
      autocnn leaderboard mine
      autocnn predict mine new-images/
      autocnn export mine --format onnx

    A study is one folder, results/NAME: leaderboard.csv, report.html, candidates/ with
    confusion matrices, ROC curves and models, and every trial. `autocnn COMMAND --help` tells
    all of a command.

    \b
    Exit codes:
      0  done                           5  nothing finished; --require not met
      1  a bug                          6  export
      2  usage, settings, search space  7  an optional package is missing
      3  data                         130  interrupted: autocnn resume goes on
      4  study
    """  # noqa: D301 - click wants the backspace character itself


def main() -> None:
    """Run the command line and exit with the code of its error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # of a locale that lacks a letter
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command line; returns its exit code."""
    is_debug = "--debug" in arguments
    try:
        result: Any = cli.main(arguments, prog_name="autocnn", standalone_mode=False)
        sys.stdout.flush()  # what cannot be written is to be told while there are words for it
    except AutocnnError as error:
        if is_debug:
            traceback.print_exc()
        message, *remedy = error.lines(as_option)
        kind = "" if isinstance(error, SearchInterrupted) else "Error: "  # who stopped it knows
        _say(f"{kind}{message}", *remedy)
        return error.exit_code
    except click.ClickException as error:
        shown = io.StringIO()
        error.show(shown)
        _say(shown.getvalue().removesuffix("\n"))
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        _say("Interrupted.")
        return EXIT_INTERRUPTED
    except SystemExit as error:
        if error.code != 1:  # of completion
            raise
        return EXIT_UNREAD  # so click and rich end where nobody reads on, as with `| head -1`
    except OSError as error:
        if error.errno not in (errno.EPIPE, errno.ENOSPC, errno.EDQUOT):
            return _report_bug()
        # Python would write the rest once more at the end, and complain without words.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if error.errno == errno.EPIPE:
            return EXIT_UNREAD
        _say(
            f"Error: the output must be written to where it goes, got: {error.strerror}.",
            "Free some space there, or send it elsewhere.",
        )
        return UsageError.exit_code
    except Exception:  # noqa: BLE001 - the last boundary: a bug must not look like a user error
        return _report_bug()
    return result if isinstance(result, int) else 0


def _report_bug() -> int:
    traceback.print_exc()
    _say("This is a bug in autocnn. Please report it with the lines above.")
    return EXIT_BUG


def _say(*texts: str) -> None:
    """Names of files and classes stand in messages: they must not steer a terminal."""
    from autocnn.core.wording import visible, wrapped  # what an error needs, --help does not

    width = shutil.get_terminal_size().columns if sys.stderr.isatty() else None
    for text in texts:
        for line in text.split("\n"):
            shown = visible(line)
            for part in wrapped(shown, width) if width else [shown]:
                click.echo(part, err=True)
