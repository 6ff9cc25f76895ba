"""Progress and Ctrl-C of a call from Python."""

import os
import signal
import sys
import threading

import pytest

from autocnn.api.display import PlainDisplay, QuietDisplay
from autocnn.api.watch import handle_signals, interruptible, show


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


# -- handlers that stay; `conftest` puts those of before back ---------------------------------


def send(number: signal.Signals) -> None:
    os.kill(os.getpid(), number)


def test_ctrl_c_is_a_wish_while_work_can_stop_softly() -> None:
    interruption = handle_signals()
    with interruption.graceful():
        send(signal.SIGINT)
        assert interruption.is_wished


def test_ctrl_c_twice_stops_at_once() -> None:
    interruption = handle_signals()
    with interruption.graceful():
        send(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            send(signal.SIGINT)


def test_ctrl_c_stops_other_work_at_once() -> None:
    interruption = handle_signals()
    with pytest.raises(KeyboardInterrupt):
        send(signal.SIGINT)
    assert not interruption.is_wished


def test_sigterm_stops_at_once() -> None:
    interruption = handle_signals()
    with interruption.graceful():
        with pytest.raises(KeyboardInterrupt):
            send(signal.SIGTERM)
        assert not interruption.is_wished


def test_the_latest_interruption_hears_the_signals() -> None:
    first, second = handle_signals(), handle_signals()
    with first.graceful(), second.graceful():
        send(signal.SIGINT)
    assert (first.is_wished, second.is_wished) == (False, True)
