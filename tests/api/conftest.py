"""An empty working folder, where no process can be started; signals are handled as before."""

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest

from autocnn.study import run as study
from tests.inference.evaluate.models import no_pictures

__all__ = ["no_pictures", "own_folder"]


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    def refuse(**options: object) -> NoReturn:
        raise AssertionError("the executor must not be started")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(study, "LocalExecutor", refuse)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield tmp_path
    for number, handler in handlers.items():
        signal.signal(number, handler)
