"""Progress and Ctrl-C of a call from Python, as the commands have them."""

import contextlib
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType

from autocnn.core.events import Interruption, Observer


def show(verbose: bool | None) -> Observer:
    """What shows progress on stderr.

    Args:
        verbose: None: in a terminal, in a notebook and at a prompt; elsewhere warnings alone.
    """
    from autocnn.api.display import show_progress

    if verbose is None:
        verbose = sys.stderr.isatty() or hasattr(sys, "ps1")
    return show_progress(is_quiet=not verbose)


class ProgressOnly(Observer):
    """Passes on how far the work is, for what returns its notes and warnings.

    Args:
        display: What to pass it on to.
    """

    def __init__(self, display: Observer) -> None:
        self.display = display

    def stage(self, name: str, *, total: int | None = None, unit: str = "") -> None:
        """Passed on."""
        self.display.stage(name, total=total, unit=unit)

    def advance(self, steps: int = 1) -> None:
        """Passed on."""
        self.display.advance(steps)


def handle_signals() -> Interruption:
    """From now on, Ctrl-C asks to stop softly, and SIGTERM to stop at once."""
    interruption = Interruption()

    def press(signum: int, frame: FrameType | None) -> None:
        interruption.press()

    signal.signal(signal.SIGINT, press)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    return interruption


@contextlib.contextmanager
def interruptible() -> Iterator[Interruption]:
    """Inside, Ctrl-C asks to stop softly, and SIGTERM to stop at once; then as before.

    In another thread than the main one, signals are left alone: Python lets nobody else
    handle them.
    """
    if threading.current_thread() is not threading.main_thread():
        yield Interruption()
        return
    numbers = (signal.SIGINT, signal.SIGTERM)
    handlers = [signal.getsignal(number) for number in numbers]
    try:
        yield handle_signals()
    finally:
        for number, handler in zip(numbers, handlers, strict=True):
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
