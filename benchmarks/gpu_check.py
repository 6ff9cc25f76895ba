"""Whether a GPU works, and what it gains: `make gpu-check`, under 5 minutes.

For each device, in a process of its own: the default network is trained for some epochs (images a
second; on the GPU its weights must stand there, and its utilisation, where nvidia-smi can sample
it, must not be 0), and predicts fixed images with fixed weights in float32, which must agree with
the processor's. Then a tiny study runs as a user would run it, and must end with its leaderboard on
the GPU. The exit code is 0 where all holds, 1 where something does not, and 2 where TensorFlow sees
no GPU: the reason is said.
"""

import contextlib
import json
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np

from autocnn.core.events import Warnings
from autocnn.core.records import ParamValue
from autocnn.execution.gpus import inspect_machine
from autocnn.execution.machine import Machine
from benchmarks.commands import BenchmarkCommand
from benchmarks.processes import ROOT, autocnn_command, module_command, quiet_environment

NUM_IMAGES, SIDE, EPOCHS, BATCH = 2048, 64, 3, 64
GPU_EPOCHS = 40
"""Some seconds of a fast GPU: nvidia-smi would miss the use of one that is over sooner."""

MOST_APART = 1e-3
"""Of a probability, between two devices: sums of float32 in another order, and TF32."""

MOST_S = 280.0
"""For all of it together."""

NO_GPU = 2


@click.command(cls=BenchmarkCommand)
@click.option("--device", "devices", multiple=True, type=click.Choice(["cpu", "gpu"]))
@click.option("--part", type=click.Choice(["train"]), hidden=True)
@click.option("--to", type=click.Path(path_type=Path), hidden=True)
def main(devices: Sequence[str], part: str | None, to: Path | None) -> None:
    """Check the devices, both by default."""
    if part is not None and to is not None:
        train_and_predict(to)
        return
    asked = devices or ("cpu", "gpu")
    until = time.monotonic() + MOST_S
    told = Warnings()
    machine = inspect_machine(told)
    for warning in told.said:
        click.echo(f"Warning: {warning}")
    click.echo(f"GPUs: {', '.join(map(str, machine.gpus)) or 'none'}")
    if "gpu" in asked and not machine.gpus:
        click.echo("TensorFlow sees no GPU here: nothing was checked.")
        sys.exit(NO_GPU)
    with tempfile.TemporaryDirectory(prefix="autocnn-gpu-") as place:
        found = {device: run_part(device, Path(place), until=until) for device in asked}
        problems = list(compare(found, Path(place)))
        device = "gpu" if "gpu" in asked else "cpu"
        problems += run_study(Path(place), device, machine, until=until)
    for problem in problems:
        click.echo(f"PROBLEM: {problem}")
    click.echo("All holds." if not problems else "")
    sys.exit(1 if problems else 0)


def train_and_predict(to: Path) -> None:
    """In a process of its own: train for the speed, predict for the parity."""
    import keras

    from autocnn.spaces.knobs import Settings
    from autocnn.training.networks import build_model
    from autocnn.training.networks.batches import steps_of, training_batches
    from autocnn.training.networks.compiling import compile_model
    from autocnn.training.networks.stored_images import images_on_gpu

    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (NUM_IMAGES, SIDE, SIDE, 3), dtype=np.uint8)
    labels, rows = np.arange(NUM_IMAGES) % 4, np.arange(NUM_IMAGES)
    keras.utils.set_random_seed(0)
    params: dict[str, ParamValue] = {"batch_size": BATCH, "flip": "horizontal", "rotation": 10.0}
    model = build_model(params, (SIDE, SIDE, 3), 4)
    np.save(to, model.predict(images[:256], verbose=0))
    steps = steps_of(rows, BATCH)
    place = model.trainable_weights[0].value.device
    is_on_gpu = re.search(r"GPU:\d+$", place) is not None
    epochs = GPU_EPOCHS if is_on_gpu else EPOCHS
    compile_model(model, params, steps_per_epoch=steps, epochs=epochs)
    seconds: list[float] = []
    start = time.perf_counter()

    def note(epoch: int, logs: object) -> None:
        nonlocal start
        seconds.append(time.perf_counter() - start)
        start = time.perf_counter()

    with images_on_gpu(images, rows) as stored:  # as a trial trains
        batches = training_batches(
            images,
            labels,
            rows,
            Settings(params),
            num_classes=4,
            batch_size=BATCH,
            epochs=epochs,
            done=0,
            seed=(0,),
            model=model,
            stored=stored,
        )
        model.fit(
            batches,
            epochs=epochs,
            steps_per_epoch=steps,
            callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=note)],
            shuffle=False,
            verbose=0,
        )
    click.echo(json.dumps({"rate": steps * BATCH / min(seconds[1:]), "is_on_gpu": is_on_gpu}))


def run_part(device: str, place: Path, *, until: float) -> dict[str, Any]:
    """Train and predict on a device; its rate and utilisation, or why not."""
    command = module_command("gpu_check", "--part", "train", "--to", str(place / f"{device}.npy"))
    with sampled_utilisation(device) as samples:
        result = run(command, device, ROOT, until=until)
    if isinstance(result, str):
        return {"problem": result}
    if result.returncode:
        said = "".join(result.stderr.strip().splitlines()[-1:])
        return {"problem": f"it ended with exit code {result.returncode}: {said}"}
    found: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    found["utilisation"] = max(samples, default=None)
    used = f", {_utilisation(samples)}" if device == "gpu" else ""
    click.echo(f"{device}: {found['rate']:,.0f} images a second of {SIDE} px{used}")
    return found


def run(
    command: Sequence[str], device: str, place: Path, *, until: float
) -> "subprocess.CompletedProcess[str] | str":
    """A program that sees one device; why not, where the time for all of it is over."""
    hidden = {"CUDA_VISIBLE_DEVICES": "-1"} if device == "cpu" else {}
    try:
        return subprocess.run(
            command,
            cwd=place,
            env=quiet_environment(hidden),
            capture_output=True,
            text=True,
            timeout=max(0.0, until - time.monotonic()),
        )
    except subprocess.TimeoutExpired:
        return f"it was not over when the {MOST_S:.0f} s for all were"


@contextlib.contextmanager
def sampled_utilisation(device: str) -> Iterator[list[float]]:
    """Percent of the time that the GPU computes, sampled; nothing where nobody can say."""
    samples: list[float] = []
    is_over = threading.Event()

    def sample() -> None:
        while not is_over.wait(0.5):
            with contextlib.suppress(OSError, ValueError, subprocess.SubprocessError):
                said = subprocess.run(
                    ["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits"],
                    capture_output=True,
                    text=True,
                    check=True,
                )
                samples.append(max(float(line) for line in said.stdout.split()))

    thread = threading.Thread(target=sample, daemon=True)
    if device == "gpu":
        thread.start()
    try:
        yield samples
    finally:
        is_over.set()


def _utilisation(samples: Sequence[float]) -> str:
    return f"utilisation up to {max(samples):.0f} %" if samples else "utilisation not measured"


def compare(found: dict[str, dict[str, Any]], place: Path) -> Iterator[str]:
    """What is wrong with the devices, or between them."""
    for device, one in found.items():
        if "problem" in one:
            yield f"{device}: {one['problem']}"
        elif device == "gpu" and not one["is_on_gpu"]:
            yield "gpu: its network stood on the processor"
        elif device == "gpu" and one["utilisation"] == 0.0:
            yield "gpu: it was not used while the network was trained"
    if len(found) < 2 or any("problem" in one for one in found.values()):
        return
    cpu, gpu = (np.load(place / f"{device}.npy") for device in ("cpu", "gpu"))
    apart = float(np.abs(cpu - gpu).max())
    click.echo(f"parity: probabilities differ by at most {apart:.1e} (limit {MOST_APART:g})")
    click.echo(f"speed: the GPU trains {found['gpu']['rate'] / found['cpu']['rate']:.1f} x as fast")
    if apart > MOST_APART:
        yield f"the GPU's probabilities differ by {apart:.1e} from the processor's"


def run_study(place: Path, device: str, machine: Machine, *, until: float) -> list[str]:
    """A tiny study as a user runs it; what is wrong with it."""
    command = autocnn_command(
        *("search", "digits", "--space", "quick", "--trials", "2", "--epochs", "2", "--quiet"),
        *("--name", "check", "--results", str(place)),
    )
    start = time.perf_counter()
    with sampled_utilisation(device) as samples:
        result = run(command, device, place, until=until)
    if isinstance(result, str):
        return [f"the study: {result}"]
    seconds = time.perf_counter() - start
    if result.returncode:
        return [f"the study ended with exit code {result.returncode}: {result.stderr[-300:]}"]
    facts = json.loads((place / "check" / "study.json").read_text("utf-8"))
    resources = facts["resources"]
    used = f", {_utilisation(samples)}" if device == "gpu" else ""
    click.echo(
        f"study: {seconds:.0f} s, {resources['workers']} trials at once in "
        f"{resources['precision']}, on {resources.get('devices') or 'the processors'}{used}"
    )
    if not (place / "check" / "leaderboard.csv").exists():
        return ["the study has no leaderboard"]
    if device == "gpu" and len(resources.get("devices") or ()) != len(machine.gpus):
        return ["the study was not planned for all GPUs"]
    if device == "gpu" and max(samples, default=None) == 0.0:
        return ["the study's trials did not use the GPUs"]
    return []


if __name__ == "__main__":
    main()
