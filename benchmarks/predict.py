"""`autocnn predict` beside a Keras loop written by hand: `python -m benchmarks.predict`.

Both predict the same generated PNGs with the same network and write a row of CSV per image;
autocnn measures the distance to the training images besides. The programs run in turn, each
in its own process; imports and loading do not count. Then the command itself is watched on a
tenth of the images and on all of them.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from benchmarks.images import write_image_folder
from benchmarks.processes import autocnn_command, module_command, run_program
from benchmarks.report import Figure, Options, Samples, print_progress, print_table, run_benchmarks

FEW, MANY = 2_000, 20_000
SIDE = 32
REPEATS = 5
PROGRAMS = {
    "autocnn": "autocnn",
    "on_batch": "by hand, predict_on_batch",
    "predict": "by hand, Model.predict",
}
NETWORKS = {"tiny": "two stages", "default": "the default network"}
WATCH_EVERY_S = 0.1

LEAST_SPEED = 1.0
MOST_GROWTH = 1.1


@dataclass(frozen=True)
class Places:
    """What was generated.

    Attributes:
        few, many: Folders of images.
        models: Name of the network -> exported folder.
    """

    few: Path
    many: Path
    models: dict[str, Path]


def measure(options: Options) -> list[Figure]:
    """Time the programs for each network, then watch the command's memory."""
    few, many = options.size(FEW, 200), options.size(MANY, 2_000)
    print_progress(f"predict: {many:,} images")
    places = _prepare(options, few, many)
    figures = []
    for network, title in NETWORKS.items():
        times: dict[str, list[float]] = {name: [] for name in PROGRAMS}
        for repeat in range(options.repeats_or(REPEATS)):
            print_progress(f"predict: {title}, round {repeat + 1}")
            for name in PROGRAMS:
                times[name].append(_seconds(name, places.models[network], places.many))
        speeds = {name: Samples.of(many / s for s in values) for name, values in times.items()}
        print_table(
            f"Prediction of {many:,} PNGs of {SIDE} px, {title}",
            ["program", "images/s"],
            [[PROGRAMS[name], speed.text(0)] for name, speed in speeds.items()],
        )
        rounds = zip(*(times[name] for name in PROGRAMS), strict=True)
        ratio = Samples.of(min(by_hand) / ours for ours, *by_hand in rounds)
        figures.append(
            Figure(
                f"predict, {title}: speed beside the faster loop by hand",
                ratio.median,
                " x",
                least=LEAST_SPEED,
            )
        )
    return [*figures, _watch(places)]


def _prepare(options: Options, few: int, many: int) -> Places:
    few_dir, many_dir = (
        write_image_folder(options.work_dir / str(number), {"new": number}, side=SIDE, channels=3)
        for number in (few, many)
    )
    models = {}
    for network in NETWORKS:
        models[network] = options.work_dir / network
        arguments = [str(models[network]), str(SIDE), network, str(few_dir)]
        run_program(module_command("predict_programs", "make", *arguments))
    return Places(few_dir, many_dir, models)


def _seconds(program: str, model: Path, images: Path) -> float:
    arguments = [program, str(model), str(images)]
    seconds: float = json.loads(run_program(module_command("predict_programs", *arguments)).output)
    return seconds


def _watch(places: Places) -> Figure:
    """Peak memory of the command on few images and on many."""
    peaks = []
    for images in (places.few, places.many):
        print_progress(f"predict: memory with the images of {images.name}")
        command = autocnn_command(
            "predict", str(places.models["tiny"]), str(images), "--csv", "--quiet"
        )
        run = run_program(command, watch_every_s=WATCH_EVERY_S)
        peaks.append(max(snapshot.parent.anonymous for snapshot in run.snapshots))
    few, many = peaks
    print_table(
        "Peak memory of autocnn predict, MB",
        ["images", "anonymous"],
        [[places.few.name, f"{few:.0f}"], [places.many.name, f"{many:.0f}"]],
    )
    return Figure(
        "predict: peak memory with ten times the images", many / few, " x", most=MOST_GROWTH
    )


if __name__ == "__main__":
    run_benchmarks(__doc__ or "", [measure])
