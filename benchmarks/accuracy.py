"""What minutes of search are worth: the same images and minutes for autocnn and for others.

    python -m benchmarks.accuracy run OUT --data digits --data brain --minutes 10 --seeds 3
    python -m benchmarks.accuracy table OUT
    python -m benchmarks.accuracy brief results/yardstick

A part is one program on one data set with one seed. Parts run one after another, in turn over the
programs, so that a machine that becomes slower does so for all; each leaves a JSON file in OUT, and
one that is there is not run again. The table has means over seeds with 95 % intervals.

Every program gets the same train, val and test: as given where no copy or group crosses them, else
the split that `autocnn audit --split-out` would write. Nothing is chosen on test.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from itertools import product
from pathlib import Path
from typing import Any

import click
import numpy as np

from autocnn.core.config import StudyConfig
from autocnn.core.events import Observer
from autocnn.core.wording import METRICS, count
from autocnn.data import prepare_data, read_source
from autocnn.data.arrays import LARGEST_SIDE, choose_image_size
from autocnn.data.correction import correct_split
from autocnn.execution.machine import Machine
from autocnn.metrics.calibration import apply_temperature, fit_temperature
from autocnn.metrics.scores import score
from benchmarks.commands import BenchmarkGroup
from benchmarks.rivals import SPLITS, Assignment

ARMS: dict[str, tuple[str, ...]] = {
    "autocnn": ("autocnn_search",),
    "default": ("default_refits",),
    "kt-random": ("keras_tuner_tutorial", "random"),
    "kt-hyperband": ("keras_tuner_tutorial", "hyperband"),
    "kt-bayesian": ("keras_tuner_tutorial", "bayesian"),
    "optuna": ("optuna_by_hand",),
}
"""Name -> module of `rivals` and what it is told besides."""

MEASURES = ("accuracy", "balanced_accuracy", "log_loss", "macro_auc")

BRIEF = ("accuracy", "macro_auc")
"""Of them, those of the short table: only autocnn's log losses are those of a temperature."""

DETAILED_SIDE = 128
"""Side in px at which images are handed out that are larger than autocnn's default side."""

GRACE_S = 600.0
"""Seconds beyond its minutes after which a program is ended."""


@click.group(cls=BenchmarkGroup)
def cli() -> None:
    """Accuracy for the same minutes: autocnn beside its alternatives."""


@cli.command()
@click.argument("out", type=click.Path(file_okay=False, path_type=Path))
@click.option("--data", "sources", multiple=True, required=True, help="DATA, as for a search.")
@click.option("--space", default="default", show_default=True, help="autocnn's space for all DATA.")
@click.option("--arm", "arms", multiple=True, type=click.Choice(list(ARMS)), help="Default: all.")
@click.option("--minutes", type=click.FloatRange(min=0.1), default=10.0, show_default=True)
@click.option("--seeds", type=click.IntRange(min=1), default=3, show_default=True)
def run(
    out: Path, sources: Sequence[str], space: str, arms: Sequence[str], minutes: float, seeds: int
) -> None:
    """Run all parts that OUT does not hold yet."""
    out.mkdir(parents=True, exist_ok=True)
    parts = list(product(range(seeds), sources, arms or ARMS))
    for number, (seed, source, arm) in enumerate(parts, start=1):
        name = Path(source).stem or source
        path = out / f"{name}-{minutes:g}m-{arm}-{seed}.json"
        if path.exists():
            continue
        click.echo(f"{number} of {len(parts)}: {arm} on {name}, seed {seed}, {minutes:g} minutes")
        data = out / f"{name}.npz"
        if not data.exists():
            write_data(source, data)
        found = run_part(arm, data, space=space, minutes=minutes, seed=seed)
        facts = {"data": name, "arm": arm, "minutes": minutes, "seed": seed, "space": space}
        facts |= {"autocnn": version("autocnn"), "machine": Machine.inspect().to_json()}
        path.write_text(json.dumps(facts | found, indent=1), "utf-8")
        click.echo(f"  {found.get('error') or found['test']}")


@cli.command()
@click.argument("out", type=click.Path(exists=True, file_okay=False, path_type=Path))
def table(out: Path) -> None:
    """Print what OUT holds as a Markdown table."""
    for line in table_lines(read_parts(out)):
        click.echo(line)


@cli.command()
@click.argument("out", type=click.Path(exists=True, file_okay=False, path_type=Path))
def brief(out: Path) -> None:
    """Print accuracy and macro AUC of what OUT holds, as README.md shows them."""
    for line in brief_lines(read_parts(out)):
        click.echo(line)


def read_parts(out: Path) -> list[dict[str, Any]]:
    """What `run` has left in a folder."""
    parts = [json.loads(path.read_text("utf-8")) for path in sorted(out.glob("*.json"))]
    if not parts:
        raise click.UsageError(f"{out} must hold what `run` leaves, got no part.")
    return parts


def write_data(source: str, path: Path) -> None:
    """One .npz of the three splits, without copies or groups across them.

    Args:
        source: DATA, as for `autocnn search`.
        path: The file.
    """
    side = choose_image_size(read_source(source, observer=Observer()))
    config = StudyConfig(
        data=source, image_size=DETAILED_SIDE if side == LARGEST_SIDE else side, max_unreadable=0.1
    )
    dataset = prepare_data(config, image_sizes=(), observer=Observer())
    corrected = correct_split(
        dataset,
        val_fraction=config.val_fraction,
        test_fraction=config.test_fraction,
        seed=config.seed,
    )
    row_of = dict(zip(dataset.table.paths, dataset.rows.tolist(), strict=True))
    rows = np.array([row_of[path] for path in corrected.table.paths])
    names = np.array(corrected.split.names)
    pixels = dataset.images().open()
    arrays = {}
    for split in SPLITS:
        images = pixels[rows[names == split]]
        arrays[f"{split}_images"] = images[..., 0] if images.shape[-1] == 1 else images
        arrays[f"{split}_labels"] = corrected.table.labels[names == split]
    np.savez_compressed(path, allow_pickle=False, **arrays)


def run_part(arm: str, data: Path, *, space: str, minutes: float, seed: int) -> dict[str, Any]:
    """One program's scores, or the error that it ended with."""
    module, *more = ARMS[arm]
    with tempfile.TemporaryDirectory(prefix="autocnn-accuracy-") as folder:
        assignment = Assignment(str(data.resolve()), minutes, seed, space, folder)
        command = [sys.executable, "-m", f"benchmarks.rivals.{module}", str(assignment.write())]
        started = time.monotonic()
        try:
            done = subprocess.run(
                [*command, *more],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=60 * minutes + GRACE_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return {"error": f"ended {GRACE_S:.0f} s after its minutes"}
        found: dict[str, Any] = {"seconds": round(time.monotonic() - started, 1)}
        if not assignment.answer_path.exists():
            lines = done.stdout.strip().splitlines()
            return found | {"error": lines[-1] if lines else f"exit code {done.returncode}"}
        with np.load(data) as truth, np.load(assignment.answer_path) as answer:
            for split in SPLITS:
                scores = score(truth[f"{split}_labels"], answer[split])
                found[split] = {name: getattr(scores, name) for name in MEASURES}
            # What log loss would be if every program calibrated: by the best temperature there is.
            labels, answers = truth["test_labels"], answer["test"]
            calibrated = apply_temperature(answers, fit_temperature(labels, answers))
            found["test"]["log_loss_at_best_temperature"] = score(labels, calibrated).log_loss
            if "out_of_fold" in answer:
                scores = score(answer["held_labels"], answer["out_of_fold"])
                found["folds"] = {name: getattr(scores, name) for name in MEASURES}
            found["num_trials"] = int(answer["num_trials"])
            found["candidates"] = json.loads(str(answer["candidates"]))
    return found


def table_lines(parts: Sequence[dict[str, Any]]) -> Iterator[str]:
    """A Markdown table: a row per data set, minutes and program."""
    names = [METRICS[name] for name in MEASURES]
    header = ["data", "minutes", "seconds", "program", "seeds", "trials"]
    header += [f"test {name}" for name in names]
    header += ["folds accuracy", "train - val"]
    yield f"| {' | '.join(header)} |"
    yield "|---" * len(header) + "|"
    rows: dict[tuple[str, float, str], list[dict[str, Any]]] = defaultdict(list)
    for part in parts:
        if "error" not in part:
            rows[part["data"], part["minutes"], part["arm"]].append(part)
    order = list(ARMS)
    for key in sorted(rows, key=lambda k: (k[0], k[1], order.index(k[2]))):
        data, minutes, arm = key
        found = rows[key]
        seconds = f"{np.median([part['seconds'] for part in found]):.0f}"
        cells = [data, f"{minutes:g}", seconds, arm, str(len(found))]
        cells.append(f"{np.median([part['num_trials'] for part in found]):g}")
        cells += [with_interval([part["test"][name] for part in found]) for name in MEASURES]
        folds = [part["folds"]["accuracy"] for part in found if "folds" in part]
        cells.append(with_interval(folds) if folds else "")
        gaps = [part["train"]["accuracy"] - part["val"]["accuracy"] for part in found]
        yield f"| {' | '.join([*cells, with_interval(gaps)])} |"
    failed = [
        f"{part['arm']} on {part['data']}, {part['minutes']:g} minutes, seed {part['seed']} "
        f"({part['error']})"
        for part in parts
        if "error" in part
    ]
    if failed:
        yield ""
        yield f"Without an answer: {'; '.join(failed)}."
    machines = Counter(name_machine(part["machine"]) for part in parts if "machine" in part)
    if machines:
        noted = [f"{name} ({count(number, 'part')})" for name, number in machines.items()]
        missing = len(parts) - machines.total()
        noted += [f"not noted ({count(missing, 'part')})"] if missing else []
        yield ""
        yield f"Minutes are those of: {'; '.join(noted)}."


def name_machine(machine: dict[str, Any]) -> str:
    """What tells how much its minutes hold.

    >>> name_machine({"cpu": "AMD EPYC", "num_cpus": 2, "has_bfloat16": False})
    'AMD EPYC, 2 processors without bfloat16'
    """
    kind = "with" if machine["has_bfloat16"] else "without"
    return f"{machine['cpu']}, {count(machine['num_cpus'], 'processor')} {kind} bfloat16"


def brief_lines(parts: Sequence[dict[str, Any]]) -> Iterator[str]:
    """A Markdown table: a row per minutes and program, a column per data set."""
    found: dict[tuple[float, str], dict[str, list[dict[str, Any]]]] = defaultdict(dict)
    for part in parts:
        if "error" not in part:
            found[part["minutes"], part["arm"]].setdefault(part["data"], []).append(part["test"])
    names = sorted({name for row in found.values() for name in row})
    yield f"| test {' / '.join(METRICS[name] for name in BRIEF)} | {' | '.join(names)} |"
    yield "|---" * (1 + len(names)) + "|"
    order = list(ARMS)
    for minutes, arm in sorted(found, key=lambda key: (key[0], order.index(key[1]))):
        cells = [f"{arm}, {minutes:g} minutes"]
        for name in names:
            scores = found[minutes, arm].get(name, [])
            pair = [with_interval([one[m] for one in scores]) for m in BRIEF if scores]
            cells.append(" / ".join(pair))
        yield f"| {' | '.join(cells)} |"


def with_interval(values: Sequence[float]) -> str:
    """`0.912 ± 0.006`: the mean over seeds and half its 95 % interval (Student's t).

    >>> with_interval([0.9, 0.92, 0.91])
    '0.910 ± 0.025'
    """
    mean = float(np.mean(values))
    if len(values) < 2:
        return f"{mean:.3f}"
    from scipy.special import stdtrit

    half = stdtrit(len(values) - 1, 0.975) * np.std(values, ddof=1) / len(values) ** 0.5
    return f"{mean:.3f} ± {half:.3f}"


if __name__ == "__main__":
    cli()
