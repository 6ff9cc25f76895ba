"""How soon commands answer and the server of the workers is there: `python -m benchmarks.start`."""

import sys
from collections.abc import Sequence
from pathlib import Path

from autocnn.core.records import CandidateRecord, Interval, Scores, SplitName, SplitScores
from autocnn.execution.local import PRELOAD
from autocnn.reporting.leaderboard import build_leaderboard
from autocnn.storage import StudyFolder
from benchmarks.processes import autocnn_command, run_program
from benchmarks.report import Figure, Options, Samples, print_table, run_benchmarks

REPEATS = 11
SERVER_REPEATS = 5
MOST_FOR_HELP_S = 0.3
MOST_FOR_LEADERBOARD_S = 0.6
NUM_CANDIDATES = 5


def measure(options: Options) -> list[Figure]:
    """Time `--help` and `leaderboard` beside an interpreter that imports click alone."""
    study = write_study(options.work_dir / "results")
    results = str(study.path.parent)
    commands: dict[str, Sequence[str]] = {
        'python -c "import click"': [sys.executable, "-c", "import click"],
        "autocnn --help": autocnn_command("--help"),
        "autocnn leaderboard": autocnn_command("leaderboard", study.name, "--results", results),
    }
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for command in commands.values():
        run_program(command)  # fills the page cache and __pycache__
    for _ in range(options.repeats_or(REPEATS)):
        for name, command in commands.items():
            seconds[name].append(run_program(command).seconds)
    click, help_, leaderboard = (Samples.of(values) for values in seconds.values())
    rows = [
        (name, Samples.of(values).text(3), f"{Samples.of(values).median / click.median:.1f}")
        for name, values in seconds.items()
    ]
    print_table(
        f"START: whole programs in turn, {len(click.values)} times",
        ("program", "seconds", "ratio to click"),
        rows,
    )
    server, keras = measure_server(options)
    return [
        Figure("import of the workers' server over that of Keras", server / keras, " x", most=1.0),
        Figure("start of autocnn --help", help_.median, " s", most=MOST_FOR_HELP_S),
        Figure(
            "start of autocnn leaderboard", leaderboard.median, " s", most=MOST_FOR_LEADERBOARD_S
        ),
    ]


def measure_server(options: Options) -> tuple[float, float]:
    """Seconds to import all that workers need, and to import Keras as it comes."""
    programs = {
        "the server of the workers": "from importlib import import_module\n"
        f"for name in {PRELOAD!r}: import_module(name)",
        "import keras": "import keras",
    }
    seconds: dict[str, list[float]] = {name: [] for name in programs}
    for _ in range(options.repeats_or(SERVER_REPEATS)):
        for name, program in programs.items():
            seconds[name].append(run_program([sys.executable, "-c", program]).seconds)
    rows = [(name, Samples.of(values).text(2)) for name, values in seconds.items()]
    print_table("IMPORTS: whole programs in turn", ("program", "seconds"), rows)
    server, keras = (Samples.of(values).median for values in seconds.values())
    return server, keras


def write_study(results: Path) -> StudyFolder:
    """A small finished study, written with autocnn's own functions."""
    facts = {"schema_version": 1, "name": "made-by-hand", "status": "done"}
    folder = StudyFolder.create(results, "made-by-hand", facts)
    candidates = [_make_candidate(number) for number in range(1, NUM_CANDIDATES + 1)]
    for candidate in candidates:
        folder.candidate_dir(candidate.candidate)
        folder.write_candidate(candidate)
    folder.write_leaderboard(build_leaderboard(candidates).to_csv())
    return folder


def _make_candidate(number: int) -> CandidateRecord:
    def split(name: SplitName) -> SplitScores:
        accuracy = 0.96 - 0.01 * number
        scores = Scores(
            accuracy=accuracy,
            balanced_accuracy=accuracy,
            macro_f1=accuracy,
            macro_auc=0.99,
            log_loss=0.2,
            ece=0.03,
        )
        interval = Interval(value=accuracy, low=accuracy - 0.02, high=accuracy + 0.02)
        return SplitScores(
            split=name, num_images=500, scores=scores, intervals={"accuracy": interval}, classes=()
        )

    return CandidateRecord(
        candidate=number,
        rank=number,
        kind="refit",
        trial=3 * number,
        params={"family": "resnet", "width": 24, "learning_rate": 2e-3, "flip": "horizontal"},
        objective=0.96 - 0.01 * number,
        train=split("train"),
        val=split("val"),
        test=split("test"),
        num_weights=700_000,
        flops=100_000_000,
        latency_ms=2.0,
        size_mb=3.0,
        epochs=20,
        train_seconds=100.0,
        seed=0,
    )


if __name__ == "__main__":
    run_benchmarks(__doc__ or "", [measure])
