"""Progress: plain lines, live bars, a notebook's output, or only warnings."""

import errno
import io
import re
import sys
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from rich.console import Console

from autocnn.api.display import (
    LiveDisplay,
    NotebookDisplay,
    PlainDisplay,
    QuietDisplay,
    describe_end,
    describe_epoch,
    describe_left,
    describe_params,
    show_progress,
)
from autocnn.core.events import Observer
from autocnn.core.records import EpochScore, Params, Scores, TrialRecord, TrialState
from tests.cli.terminal import ESCAPES

HIDE_CURSOR, SHOW_CURSOR = "\x1b[?25l", "\x1b[?25h"
ERASE_LINE = "\x1b[2K"


def epoch(number: int = 1, *, train: float | None = 0.9, val: float | None = 0.8) -> EpochScore:
    return EpochScore(
        epoch=number,
        train_loss=0.51239,
        train=Scores(accuracy=train),
        val=Scores(accuracy=val),
        learning_rate=1e-3,
        seconds=2.04,
    )


def complete(
    trial: int = 0, objective: float = 0.8125, score: EpochScore | None = None
) -> TrialRecord:
    return TrialRecord(
        trial=trial,
        state=TrialState.COMPLETE,
        params={"family": "resnet"},
        objective=objective,
        best_epoch=1,
        history=(score or epoch(),),
        seconds=61.4,
    )


def failed(trial: int = 1) -> TrialRecord:
    return TrialRecord(
        trial=trial,
        state=TrialState.FAILED,
        reason="ValueError: [bad] input",
        params={},
        seconds=3.0,
    )


def tell_a_story(observer: Observer) -> None:
    """Everything that an observer can hear, in a likely order."""
    observer.note("Reading [images] of {braces}.")
    observer.stage("decode", total=1200, unit="images")
    observer.advance(1000)
    observer.advance()
    observer.warn("One file is [unreadable].")
    observer.stage("load pretrained weights")
    observer.advance()
    observer.time_left(None)
    observer.stage("search", total=2, unit="trials")
    observer.time_left(500.0, finalists_s=100.0)
    observer.trial_started(0, {"family": "resnet", "width": 8}, epochs=3)
    observer.trial_started(1, {}, epochs=3)
    observer.trial_epoch(0, epoch())
    observer.trial_ended(failed(), best=None)
    observer.time_left(300.0)
    observer.trial_ended(complete(), best=complete())
    observer.stage("retrain", total=1, unit="finalists")
    observer.advance()
    observer.close()


# -- words ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "finalists_s", "text"),
    [
        (None, 0.0, ""),
        (None, 60.0, ""),
        (720.0, 0.0, "about 12 min left"),
        (720.0, 180.0, "about 12 min left, 3 min of it for the finalists"),
        (45.0, 45.0, "about 45 s left, 45 s of it for the finalists"),
        (3.0, 23.0, "about 3 s left, 3 s of it for the finalists"),
        (0.0, 0.0, "about 0 s left"),
    ],
)
def test_the_time_left_is_told_with_the_finalists_share(
    seconds: float | None, finalists_s: float, text: str
) -> None:
    assert describe_left(seconds, finalists_s) == text


def test_params_are_written_as_in_yaml_and_short() -> None:
    params: Params = {"family": "plain", "width": 24, "learning_rate": 0.00123456, "flip": True}
    assert describe_params(params) == "family=plain width=24 learning_rate=0.00123 flip=true"


def test_an_epoch_shows_what_was_measured() -> None:
    assert describe_epoch(epoch()) == "loss 0.512, train 0.900, val 0.800, 2.0 s"
    assert describe_epoch(epoch(train=None, val=None)) == "loss 0.512, 2.0 s"


def test_the_end_of_a_trial_is_one_line() -> None:
    assert describe_end(complete()) == (
        "trial 0 complete: 0.8125 at epoch 1, gap train-val +0.100, 61 s"
    )
    assert describe_end(failed()) == "trial 1 failed, 3 s (ValueError: [bad] input)"


def test_a_gap_from_zero_is_shown_and_an_unknown_one_is_not() -> None:
    assert "gap train-val +0.500" in describe_end(complete(score=epoch(train=0.5, val=0.0)))
    assert "gap" not in describe_end(complete(score=epoch(train=None)))


# -- plain lines ---------------------------------------------------------------------------


def test_plain_lines_tell_the_story(capsys: pytest.CaptureFixture[str]) -> None:
    tell_a_story(PlainDisplay())
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "Reading [images] of {braces}.",
        "== decode: 1,200 images",
        "Warning: One file is [unreadable].",
        "== load pretrained weights",
        "== search: 2 trials",
        "trial 0 starts: family=resnet width=8",
        "trial 1 starts: ",
        "trial 0 epoch 1: loss 0.512, train 0.900, val 0.800, 2.0 s",
        "trial 1 failed, 3 s (ValueError: [bad] input); about 8 min left, 2 min of it for the "
        "finalists",
        "trial 0 complete: 0.8125 at epoch 1, gap train-val +0.100, 61 s; "
        "best so far: 0.8125 (trial 0); about 5 min left",
        "== retrain: 1 finalist",
    ]


def test_plain_steps_are_told_every_few_seconds(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    plain = PlainDisplay()
    plain.stage("decode", total=3000, unit="images")
    for _ in range(30):
        now[0] += 1.0
        plain.advance(100)
    assert capsys.readouterr().err.splitlines()[1:] == [
        "   1,000 of 3,000 images",
        "   2,000 of 3,000 images",
        "   3,000 of 3,000 images",
    ]


def test_quiet_shows_only_warnings(capsys: pytest.CaptureFixture[str]) -> None:
    tell_a_story(QuietDisplay())
    out, err = capsys.readouterr()
    assert (out, err) == ("", "Warning: One file is [unreadable].\n")


# -- live bars -----------------------------------------------------------------------------


def live() -> tuple[LiveDisplay, io.StringIO]:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=100, highlight=False)
    return LiveDisplay(console), screen


def test_the_live_display_shows_the_whole_story_and_puts_the_cursor_back() -> None:
    shown, screen = live()
    tell_a_story(shown)
    text = screen.getvalue()
    for line in (
        "Reading [images] of {braces}.",
        "Warning: One file is [unreadable].",
        "trial 1 failed, 3 s (ValueError: [bad] input)",
        "trial 0 complete: 0.8125 at epoch 1, gap train-val +0.100, 61 s",
        "best so far: 0.8125 (trial 0)",
    ):
        assert line in text
    assert text.count(HIDE_CURSOR) == text.count(SHOW_CURSOR) == 1
    assert text.rindex(SHOW_CURSOR) > text.rindex(HIDE_CURSOR)


def test_running_trials_have_a_line_each() -> None:
    shown, screen = live()
    shown.stage("search", total=5, unit="trials")
    shown.trial_started(3, {"family": "separable"}, epochs=9)
    shown.trial_started(4, {}, epochs=9)
    shown.trial_epoch(3, epoch(2))
    shown.time_left(120.0, finalists_s=60.0)
    shown.live.refresh()
    text = screen.getvalue()
    shown.time_left(None)
    shown.live.refresh()
    later = screen.getvalue()[len(text) :]
    shown.close()
    assert "trial 3  epoch 2/9  loss 0.512, train 0.900, val 0.800, 2.0 s  separable" in text
    assert re.search(r"trial 4  epoch 0/9  starting, \d+ s", text)
    assert " trials, about 2 min left, 60 s of it for the finalists" in text
    assert " trials" in later
    assert "left" not in later


@pytest.mark.parametrize(
    ("total", "unit", "steps", "shown"),
    [
        (1200, "images", 1000, "1,000/1,200 images"),
        (None, "trials", 3, " 3 trials"),
        (None, "", 0, ""),
    ],
)
def test_what_is_counted_is_shown_and_of_how_many_where_that_is_known(
    total: int | None, unit: str, steps: int, shown: str
) -> None:
    board, screen = live()
    board.stage("work", total=total, unit=unit)
    board.advance(steps)
    board.live.refresh()
    board.close()
    text = ESCAPES.sub("", screen.getvalue())
    assert shown in text
    assert "?" not in text
    assert any(sign.isdigit() for sign in text) == bool(shown)


def test_nothing_of_the_bars_is_left_on_the_terminal() -> None:
    shown, screen = live()
    tell_a_story(shown)
    text = screen.getvalue()
    # The last frame, four lines of it, is erased line by line, and nothing is written after that.
    _, _, erased = text.rpartition("retrain")
    assert erased.count(ERASE_LINE) >= 3
    assert not ESCAPES.sub("", erased.rpartition(ERASE_LINE)[2]).strip()


def test_closing_twice_is_harmless() -> None:
    shown, screen = live()
    shown.close()
    before = screen.getvalue()
    shown.close()
    assert screen.getvalue() == before


def test_a_story_cut_short_leaves_the_terminal_fine() -> None:
    shown, screen = live()
    shown.stage("search", total=5, unit="trials")
    shown.trial_started(0, {}, epochs=9)
    shown.close()
    _, _, after = screen.getvalue().rpartition(SHOW_CURSOR)
    assert HIDE_CURSOR not in after
    assert not ESCAPES.sub("", after).strip()
    assert not shown.live.is_started


# -- in a notebook -------------------------------------------------------------------------


class Kernel:
    """What a Jupyter kernel has of IPython: outputs that can be drawn again."""

    def __init__(self) -> None:
        self.outputs: list[list[dict[str, str]]] = []

    def get_ipython(self) -> Any:
        class Shell:
            kernel = self

        return Shell()

    def display(self, shown: Any, *, display_id: bool) -> Any:
        states: list[dict[str, str]] = []
        self.outputs.append(states)

        class Handle:
            def update(self, shown: Any) -> None:
                states.append(shown._repr_mimebundle_())

        handle = Handle()
        handle.update(shown)
        return handle


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    kernel = Kernel()
    module, part = ModuleType("IPython"), ModuleType("IPython.display")
    module.get_ipython = kernel.get_ipython  # type: ignore[attr-defined]
    part.display = kernel.display  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", module)
    monkeypatch.setitem(sys.modules, "IPython.display", part)
    return kernel


def test_a_notebook_gets_one_output_that_is_drawn_in_place(
    kernel: Kernel, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = show_progress(is_quiet=False)
    assert isinstance(shown, NotebookDisplay)
    tell_a_story(shown)
    (states,) = kernel.outputs
    running = next(state["text/plain"] for state in states if "trial 0  epoch" in str(state))
    assert "search" in running
    assert "0/2 trials, about 8 min left, 2 min of it for the finalists" in running
    assert states[-1]["text/plain"].splitlines() == [
        "Warning: One file is [unreadable].",
        "Reading [images] of {braces}.",
        "trial 1 failed, 3 s (ValueError: [bad] input)",
        "trial 0 complete: 0.8125 at epoch 1, gap train-val +0.100, 61 s",
        "",
        "best so far: 0.8125 (trial 0)",
    ]
    assert capsys.readouterr() == ("", "")
    num_states = len(states)
    shown.close()
    assert len(states) == num_states


def test_steps_and_epochs_are_drawn_now_and_then(
    kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    shown = NotebookDisplay()
    shown.stage("search", total=9, unit="trials")
    shown.trial_started(0, {}, epochs=200)
    for number in range(1, 201):
        now[0] += 0.01
        shown.trial_epoch(0, epoch(number))
        shown.advance(0)
    (states,) = kernel.outputs
    assert 8 <= len(states) <= 10
    assert "epoch 200/200" in states[-1]["text/plain"]


def test_what_was_drawn_before_is_not_kept(kernel: Kernel) -> None:
    """A night's search draws a hundred thousand times."""
    shown = NotebookDisplay()
    for _ in range(50):
        shown.note("x" * 80)
    assert len(kernel.outputs[0]) == 50
    assert shown.console.file.getvalue() == ""  # type: ignore[attr-defined]
    assert shown.console.export_text() == ""


def test_a_notebook_shows_the_latest_lines_all_warnings_and_no_markup(kernel: Kernel) -> None:
    shown = NotebookDisplay()
    shown.warn("<script>alert(1)</script>")
    for number in range(50):
        shown.note(f"line {number} of <b>")
    html, text = (kernel.outputs[0][-1][kind] for kind in ("text/html", "text/plain"))
    assert "line 49 of &lt;b&gt;" in html
    assert "Warning: &lt;script&gt;" in html
    assert "<script>" not in html and "<b>" not in html
    assert "line 49 of <b>" in text
    assert "line 3 " not in text


# -- which one -----------------------------------------------------------------------------


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_display_fits_stderr(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert type(show_progress(is_quiet=False)) is PlainDisplay
    assert type(show_progress(is_quiet=True)) is QuietDisplay
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert type(show_progress(is_quiet=True)) is QuietDisplay
    shown = show_progress(is_quiet=False)
    shown.close()
    assert type(shown) is LiveDisplay


class Leaving(Terminal):
    """A terminal that is closed while somebody writes to it."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self.after = after
        self.num_refused = 0

    def write(self, text: str) -> int:
        if self.tell() > self.after:
            self.num_refused += 1
            raise OSError(errno.EIO, "Input/output error")
        return super().write(text)


@pytest.mark.parametrize(
    ("display", "after"),
    [
        (QuietDisplay, -1),
        (PlainDisplay, -1),
        (PlainDisplay, 40),
        (LiveDisplay, -1),
        (LiveDisplay, 40),
    ],
)
def test_work_goes_on_where_the_terminal_is_closed(
    display: Callable[[], Observer], after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = Leaving(after)
    monkeypatch.setattr(sys, "stderr", terminal)
    shown = display()
    tell_a_story(shown)
    refused = terminal.num_refused
    assert refused > 0
    shown.warn("One more file is unreadable.")
    assert terminal.num_refused == refused, "it is not tried again"
    assert sys.stderr is terminal
