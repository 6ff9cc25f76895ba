"""Progress and Ctrl-C of a call from Python."""

import os
import signal
import sys
import threading

import pytest

from autocnn.api.display import PlainDisplay, QuietDisplay
from autocnn.api.watch import interruptible, show


def test_progress_is_for_people(monkeypatch: pytest.MonkeyPatch) -> None:
    assert type(show(None)) is QuietDisplay
    assert type(show(True)) is PlainDisplay
    monkeypatch.setattr(sys, "ps1", ">>> ", raising=False)
    assert type(show(None)) is PlainDisplay
    assert type(show(False)) is QuietDisplay


def test_ctrl_c_is_asked_for_inside_and_as_before_afterwards() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with interruptible() as interruption, interruption.graceful():
        os.kill(os.getpid(), signal.SIGINT)
        assert interruption.is_wished
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_another_thread_leaves_signals_alone() -> None:
    before = signal.getsignal(signal.SIGINT)
    inside = []

    def work() -> None:
        with interruptible() as interruption:
            inside.append((signal.getsignal(signal.SIGINT), interruption.is_wished))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert inside == [(before, False)]
