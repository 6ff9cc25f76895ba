"""A whole study, simulated, with a real MLflow server, read again by a real TensorBoard."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from autocnn.cli.main import run
from tests.study.test_run import TINY_SPACE

for package in ("tensorboard", "mlflow"):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow's own, about what it will change
        pytest.importorskip(package)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures("simulated"),
    pytest.mark.filterwarnings("ignore::FutureWarning:mlflow"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow"),
]


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def serving(command: list[str], log: Path, url: str) -> Iterator[None]:
    """A server that has answered once, until the block ends."""
    with log.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", *command], stdout=file, stderr=file, start_new_session=True
        )
    try:
        wait_for(lambda: fetch(url) is not None, log)
        yield
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()


def fetch(url: str, data: Any = None) -> Any:
    """What a server answers, None while it does not."""
    body = None if data is None else json.dumps(data).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.read().decode()
    except OSError:
        return None


def wait_for(condition: Callable[[], bool], log: Path, timeout_s: float = 90) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.2)


@pytest.fixture
def search_arguments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.chdir(tmp_path)
    Path("tiny.yaml").write_text(TINY_SPACE)
    return [
        "search",
        "digits",
        "--space",
        "tiny.yaml",
        "--name",
        "mine",
        "--trials",
        "2",
        "--epochs",
        "2",
        "--folds",
        "0",
        "--finalists",
        "1",
        "--members",
        "1",
        "--cache-dir",
        "cache",
    ]


def test_mlflow_has_the_trials_and_the_leaderboard(
    tmp_path: Path, search_arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    url, log = f"http://127.0.0.1:{free_port()}", tmp_path / "server.log"
    command = [
        "mlflow",
        "server",
        "--backend-store-uri",
        f"sqlite:///{tmp_path}/runs.db",
        "--artifacts-destination",
        str(tmp_path / "artifacts"),
        "--workers",
        "1",
        "--host",
        "127.0.0.1",
        "--port",
        url.rpartition(":")[2],
    ]
    with serving(command, log, f"{url}/health"):
        assert run([*search_arguments, "--mlflow", url, "--tensorboard"]) == 0
        assert run(["resume", "mine", "--trials", "3"]) == 0
        assert run(["resume", "mine", "--mlflow", url]) == 0, "all of it is there already"
        printed = capsys.readouterr()
        from mlflow import MlflowClient

        client = MlflowClient(url)
        experiment = client.get_experiment_by_name("mine")
        assert experiment is not None
        runs = {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}
        assert sorted(runs) == ["mine", "trial 0", "trial 1", "trial 2"]
        assert {run.info.status for run in runs.values()} == {"FINISHED"}
        for number in range(3):
            found = runs[f"trial {number}"]
            record = json.loads(Path(f"results/mine/trials/000{number}/trial.json").read_text())
            history = client.get_metric_history(found.info.run_id, "val_accuracy")
            assert [(m.step, m.value) for m in history] == [
                (score["epoch"], score["val"]["accuracy"]) for score in record["history"]
            ]
            assert found.data.metrics["objective"] == record["objective"]
            assert found.data.params["width"] == str(record["params"]["width"])
            assert found.data.tags["mlflow.parentRunId"] == runs["mine"].info.run_id
        assert 0 < runs["mine"].data.metrics["test_accuracy"] <= 1
        kept = client.download_artifacts(runs["mine"].info.run_id, "leaderboard.csv", str(tmp_path))
        assert Path(kept).read_text() == Path("results/mine/leaderboard.csv").read_text()
    assert "Warning: MLflow" not in printed.err
    assert "View run" not in printed.out
    check_tensorboard(tmp_path / "board.log")


def check_tensorboard(log: Path) -> None:
    """TensorBoard's own reader finds the curves and the params in the study."""
    url = f"http://127.0.0.1:{free_port()}"
    command = [
        "tensorboard.main",
        "--logdir",
        "results/mine/tensorboard",
        "--load_fast",
        "false",
        "--host",
        "127.0.0.1",
        "--port",
        url.rpartition(":")[2],
    ]
    scalars = f"{url}/data/plugin/scalars"
    curve_url = f"{scalars}/scalars?run=trial-0002/val&tag=accuracy"
    with serving(command, log, url):
        wait_for(lambda: fetch(curve_url) is not None, log)
        curve = {step: value for _, step, value in json.loads(fetch(curve_url))}
        record = json.loads(Path("results/mine/trials/0002/trial.json").read_text())
        wanted = {score["epoch"]: score["val"]["accuracy"] for score in record["history"]}
        assert curve == pytest.approx(wanted, rel=1e-6), "in single precision"
        asked = {"experimentName": "", "hparamsLimit": 20}
        hparams = f"{url}/experiment/defaultExperimentId/data/plugin/hparams/experiment"
        found = {info["name"] for info in json.loads(fetch(hparams, asked))["hparamInfos"]}
        assert {"width", "learning_rate"} <= found


def test_a_server_that_is_gone_is_one_warning(
    search_arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    gone = f"http://127.0.0.1:{free_port()}"
    assert run([*search_arguments, "--mlflow", gone]) == 0
    error = capsys.readouterr().err
    assert len(re.findall("Warning: MLflow must take the numbers of the trials", error)) == 1
    assert Path("results/mine/leaderboard.csv").is_file()
