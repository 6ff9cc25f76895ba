"""The check of a GPU, where there is none: what it takes for a problem, and how it ends."""

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from autocnn.core.events import Observer
from autocnn.execution.machine import Gpu, Machine
from benchmarks import gpu_check

WITH_GPU = Machine(8, 32.0, False, "CPU", "Linux x86_64", (Gpu("A100", (8, 0)),))

GOOD: dict[str, Any] = {"rate": 1000.0, "is_on_gpu": True, "utilisation": 60.0}
CPU: dict[str, Any] = {"rate": 100.0, "is_on_gpu": False, "utilisation": None}


@pytest.mark.parametrize(
    ("gpu", "problem"),
    [
        ({}, None),
        ({"utilisation": None}, None),
        ({"utilisation": 0.0}, "gpu: it was not used while the network was trained"),
        ({"is_on_gpu": False}, "gpu: its network stood on the processor"),
        ({"problem": "it broke"}, "gpu: it broke"),
    ],
)
def test_a_gpu_that_did_not_do_the_work_is_a_problem(
    gpu: dict[str, Any], problem: str | None, tmp_path: Path
) -> None:
    for device in ("cpu", "gpu"):
        np.save(tmp_path / f"{device}.npy", np.full((2, 4), 0.25, np.float32))
    problems = list(gpu_check.compare({"cpu": CPU, "gpu": {**GOOD, **gpu}}, tmp_path))
    assert problems == ([] if problem is None else [problem])


def test_other_probabilities_on_the_gpu_are_a_problem(tmp_path: Path) -> None:
    for device, value in (("cpu", 0.25), ("gpu", 0.3)):
        np.save(tmp_path / f"{device}.npy", np.full((2, 4), value, np.float32))
    (problem,) = gpu_check.compare({"cpu": CPU, "gpu": GOOD}, tmp_path)
    assert problem == "the GPU's probabilities differ by 5.0e-02 from the processor's"


def test_programs_run_as_the_package_s_own_and_end_with_the_time_for_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    tell = "import os; print(os.environ['KERAS_BACKEND'], os.environ['CUDA_VISIBLE_DEVICES'])"
    command = [sys.executable, "-c", tell]
    told = gpu_check.run(command, "cpu", tmp_path, until=time.monotonic() + 60)
    assert not isinstance(told, str) and told.stdout.split() == ["tensorflow", "-1"]
    late = gpu_check.run(command, "cpu", tmp_path, until=time.monotonic() - 1)
    assert late == "it was not over when the 280 s for all were"


class Programs:
    """Takes the place of `gpu_check.run`: a part, then a study.

    Args:
        facts: What a part says.
        devices: On which the study ran.
    """

    def __init__(self, facts: dict[str, Any], devices: Sequence[str]) -> None:
        self.facts, self.devices = facts, devices
        self.ends: list[float] = []
        self.ran: list[str] = []

    def __call__(
        self, command: Sequence[str], device: str, place: Path, *, until: float
    ) -> "subprocess.CompletedProcess[str]":
        self.ends.append(until)
        self.ran.append(device)
        if "--to" in command:
            np.save(command[command.index("--to") + 1], np.full((2, 4), 0.25, np.float32))
        else:
            (place / "check").mkdir()
            (place / "check" / "leaderboard.csv").touch()
            resources = {"workers": 1, "precision": "float32", "devices": self.devices}
            (place / "check" / "study.json").write_text(json.dumps({"resources": resources}))
        return subprocess.CompletedProcess(command, 0, json.dumps(self.facts), "")


def check(
    monkeypatch: pytest.MonkeyPatch, machine: Machine, programs: Programs, *arguments: str
) -> Result:
    def inspect(observer: Observer) -> Machine:
        return machine

    monkeypatch.setattr(gpu_check, "inspect_machine", inspect)
    monkeypatch.setattr(gpu_check, "run", programs)
    monkeypatch.setenv("PATH", "")  # no nvidia-smi
    return CliRunner().invoke(gpu_check.main, arguments)


def test_all_parts_together_have_one_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    programs = Programs({"rate": 10.0, "is_on_gpu": True}, ["0"])
    result = check(monkeypatch, WITH_GPU, programs, "--device", "gpu", "--device", "cpu")
    assert result.exit_code == 0, result.output
    assert programs.ran == ["gpu", "cpu", "gpu"], "the study runs on the GPU in any order"
    assert len(set(programs.ends)) == 1
    assert "utilisation not measured" in result.output


@pytest.mark.parametrize(
    ("is_on_gpu", "devices", "problem"),
    [
        (False, ["0"], "its network stood on the processor"),
        (True, [], "the study was not planned for all GPUs"),
    ],
)
def test_what_does_not_hold_is_said_and_is_the_exit_code(
    is_on_gpu: bool, devices: list[str], problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = Programs({"rate": 10.0, "is_on_gpu": is_on_gpu}, devices)
    result = check(monkeypatch, WITH_GPU, programs)
    assert result.exit_code == 1
    assert problem in result.output


def test_without_a_gpu_nothing_is_checked_but_what_needs_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    without = Machine(8, 32.0, False, "CPU", "Linux x86_64")
    programs = Programs({"rate": 10.0, "is_on_gpu": False}, [])
    assert check(monkeypatch, without, programs).exit_code == gpu_check.NO_GPU
    assert programs.ran == []
    assert check(monkeypatch, without, programs, "--device", "cpu").exit_code == 0
    assert programs.ran == ["cpu", "cpu"]


@pytest.mark.slow
def test_a_part_says_where_its_network_stood(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(gpu_check, "NUM_IMAGES", 256)
    gpu_check.train_and_predict(tmp_path / "cpu.npy")
    said = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert said["is_on_gpu"] is False
    assert said["rate"] > 0
    assert np.load(tmp_path / "cpu.npy").shape == (256, 4)
