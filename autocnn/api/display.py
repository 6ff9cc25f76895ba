"""Progress: live on a terminal or in a notebook, plain lines elsewhere, or only warnings."""

import collections
import importlib
import io
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any, TextIO, cast

import click
from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn
from rich.table import Table
from rich.text import Text

from autocnn.core.events import Observer
from autocnn.core.records import EpochScore, Params, TrialRecord
from autocnn.core.wording import fraction, rough_duration, short_value, visible

PLAIN_EVERY_S = 10.0
"""Plain lines about the steps of a stage come at most this often."""


DRAWN_EVERY_S = 0.25
"""Steps and epochs are drawn in a notebook at most this often."""

NOTEBOOK_WIDTH = 100
"""Letters of a line in a notebook."""

NUM_LINES = 12
"""Ended trials and notes that a notebook shows, the latest ones."""

NUM_WARNINGS = 20
"""Warnings that it shows."""

NOTEBOOK_FORMAT = (
    '<pre style="white-space:pre;overflow-x:auto;line-height:normal;'
    "font-family:Menlo,'DejaVu Sans Mono',Consolas,monospace\">{code}</pre>"
)


def show_progress(*, is_quiet: bool) -> Observer:
    """The observer that fits a notebook, or else stderr."""
    if is_quiet:
        return QuietDisplay()
    if in_notebook():
        return NotebookDisplay()
    return LiveDisplay() if sys.stderr.isatty() else PlainDisplay()


def in_notebook() -> bool:
    """Whether a Jupyter kernel runs this: of Jupyter, Colab, Kaggle, VS Code."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return getattr(shell, "kernel", None) is not None


class LastingStream(io.TextIOBase):
    """stderr, which may go away: a terminal that is closed, a log on a disk that is full.

    From the first error on nothing is written, and the work goes on.

    Args:
        stream: What is written to.
    """

    encoding = "utf-8"

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.encoding = stream.encoding or self.encoding
        self.is_gone = False

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        return self.stream.isatty()

    def fileno(self) -> int:
        """Its number."""
        return self.stream.fileno()

    def write(self, text: str) -> int:
        """Write, while there is something to write to."""
        self._unless_gone(lambda: self.stream.write(text))
        return len(text)

    def flush(self) -> None:
        """The same."""
        self._unless_gone(self.stream.flush)

    def _unless_gone(self, act: Callable[[], object]) -> None:
        try:
            if not self.is_gone:
                act()
        except OSError:
            self.is_gone = True


class QuietDisplay(Observer):
    """Shows warnings only."""

    def __init__(self) -> None:
        self.stderr = cast(TextIO, LastingStream(sys.stderr))

    def warn(self, text: str) -> None:
        """A line that begins with Warning."""
        self.say(f"Warning: {visible(text)}")

    def say(self, line: str) -> None:
        """A line on stderr, unless it went away."""
        click.echo(line, file=self.stderr)


def unit_of(unit: str, total: int | None) -> str:
    """What a stage counts, of so many.

    >>> unit_of("trials", 1), unit_of("trials", 3), unit_of("trials", None)
    ('trial', 'trials', 'trials')
    """
    return unit.removesuffix("s") if total == 1 else unit


class PlainDisplay(QuietDisplay):
    """Shows lines, for logs and pipes."""

    def __init__(self) -> None:
        super().__init__()
        self.name = ""
        self.total: int | None = None
        self.unit = ""
        self.done = 0
        self.said = 0.0
        self.left: float | None = None
        self.finalists_s = 0.0

    def stage(self, name: str, *, total: int | None = None, unit: str = "") -> None:
        """One line per stage."""
        self.name, self.total, self.unit, self.done = name, total, unit_of(unit, total), 0
        self.said = time.monotonic()
        count = f": {total:,} {self.unit}" if total is not None else ""
        self.say(f"== {name}{count}")

    def advance(self, steps: int = 1) -> None:
        """A line every few seconds."""
        self.done += steps
        if time.monotonic() - self.said >= PLAIN_EVERY_S and self.total:
            self.said = time.monotonic()
            self.say(f"   {self.done:,} of {self.total:,} {self.unit}")

    def note(self, text: str) -> None:
        """A line."""
        self.say(visible(text))

    def trial_started(self, trial: int, params: Params, *, epochs: int) -> None:
        """A line with the params."""
        self.say(visible(f"trial {trial} starts: {describe_params(params)}"))

    def trial_epoch(self, trial: int, score: EpochScore) -> None:
        """A line per epoch."""
        self.say(f"trial {trial} epoch {score.epoch}: {describe_epoch(score)}")

    def trial_ended(self, record: TrialRecord, *, best: TrialRecord | None) -> None:
        """A line with the objective, the best so far and the time left."""
        line = f"{describe_end(record)}{_describe_best(best)}{self._time_left()}"
        self.say(visible(line))

    def time_left(self, seconds: float | None, *, finalists_s: float = 0.0) -> None:
        """Kept for the next line."""
        self.left, self.finalists_s = seconds, finalists_s

    def _time_left(self) -> str:
        left = describe_left(self.left, self.finalists_s)
        return f"; {left}" if left else ""


class CountColumn(ProgressColumn):
    """`3/20`; `3` where nobody knows of how many; nothing where nothing is counted."""

    def render(self, task: Task) -> Text:
        """The steps that are done, of all."""
        done = f"{int(task.completed):,}"
        total = "" if task.total is None else f"/{int(task.total):,}"
        return Text(f"{done}{total}" if total or task.fields["unit"] else "", style="green")


class Board(Observer):
    """What a live display shows: a bar, a line per running trial, the best so far.

    Args:
        console: It is drawn with.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            CountColumn(),
            TextColumn("{task.fields[unit]}{task.fields[left]}"),
            console=console,
        )
        self.task: TaskID | None = None
        self.running: dict[int, tuple[Params, int, EpochScore | None]] = {}
        self.started: dict[int, float] = {}
        self.best: TrialRecord | None = None

    def stage(self, name: str, *, total: int | None = None, unit: str = "") -> None:
        """A fresh bar in the place of the one before."""
        if self.task is not None:
            self.progress.remove_task(self.task)
        self.task = self.progress.add_task(name, total=total, unit=unit_of(unit, total), left="")

    def advance(self, steps: int = 1) -> None:
        """The bar grows."""
        if self.task is not None:
            self.progress.advance(self.task, steps)

    def note(self, text: str) -> None:
        """A line above the bars."""
        self.say(Text(visible(text)))

    def warn(self, text: str) -> None:
        """A yellow line above the bars."""
        self.say(Text(f"Warning: {visible(text)}", style="yellow"))

    def trial_started(self, trial: int, params: Params, *, epochs: int) -> None:
        """A new line below the bar."""
        self.running[trial] = (params, epochs, None)
        self.started[trial] = time.monotonic()

    def trial_epoch(self, trial: int, score: EpochScore) -> None:
        """The trial's line changes."""
        params, epochs, _ = self.running[trial]
        self.running[trial] = (params, epochs, score)

    def trial_ended(self, record: TrialRecord, *, best: TrialRecord | None) -> None:
        """The trial's line goes up above the bars."""
        self.running.pop(record.trial, None)
        self.best = best
        style = "" if record.state.is_scored else "red"
        self.say(Text(visible(describe_end(record)), style=style))
        self.advance()

    def time_left(self, seconds: float | None, *, finalists_s: float = 0.0) -> None:
        """Shown behind the bar."""
        if self.task is not None:
            left = describe_left(seconds, finalists_s)
            self.progress.update(self.task, left=f", {left}" if left else "")

    def say(self, line: Text) -> None:
        """A line that stays above the bars."""
        self.console.print(line)

    def draw(self) -> Group:
        """The bar, the running trials and the best, as they stand now."""
        table = Table.grid(padding=(0, 2))
        for trial, (params, epochs, score) in sorted(self.running.items()):
            epoch = f"epoch {score.epoch if score else 0}/{epochs}"
            waited = f"starting, {time.monotonic() - self.started[trial]:.0f} s"
            value = describe_epoch(score) if score else waited
            family = Text(visible(str(params.get("family", ""))))
            table.add_row(f"  trial {trial}", epoch, value, family)
        best = Text(_describe_best(self.best).removeprefix("; "))
        return Group(self.progress, table, best)


class LiveDisplay(Board):
    """A board on a terminal, redrawn in place; ended trials scroll by above."""

    def __init__(self, console: Console | None = None) -> None:
        stderr = cast(TextIO, LastingStream(sys.stderr))
        super().__init__(console or Console(file=stderr, highlight=False))
        self.live = Live(
            console=self.console, refresh_per_second=4, get_renderable=self.draw, transient=True
        )
        self.live.start()

    def close(self) -> None:
        """Take the bars away; what scrolled by above them stays."""
        self.live.stop()


class NotebookDisplay(Board):
    """A board as one output of a notebook's cell, drawn anew in place.

    It needs nothing but the kernel: no widgets, which are often not installed, and of which
    nothing is left in a notebook that is saved and opened again.
    """

    def __init__(self) -> None:
        console = Console(
            file=io.StringIO(),
            record=True,
            width=NOTEBOOK_WIDTH,
            highlight=False,
            force_terminal=True,
            force_jupyter=False,
            color_system="truecolor",
        )
        super().__init__(console)
        self.warnings: collections.deque[Text] = collections.deque(maxlen=NUM_WARNINGS)
        self.lines: collections.deque[Text] = collections.deque(maxlen=NUM_LINES)
        self.drawn = 0.0
        self.handle: Any = None
        # tqdm, which Optuna imports, misses widgets that nothing here needs.
        warnings.filterwarnings("ignore", message="IProgress not found")

    def stage(self, name: str, *, total: int | None = None, unit: str = "") -> None:
        """A fresh bar."""
        super().stage(name, total=total, unit=unit)
        self.show()

    def advance(self, steps: int = 1) -> None:
        """The bar grows, if it did not just now."""
        super().advance(steps)
        self.show(is_urgent=False)

    def warn(self, text: str) -> None:
        """A line that does not scroll away."""
        self.warnings.append(Text(f"Warning: {visible(text)}", style="dark_orange3"))
        self.show()

    def trial_started(self, trial: int, params: Params, *, epochs: int) -> None:
        """A new line."""
        super().trial_started(trial, params, epochs=epochs)
        self.show()

    def trial_epoch(self, trial: int, score: EpochScore) -> None:
        """The trial's line changes, if none did just now."""
        super().trial_epoch(trial, score)
        self.show(is_urgent=False)

    def say(self, line: Text) -> None:
        """One of the latest lines."""
        self.lines.append(line)
        self.show()

    def close(self) -> None:
        """The last lines stay in the notebook, without a bar."""
        self.running.clear()
        if self.task is not None:
            self.progress.remove_task(self.task)
            self.task = None
            self.show()

    def show(self, *, is_urgent: bool = True) -> None:
        """Draw it.

        Args:
            is_urgent: Also where it was drawn less than a quarter of a second ago.
        """
        if not is_urgent and time.monotonic() - self.drawn < DRAWN_EVERY_S:
            return
        # The kernel's own; never a requirement of autocnn.
        display: Any = importlib.import_module("IPython.display").display
        if self.handle is None:
            self.handle = display(self, display_id=True)
        else:
            self.handle.update(self)
        self.drawn = time.monotonic()

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, str]:
        """The board as HTML, and as text for consoles."""
        self.console.print(Group(*self.warnings, *self.lines, self.draw()))
        text = self.console.export_text(clear=False).rstrip()
        html = self.console.export_html(code_format=NOTEBOOK_FORMAT, inline_styles=True)
        self.console.file = io.StringIO()  # else it would hold all that was ever drawn
        return {"text/plain": text, "text/html": html}


def describe_params(params: Params) -> str:
    """`family=resnet width=24 ...`, numbers to three digits."""
    return " ".join(f"{name}={short_value(value)}" for name, value in params.items())


def describe_epoch(score: EpochScore) -> str:
    """The scores of an epoch in a few words."""
    parts = [f"loss {fraction(score.train_loss, places=3)}"]
    if score.train.accuracy is not None:
        parts.append(f"train {fraction(score.train.accuracy, places=3)}")
    if score.val.accuracy is not None:
        parts.append(f"val {fraction(score.val.accuracy, places=3)}")
    return ", ".join(parts) + f", {score.seconds:.1f} s"


def describe_end(record: TrialRecord) -> str:
    """How a trial ended, in a line."""
    line = f"trial {record.trial} {record.state}"
    if record.objective is not None:
        line += f": {fraction(record.objective)} at epoch {record.best_epoch}"
    train = record.best.train.accuracy if record.best else None
    val = record.best.val.accuracy if record.best else None
    if train is not None and val is not None:
        line += f", gap train-val {fraction(train - val, places=3, sign=True)}"
    line += f", {record.seconds:.0f} s"
    return line + (f" ({record.reason})" if record.reason else "")


def describe_left(seconds: float | None, finalists_s: float) -> str:
    """`about 12 min left, 3 min of it for the finalists`; empty when not known."""
    if seconds is None:
        return ""
    reserved = rough_duration(min(finalists_s, seconds))
    share = f", {reserved} of it for the finalists" if finalists_s else ""
    return f"about {rough_duration(seconds)} left{share}"


def _describe_best(best: TrialRecord | None) -> str:
    if best is None or best.objective is None:
        return ""
    return f"; best so far: {fraction(best.objective)} (trial {best.trial})"
