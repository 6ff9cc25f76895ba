"""What stands in the way of autocnn on a machine is told, with the remedy."""

import importlib.metadata
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from autocnn.api import Finding, doctor, examine
from autocnn.cli.main import run
from autocnn.execution.machine import Gpu, Machine

MACHINE = Machine(4, 16.0, False, "A CPU", "Linux x86_64")


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "inspect_machine", lambda observer: MACHINE)


def look(**options: Any) -> dict[str, Finding]:
    """What it finds, the last of each subject."""
    return {finding.subject: finding for finding in examine(quick=True, **options)}


def test_all_that_was_promised_is_looked_at(tmp_path: Path) -> None:
    found = look(results=tmp_path, cache_dir=tmp_path / "not/there/yet")
    assert list(found) == [
        "autocnn",
        "packages",
        "processors",
        "GPUs",
        "memory",
        "results",
        "cache",
        "extras",
    ]
    assert {found[name].verdict for name in ("autocnn", "packages", "memory")} == {"good"}
    assert "4 processors without bfloat16" in found["processors"].said
    assert found["cache"].verdict in ("good", "note")
    assert not (tmp_path / "not").exists(), "it only looks"


def test_gpus_are_named_and_so_is_a_driver_that_does_not_help(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    there = Machine(4, 16.0, False, "A CPU", "Linux x86_64", (Gpu("A100", (8, 0)),))
    monkeypatch.setattr(doctor, "inspect_machine", lambda observer: there)
    assert look()["GPUs"] == Finding("GPUs", "good", "A100 (8.0)")

    def warn(observer: Any) -> Machine:
        observer.warn("A driver, but no GPU. The CUDA libraries come with `pip`.")
        return MACHINE

    monkeypatch.setattr(doctor, "inspect_machine", warn)
    said = "A driver, but no GPU. The CUDA libraries come with `pip`."
    assert look()["GPUs"] == Finding("GPUs", "problem", said)


def test_too_little_memory_and_disk_are_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    small = Machine(1, 1.0, False, "A CPU", "Linux x86_64")
    monkeypatch.setattr(doctor, "inspect_machine", lambda observer: small)
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=1e9))
    found = look(results=tmp_path, cache_dir=tmp_path)
    assert found["memory"].verdict == "problem"
    assert "--workers 1" in found["memory"].remedy
    assert found["results"].verdict == "note"
    assert "--results" in found["results"].remedy
    assert "--cache-dir" in found["cache"].remedy


def test_a_folder_that_cannot_be_written_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refuse(**options: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    found = look(results=tmp_path)["results"]
    assert (found.verdict, found.said) == (
        "problem",
        f"{tmp_path}: cannot be written (Permission denied)",
    )


def test_packages_that_are_too_old_and_extras_that_are_missing_are_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    versions = importlib.metadata.version

    def version(name: str) -> str:
        if name == "pydicom":
            raise importlib.metadata.PackageNotFoundError(name)
        return "1.0" if name == "optuna" else versions(name)

    monkeypatch.setattr("importlib.metadata.version", version)
    found = look()
    assert "optuna>=5.0 (1.0)" in found["packages"].said
    assert found["packages"].remedy == "pip install 'optuna>=5.0'"
    assert found["extras"].said == "not installed: dicom"
    assert "pydicom" in found["extras"].remedy


def test_the_command_prints_a_line_each(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert run(["doctor", "--quick", "--results", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("ok autocnn: ") or lines[0].startswith("ok      autocnn: ")
    assert run(["doctor", "--quick", "--json", "--results", str(tmp_path)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [one["subject"] for one in found][:2] == ["autocnn", "packages"]


def test_the_command_marks_what_is_no_good(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    findings = [
        Finding("memory", "problem", "1 GB", "Take --workers 1."),
        Finding("extras", "note", "not installed: dicom."),
    ]
    monkeypatch.setattr("autocnn.api.examine", lambda **options: findings)
    assert run(["doctor", "--quick"]) == 0, "it has looked, whatever it found"
    assert capsys.readouterr().out.splitlines() == [
        "PROBLEM memory: 1 GB. Take --workers 1.",
        "note    extras: not installed: dicom.",
    ]


@pytest.mark.slow
def test_the_speed_is_measured() -> None:
    found = list(examine())[-1]
    assert (found.subject, found.verdict) == ("speed", "good"), found
    assert "images a second" in found.said
