"""What this machine offers autocnn, and what stands in its way: `examine`."""

import importlib.metadata
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from packaging.requirements import Requirement
from platformdirs import user_cache_dir

from autocnn.core.events import Warnings
from autocnn.core.extras import install_line, installed_version
from autocnn.core.objective import Goal
from autocnn.core.paths import to_path
from autocnn.core.wording import count
from autocnn.execution.gpus import inspect_machine
from autocnn.execution.local import LocalExecutor
from autocnn.execution.machine import MEMORY_PER_WORKER_GB, Machine, Resources, share_machine
from autocnn.execution.processes import choose_start
from autocnn.execution.runner import run_one
from autocnn.execution.tasks import TRAIN, Images, TrainingResult, TrainingTask

ENOUGH_FREE_GB = 5.0
"""Of disk: a study of large images takes that."""

SIDE, NUM_IMAGES, BATCH, EPOCHS = 64, 1024, 64, 4
"""Of the images, grey and by chance, that the speed is measured with."""

LONGEST_S = 120.0

Verdict = Literal["good", "note", "problem"]


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        subject: What.
        verdict: Whether it is well.
        said: In a sentence.
        remedy: What to do about it; empty where nothing is to be done.
    """

    subject: str
    verdict: Verdict
    said: str
    remedy: str = ""


def examine(
    *, results: Path | str = "results", cache_dir: Path | str | None = None, quick: bool = False
) -> Iterator[Finding]:
    """Look at versions, processors, GPUs, memory, disk, cache, extras, and how fast it trains.

    Args:
        results: Where studies are kept.
        cache_dir: Where decoded images are kept; None: the platform's cache folder.
        quick: Whether to leave out the speed, which takes a training of some seconds.

    Yields:
        One finding after the other, as soon as it is known.

    >>> from autocnn.api import examine
    >>> [finding.subject for finding in examine(quick=True)][:3]
    ['autocnn', 'packages', 'processors']
    """
    yield from _versions()
    warnings = Warnings()
    machine = inspect_machine(warnings)
    resources = share_machine(machine, trials=None, workers=None, threads=None, precision="auto")
    yield _processors(machine, resources)
    yield _gpus(machine, warnings.said)
    yield _memory(machine, resources)
    yield _disk("results", to_path(results))
    yield _disk("cache", to_path(cache_dir or user_cache_dir("autocnn")))
    yield from _extras()
    if not quick:
        yield _speed(resources)


def _versions() -> Iterator[Finding]:
    python = ".".join(map(str, sys.version_info[:3]))
    try:
        lines = importlib.metadata.requires("autocnn") or []
        version = importlib.metadata.version("autocnn")
    except importlib.metadata.PackageNotFoundError:
        remedy = "In its source folder: pip install ."
        yield Finding("autocnn", "note", f"Python {python}; autocnn is not installed", remedy)
        return
    yield Finding("autocnn", "good", f"{version}, with Python {python}")
    needed = [Requirement(line) for line in lines if "extra ==" not in line]
    shown = ("tensorflow", "keras", "keras-tuner", "optuna")
    found = {need.name: installed_version(need.name) for need in needed}
    wrong = [
        f"{need} ({found[need.name] or 'not there'})"
        for need in needed
        if not need.specifier.contains(found[need.name] or "0", prereleases=True)
    ]
    if wrong:
        names = " ".join(repr(line.partition(" (")[0]) for line in wrong)
        said = f"autocnn needs {', '.join(wrong)}"
        yield Finding("packages", "problem", said, f"pip install {names}")
        return
    said = ", ".join(f"{name} {found[name]}" for name in shown if name in found)
    yield Finding("packages", "good", said)


def _processors(machine: Machine, resources: Resources) -> Finding:
    kind = "with" if machine.has_bfloat16 else "without"
    processors = count(machine.num_cpus, "processor")
    said = (
        f"{machine.cpu}, {processors} {kind} bfloat16, {machine.platform}: "
        f"{count(resources.workers, 'trial')} at once with "
        f"{count(resources.threads, 'thread')} each, in {resources.precision}, "
        f"started by {choose_start(is_dear=bool(resources.devices))}"
    )
    return Finding("processors", "good", said)


def _gpus(machine: Machine, warnings: list[str]) -> Finding:
    if machine.gpus:
        return Finding("GPUs", "good", ", ".join(map(str, machine.gpus)))
    if warnings:
        return Finding("GPUs", "problem", " ".join(warnings))
    why = "hidden by CUDA_VISIBLE_DEVICES or no driver of NVIDIA"
    return Finding("GPUs", "note", f"none ({why}): trials run on the processors")


def _memory(machine: Machine, resources: Resources) -> Finding:
    needed = resources.workers * MEMORY_PER_WORKER_GB
    said = (
        f"{machine.memory_gb:g} GB, {resources.memory_limit_gb:g} GB for each trial at once; "
        f"one of a usual size takes {MEMORY_PER_WORKER_GB:g} GB"
    )
    if machine.memory_gb >= needed:
        return Finding("memory", "good", said)
    return Finding("memory", "problem", said, "Search with --workers 1 and small images.")


def _disk(subject: str, folder: Path) -> Finding:
    place = folder.absolute()
    there = next(parent for parent in (place, *place.parents) if parent.exists())
    free_gb = shutil.disk_usage(there).free / 1e9
    said = f"{place}: {free_gb:.1f} GB are free"
    option = "--results" if subject == "results" else "--cache-dir"
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        problem = f"{place}: cannot be written ({error.strerror})"
        return Finding(subject, "problem", problem, f"Name another folder with {option}.")
    if free_gb < ENOUGH_FREE_GB:
        return Finding(subject, "note", said, f"Free some, or name another disk with {option}.")
    return Finding(subject, "good", said)


def _extras() -> Iterator[Finding]:
    try:
        metadata = importlib.metadata.metadata("autocnn")
        lines = importlib.metadata.requires("autocnn") or []
    except importlib.metadata.PackageNotFoundError:
        return
    names = [name for name in metadata.get_all("Provides-Extra") or [] if name not in _NO_EXTRAS]
    missing = []
    for name in names:
        marker = re.compile(rf"""extra == ["']{re.escape(name)}["']""")
        needed = [Requirement(line).name for line in lines if marker.search(line)]
        if any(installed_version(package) is None for package in needed):
            missing.append(name)
    there = [name for name in names if name not in missing]
    yield Finding("extras", "good", f"installed: {', '.join(there) or 'none'}")
    for name in missing:
        yield Finding("extras", "note", f"not installed: {name}", install_line(name))


_NO_EXTRAS = ("all", "test")


def _speed(resources: Resources) -> Finding:
    """Train the default network for some seconds, on as many processors as a trial has."""
    rng = np.random.default_rng(0)
    executor = LocalExecutor(devices=resources.devices)
    try:
        with tempfile.TemporaryDirectory(prefix="autocnn-doctor-") as place:
            folder = Path(place)
            pixels = rng.integers(0, 256, (NUM_IMAGES, SIDE, SIDE, 1), dtype=np.uint8)
            np.save(folder / "images.npy", pixels)
            rows = np.arange(NUM_IMAGES)
            task = TrainingTask(
                images=Images(folder / "images.npy", rows % 4, 4),
                train_rows=rows,
                val_rows=rows[:0],
                params={"stem_stride": 2, "batch_size": BATCH},
                epochs=EPOCHS,
                seed=(0, 0),
                goal=Goal("log_loss"),
                model_path=folder / "model.keras",
                threads=resources.threads,
                precision=resources.precision,
                weights="",
                checkpoint_path=folder / "checkpoint" / "epoch.npz",
            )
            task.checkpoint_path.parent.mkdir()
            outcome = run_one(
                executor, TRAIN, task, log_path=folder / "log.txt", timeout_s=LONGEST_S
            )
    finally:
        executor.close()
    if not isinstance(outcome.result, TrainingResult):
        return Finding("speed", "problem", f"a training ended so: {outcome.reason}")
    seconds = min(score.seconds for score in outcome.result.history[1:])
    said = (
        f"{NUM_IMAGES / seconds:,.0f} images a second in one trial ({SIDE} px, the default "
        f"network), {outcome.seconds:.0f} s from start to end"
    )
    return Finding("speed", "good", said)
