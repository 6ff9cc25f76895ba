"""Ctrl-C and SIGTERM in this process; `conftest` puts the handlers back."""

import os
import signal

import pytest

from autocnn.api.interruption import handle_signals


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
