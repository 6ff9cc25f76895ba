"""What is told while a study runs, and how it is asked to stop."""

import inspect
from collections.abc import Callable

import pytest

from autocnn.core.events import Interruption, Observer
from tests.samples import epoch, trial


def test_a_press_outside_graceful_stops_at_once() -> None:
    interruption = Interruption()
    with pytest.raises(KeyboardInterrupt):
        interruption.press()
    assert not interruption.is_wished


def test_a_press_inside_graceful_is_a_wish() -> None:
    interruption = Interruption()
    with interruption.graceful():
        assert not interruption.is_wished
        interruption.press()
        assert interruption.is_wished


def test_the_second_press_stops_at_once() -> None:
    interruption = Interruption()
    with interruption.graceful():
        interruption.press()
        for _ in range(2):
            with pytest.raises(KeyboardInterrupt):
                interruption.press()
        assert interruption.is_wished


def test_a_wish_outlasts_graceful_and_the_next_press_stops_at_once() -> None:
    interruption = Interruption()
    with interruption.graceful():
        interruption.press()
    assert interruption.is_wished
    with pytest.raises(KeyboardInterrupt):
        interruption.press()


def test_after_graceful_a_press_stops_at_once_however_it_was_left() -> None:
    interruption = Interruption()
    with pytest.raises(ZeroDivisionError), interruption.graceful():
        raise ZeroDivisionError
    with pytest.raises(KeyboardInterrupt):
        interruption.press()


def test_graceful_work_may_follow_graceful_work() -> None:
    interruption = Interruption()
    for _ in range(2):
        with interruption.graceful():
            assert not interruption.is_wished
    with interruption.graceful():
        interruption.press()
    assert interruption.is_wished


def test_an_observer_may_ignore_everything() -> None:
    observer = Observer()
    told: dict[str, Callable[[], None]] = {
        "stage": lambda: observer.stage("decode", total=3, unit="images"),
        "advance": lambda: observer.advance(2),
        "note": lambda: observer.note("text"),
        "warn": lambda: observer.warn("text"),
        "trials_found": lambda: observer.trials_found([trial(0)]),
        "trial_started": lambda: observer.trial_started(0, {"width": 8}, epochs=3),
        "trial_epoch": lambda: observer.trial_epoch(0, epoch()),
        "trial_ended": lambda: observer.trial_ended(trial(0), best=None),
        "time_left": lambda: observer.time_left(60.0, finalists_s=10.0),
        "close": lambda: observer.close(),
    }
    for tell in told.values():
        tell()
    methods = inspect.getmembers(Observer, inspect.isfunction)
    assert {name for name, _ in methods} == set(told)
    assert vars(observer) == {}
