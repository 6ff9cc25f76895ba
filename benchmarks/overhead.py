"""What a trial costs beside its training: `python -m benchmarks.overhead`.

The same tiny network is trained for one epoch, again and again: by `autocnn search`, where
each trial has its own process; in a bare Keras loop; and by KerasTuner's RandomSearch,
both in one process. The programs run in turn. From the times at which trials end come the
cost of one more trial (the slope over all but the first ones) and the fixed cost.
"""

import csv
import json
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from benchmarks.images import write_image_folder
from benchmarks.processes import ProgramRun, Snapshot, autocnn_command, module_command, run_program
from benchmarks.report import Figure, Options, Samples, print_progress, print_table, run_benchmarks
from benchmarks.spaces import TINY, write_point

REPEATS = 1
"""A slope is over 18 trials; --repeats shows how steady it is."""
TRIALS = 20
WARM_TRIALS = 2
"""The slope begins at the end of that many trials."""

MOST_EXTRA_S = 1.0
SIDE = 28
COUNTS = {"train": 640, "val": 160, "test": 160}
WATCH_EVERY_S = 1.0
"""Each look costs the watched machine some 20 ms."""

_names = count()


@dataclass(frozen=True)
class TimedSearch:
    """One run of a program that trains trials.

    Attributes:
        total_s: The whole program.
        slope_s: Wall time per trial, after the first ones.
        after_s: From the end of the last trial to the end of the program.
        first_mb: Peak memory of the largest process when the first trial has ended.
        last_mb: The same at the last trial.
        parent_mb: Memory of the process that the user started, at the last trial.
        all_mb: Largest memory of all processes together while trials run, pages counted
            once.
    """

    total_s: float
    slope_s: float
    after_s: float
    first_mb: float
    last_mb: float
    parent_mb: float
    all_mb: float

    def fixed_s(self, trials: int) -> float:
        """What the program costs without its trials."""
        return self.total_s - trials * self.slope_s


def measure(options: Options) -> list[Figure]:
    """Run the three programs in turn, and compare time per trial and memory."""
    trials = options.size(TRIALS, 4)
    images = write_image_folder(options.work_dir / "images", COUNTS, side=SIDE, channels=1)
    space = write_point(options.work_dir / "tiny.yaml", TINY)
    runs: dict[str, list[TimedSearch]] = {}
    for repeat in range(options.repeats_or(REPEATS)):
        print_progress(f"overhead: {trials} trials by each program, repeat {repeat + 1}")
        for name, run in (
            ("autocnn search", _run_autocnn(options.work_dir, images, space, trials, ())),
            (
                "the same, --workers 1",
                _run_autocnn(options.work_dir, images, space, trials, ("--workers", "1")),
            ),
            ("bare Keras loop", _run_loop("bare_keras", images, trials)),
            ("KerasTuner RandomSearch", _run_loop("keras_tuner_search", images, trials)),
        ):
            runs.setdefault(name, []).append(run)
    return _report(runs, trials)


def _report(runs: dict[str, list[TimedSearch]], trials: int) -> list[Figure]:
    bare_runs = runs["bare Keras loop"]
    bare = Samples.of(run.slope_s for run in bare_runs)
    bare_total = Samples.of(run.total_s for run in bare_runs)
    time_rows, memory_rows = [], []
    for name, of_program in runs.items():
        total = Samples.of(run.total_s for run in of_program)
        slope = Samples.of(run.slope_s for run in of_program)
        time_rows.append(
            (
                name,
                total.text(1),
                Samples.of(run.fixed_s(trials) for run in of_program).text(1),
                Samples.of(run.after_s for run in of_program).text(1),
                slope.text(2),
                f"{slope.median - bare.median:+.2f}",
                f"{(total.median - bare_total.median) / trials:+.2f}",
            )
        )
        memory_rows.append(
            (
                name,
                Samples.of(run.first_mb for run in of_program).text(0),
                Samples.of(run.last_mb for run in of_program).text(0),
                Samples.of(run.parent_mb for run in of_program).text(0),
                Samples.of(run.all_mb for run in of_program).text(0),
            )
        )
    print_table(
        f"OVERHEAD: {trials} trials of one epoch, {COUNTS['train']} images of {SIDE} px, seconds",
        (
            "program",
            "whole program",
            "fixed",
            "of it, at the end",
            "per further trial",
            "extra per trial",
            "extra, all counted",
        ),
        time_rows,
        (
            "Fixed: imports, reading, and in autocnn the finalists, their figures and pictures.",
            "Extra: beyond the bare loop; all counted: (whole program - bare) / trials.",
        ),
    )
    print_table(
        "OVERHEAD: memory in MB while the trials run",
        (
            "program",
            "largest process, trial 1",
            f"trial {trials}",
            "started process",
            "all processes",
        ),
        memory_rows,
        (
            "Largest process: peak resident memory up to then, shared pages and files included.",
            "All processes: each page counted once (Pss), their peak.",
        ),
    )

    def slope_of(name: str) -> float:
        return Samples.of(run.slope_s for run in runs[name]).median

    def last_of(name: str) -> float:
        return Samples.of(run.last_mb for run in runs[name]).median

    tuner = "KerasTuner RandomSearch"
    return [
        Figure(
            "extra time per trial beyond a bare Keras loop",
            slope_of("autocnn search") - bare.median,
            " s",
            most=MOST_EXTRA_S,
        ),
        Figure(
            "the same with one worker at a time",
            slope_of("the same, --workers 1") - bare.median,
            " s",
            most=MOST_EXTRA_S,
        ),
        Figure(
            "time per trial, autocnn / KerasTuner",
            slope_of("autocnn search") / slope_of(tuner),
            " x",
            most=1.0,
        ),
        Figure(
            f"largest process at trial {trials}, autocnn / KerasTuner",
            last_of("autocnn search") / last_of(tuner),
            " x",
            most=1.0,
        ),
    ]


def _run_autocnn(
    work_dir: Path, images: Path, space: Path, trials: int, more: tuple[str, ...]
) -> TimedSearch:
    """One study: time by the trials' records, memory as they recorded it and by watching."""
    name = f"overhead-{next(_names)}"
    results = work_dir / "results"
    command = autocnn_command(
        "search",
        str(images),
        "--space",
        str(space),
        "--name",
        name,
        "--epochs",
        "1",
        "--trials",
        str(trials),
        "--finalists",
        "1",
        "--pruner",
        "none",
        "--quiet",
        "--results",
        str(results),
        "--cache-dir",
        str(work_dir / "cache"),
        *more,
    )
    run = run_program(command, watch_every_s=WATCH_EVERY_S)
    study = results / name
    ends = trial_ends(study)
    with (study / "trials.csv").open(newline="") as file:
        peaks = {int(row["trial"]): float(row["peak_memory_mb"]) for row in csv.DictReader(file)}
    before_last = [s for s in run.snapshots if s.time <= ends[-1]]
    return _timed(
        run,
        ends,
        first_mb=peaks[0],
        last_mb=peaks[trials - 1],
        parent_mb=before_last[-1].parent.rss,
        snapshots=before_last,
    )


def _run_loop(module: str, images: Path, trials: int) -> TimedSearch:
    """One loop in one process, which prints when each trial ends."""
    command = module_command(module, str(images), json.dumps(TINY), str(trials))
    run = run_program(command, watch_every_s=WATCH_EVERY_S)
    lines = [json.loads(line) for line in run.output.splitlines() if line.startswith('{"ended"')]
    assert len(lines) == trials, run.output
    ends = [line["ended"] for line in lines]
    rss = [line["rss"] for line in lines]
    snapshots = [s for s in run.snapshots if s.time <= ends[-1]]
    return _timed(
        run, ends, first_mb=rss[0], last_mb=max(rss), parent_mb=rss[-1], snapshots=snapshots
    )


def trial_ends(study: Path) -> list[float]:
    """When the record of each trial was written, ascending."""
    return sorted(path.stat().st_mtime for path in (study / "trials").glob("*/trial.json"))


def _timed(
    run: ProgramRun,
    ends: list[float],
    *,
    first_mb: float,
    last_mb: float,
    parent_mb: float,
    snapshots: list[Snapshot],
) -> TimedSearch:
    return TimedSearch(
        total_s=run.seconds,
        slope_s=(ends[-1] - ends[WARM_TRIALS - 1]) / (len(ends) - WARM_TRIALS),
        after_s=run.started + run.seconds - ends[-1],
        first_mb=first_mb,
        last_mb=last_mb,
        parent_mb=parent_mb,
        all_mb=max(snapshot.total_pss for snapshot in snapshots),
    )


if __name__ == "__main__":
    run_benchmarks(__doc__ or "", [measure])
