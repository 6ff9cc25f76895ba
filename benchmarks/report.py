"""What every benchmark shares: its options, repeated measurements, tables and aims."""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from autocnn.execution.machine import Machine

PACKAGES = ("autocnn", "tensorflow", "keras", "keras-tuner", "optuna", "numpy")


@dataclass(frozen=True)
class Options:
    """How thoroughly to measure.

    Attributes:
        repeats: Times that each program is measured; None: each benchmark's own number.
        is_quick: A smoke test: tiny sizes, one repeat, figures without meaning.
        work_dir: Folder for everything that is generated; empty at the start.
    """

    repeats: int | None
    is_quick: bool
    work_dir: Path

    def repeats_or(self, default: int) -> int:
        """How often to measure where `default` times are usual."""
        return self.repeats or (1 if self.is_quick else default)

    def size(self, full: int, quick: int) -> int:
        """A size of the work: `quick` in a smoke test."""
        return quick if self.is_quick else full


@dataclass(frozen=True)
class Samples:
    """Repeated measurements of one thing."""

    values: tuple[float, ...]

    @classmethod
    def of(cls, values: Iterable[float]) -> "Samples":
        """From any values, at least one."""
        return cls(tuple(values))

    @property
    def median(self) -> float:
        """Their median."""
        return statistics.median(self.values)

    def text(self, decimals: int) -> str:
        """`median (min..max)`, or the value alone when there is only one."""
        if len(self.values) == 1:
            return f"{self.median:.{decimals}f}"
        low, high = min(self.values), max(self.values)
        return f"{self.median:.{decimals}f} ({low:.{decimals}f}..{high:.{decimals}f})"


@dataclass(frozen=True)
class Figure:
    """One number of the issue, and whether it is as good as was aimed for.

    Attributes:
        name: What it is.
        value: As measured.
        unit: Of `value`, e.g. ` s` or ` x`.
        most: The aim when less is better.
        least: The aim when more is better.
    """

    name: str
    value: float
    unit: str
    most: float | None = None
    least: float | None = None

    @property
    def text(self) -> str:
        """One line: the value, the aim, whether it was reached."""
        text = f"{self.name}: {self.value:.2f}{self.unit}"
        if self.most is not None:
            text += f"  (aim: at most {self.most:g}{self.unit}, "
            return text + ("reached)" if self.value <= self.most else "MISSED)")
        if self.least is not None:
            text += f"  (aim: at least {self.least:g}{self.unit}, "
            return text + ("reached)" if self.value >= self.least else "MISSED)")
        return text


Benchmark = Callable[[Options], list[Figure]]
"""Measures, prints its tables, and returns its figures."""


def print_table(
    title: str, header: Sequence[str], rows: Sequence[Sequence[str]], notes: Sequence[str] = ()
) -> None:
    """Print a table whose first column is text and whose others are numbers."""
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    print(f"\n{title}")
    for row in [header, ["-" * width for width in widths], *rows]:
        cells = [
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        print("  " + "  ".join(cells).rstrip())
    for note in notes:
        print(f"  {note}")


def print_progress(text: str) -> None:
    """Say what is being measured; a benchmark takes minutes."""
    print(f"  ... {text}", flush=True)


def run_benchmarks(description: str, benchmarks: Sequence[Benchmark]) -> None:
    """Read the command line, run the benchmarks one after another, print their figures."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--repeats", type=int, help="times that each program is measured")
    parser.add_argument("--quick", action="store_true", help="a smoke test of a minute or two")
    arguments = parser.parse_args()
    if arguments.repeats is not None and arguments.repeats < 1:
        parser.error(f"--repeats must be at least 1, got {arguments.repeats}")
    started = time.perf_counter()
    _print_machine()
    figures: list[Figure] = []
    for number, benchmark in enumerate(benchmarks):
        with tempfile.TemporaryDirectory(prefix="autocnn-bench-") as folder:
            work_dir = Path(folder) / str(number)
            work_dir.mkdir()
            figures += benchmark(Options(arguments.repeats, arguments.quick, work_dir))
    print(f"\nFigures, after {time.perf_counter() - started:.0f} s")
    for figure in figures:
        print(f"  {figure.text}")


def _print_machine() -> None:
    machine = Machine.inspect()
    bfloat16 = "with" if machine.has_bfloat16 else "without"
    print(
        f"{machine.cpu}, {machine.num_cpus} processors {bfloat16} bfloat16, "
        f"{machine.memory_gb:.0f} GB, {len(machine.gpus)} GPUs, {machine.platform}"
    )
    print(", ".join(f"{name} {metadata.version(name)}" for name in PACKAGES), flush=True)
