"""Ctrl-C and SIGTERM, as the library's `Interruption`."""

import signal
from types import FrameType

from autocnn.core.events import Interruption


def handle_signals() -> Interruption:
    """From now on, Ctrl-C asks to stop softly, and SIGTERM to stop at once."""
    interruption = Interruption()

    def press(signum: int, frame: FrameType | None) -> None:
        interruption.press()

    signal.signal(signal.SIGINT, press)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    return interruption
