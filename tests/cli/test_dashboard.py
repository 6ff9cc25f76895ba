"""`autocnn dashboard`: an address, a page, Ctrl-C."""

import json
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from autocnn.cli.main import run
from autocnn.core.config import StudyConfig
from autocnn.core.objective import Goal
from autocnn.spaces.files import load_space
from autocnn.tuning.engines.optuna_engine import OptunaEngine
from tests.cli.studies import make_study


def test_dashboard_explains_errors(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("optuna_dashboard")
    assert run(["dashboard"]) == 4
    assert "must hold a study" in capsys.readouterr().err
    make_study()
    assert run(["dashboard", "mine"]) == 4
    assert "optuna.db: must be there" in capsys.readouterr().err
    assert run(["dashboard", "mine", "--port", "70000"]) == 2


@pytest.mark.slow
def test_the_server_ends_with_ctrl_c(own_folder: Path) -> None:
    pytest.importorskip("optuna_dashboard")
    folder = make_study()
    engine = OptunaEngine(
        load_space("quick"), Goal(StudyConfig().objective), storage=folder.optuna_url, name="mine"
    )
    engine.ask(0)
    engine.close()
    process = subprocess.Popen(
        [sys.executable, "-m", "autocnn", "dashboard", "mine", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    found = re.match(r"mine: (http://127\.0\.0\.1:\d+/) ", line)
    assert found, line
    with urllib.request.urlopen(f"{found[1]}api/studies", timeout=30) as answer:
        assert answer.status == 200
        (study,) = json.loads(answer.read())["study_summaries"]
    assert study["study_name"] == "mine"
    process.send_signal(signal.SIGINT)
    out, error = process.communicate(timeout=30)
    assert (process.returncode, out, error) == (0, "", "")
