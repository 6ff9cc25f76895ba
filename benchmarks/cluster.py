"""Two trials on two nodes of a Ray cluster beside two workers of one machine.

`python -m benchmarks.cluster`. Both nodes are on this machine, with a processor each, so that the
same processors train either way: what is measured is the way of messages and files.
"""

import time
from pathlib import Path

import numpy as np

from autocnn.core.events import Observer
from autocnn.core.objective import Goal
from autocnn.execution.cluster.agent import AgentOptions
from autocnn.execution.cluster.ray_executor import RayExecutor
from autocnn.execution.executor import EndEvent, Executor
from autocnn.execution.local import LocalExecutor
from autocnn.execution.tasks import TRAIN, Images, TrainingTask
from autocnn.spaces.files import load_space
from benchmarks.report import Figure, Options, Samples, print_progress, print_table, run_benchmarks
from tests.cluster import loopback_cluster

SIDE, NUM_IMAGES, NUM_CLASSES, EPOCHS = 32, 2000, 4, 6

WORKERS = 2

MOST_RATIO = 1.15
"""The aim: seconds on two nodes over seconds on one machine."""


def measure(options: Options) -> list[Figure]:
    """Print both; return the figure of the aim."""
    number = options.size(NUM_IMAGES, 200)
    rng = np.random.default_rng(0)
    path = options.work_dir / "images.npy"
    np.save(path, rng.integers(0, 255, (number, SIDE, SIDE, 3), np.uint8))
    images = Images(path, rng.integers(0, NUM_CLASSES, number), NUM_CLASSES)
    seconds: dict[str, list[float]] = {"two workers": [], "two nodes": [], "with a storage": []}
    local = LocalExecutor()
    storage = options.work_dir / "storage"
    with loopback_cluster(WORKERS) as cluster:
        for repeat in range(options.repeats_or(5) + 1):
            for name in seconds:
                print_progress(f"{name}, {repeat}")
                folder = options.work_dir / f"{name}-{repeat}".replace(" ", "-")
                if name == "two workers":
                    found = time_trials(local, images, folder, options)
                else:
                    remote = RayExecutor(
                        cluster.address,
                        folder,
                        Observer(),
                        options=AgentOptions(precision="float32"),
                        storage=storage if name == "with a storage" else None,
                    )
                    remote.begin()
                    found = time_trials(remote, images, folder, options)
                    remote.close()
                if repeat:  # the first warms the caches of all
                    seconds[name].append(found)
    local.close()
    samples = {name: Samples.of(values) for name, values in seconds.items()}
    base = samples["two workers"].median
    print_table(
        f"{WORKERS} trials of {EPOCHS} epochs at once, {number} images of {SIDE} px, a thread each",
        ["where", "s", "ratio"],
        [[name, one.text(1), f"{one.median / base:.2f}"] for name, one in samples.items()],
        ["A first task on each worker, which waits for TensorFlow, is not counted."],
    )
    return [
        Figure(f"{name} over two workers", samples[name].median / base, " x", most=MOST_RATIO)
        for name in ("two nodes", "with a storage")
    ]


def time_trials(executor: Executor, images: Images, folder: Path, options: Options) -> float:
    """Seconds from two tasks to their ends, after two short ones have warmed the processes."""
    run_trials(executor, images, folder / "first", epochs=1)
    began = time.perf_counter()
    run_trials(executor, images, folder / "second", epochs=options.size(EPOCHS, 1))
    return time.perf_counter() - began


def run_trials(executor: Executor, images: Images, folder: Path, *, epochs: int) -> None:
    """Two trials at once, to their ends."""
    rows = np.arange(len(images.labels))
    for key in range(WORKERS):
        place = folder / str(key)
        (place / "checkpoint").mkdir(parents=True)
        task = TrainingTask(
            images=images,
            train_rows=rows[: -len(rows) // 5],
            val_rows=rows[-len(rows) // 5 :],
            params=dict(load_space("default").default),
            epochs=epochs,
            seed=(0, key),
            goal=Goal("accuracy"),
            model_path=place / "model.keras",
            threads=1,
            precision="float32",
            weights="",
            checkpoint_path=place / "checkpoint" / "epoch.npz",
        )
        executor.submit(key, TRAIN, task, log_path=place / "log.txt", timeout_s=None)
    while executor.num_running:
        for event in executor.poll(1.0):
            if not isinstance(event, EndEvent):
                executor.answer(event.key, stop=False)
            elif event.outcome.result is None:
                raise SystemExit(event.outcome.reason)


if __name__ == "__main__":
    run_benchmarks("Two nodes beside two workers.", [measure])
