"""The default configuration without any search: all minutes go into refits with other seeds.

Their average answers; the last ones have a shorter schedule, where at least half of it fits. What a
search adds is what it scores above this, but in log loss: this average has no temperature.
"""

from itertools import count
from pathlib import Path

import numpy as np

from autocnn.core.events import Observer
from autocnn.core.objective import Goal
from autocnn.execution.executor import EndEvent, EpochEvent
from autocnn.execution.gpus import inspect_machine
from autocnn.execution.local import LocalExecutor
from autocnn.execution.machine import share_machine
from autocnn.execution.tasks import TRAIN, Images, TrainingTask
from autocnn.spaces.files import load_space
from benchmarks.rivals import SPLITS, Answer, Assignment, run_program

FEWEST_SHARE = 0.5
"""Of the epochs of a refit, those with which one is worth its time."""

SLACK = 0.95
"""Of the time left, what a refit may seem to need: one that is late is lost."""


def search(assignment: Assignment) -> Answer:
    """As many refits on train + val as there is time for, as many at once as autocnn has."""

    def fitting() -> int:
        """Epochs that a refit has time for; 0 where that is less than half of them."""
        share = min(1.0, SLACK * assignment.left_s / longest_s) if longest_s else 1.0
        return int(share * space.epochs) if share >= FEWEST_SHARE else 0

    folder, space = Path(assignment.folder), load_space(assignment.space)
    params = dict(space.start[0])
    splits = assignment.read_images(int(params.get("image_size", 96)))
    labels = np.concatenate([splits[split][1].argmax(axis=1) for split in SPLITS])
    np.save(folder / "images.npy", np.concatenate([splits[split][0] for split in SPLITS]))
    images = Images(folder / "images.npy", labels, splits["train"][1].shape[1])
    seen = np.arange(len(labels) - len(splits["test"][1]))
    resources = share_machine(
        inspect_machine(Observer()), trials=None, workers=None, threads=None, precision="auto"
    )
    executor = LocalExecutor(devices=resources.devices)
    numbers, models = count(), []
    longest_s = 0.0
    try:
        while True:
            while executor.num_running < resources.workers and (epochs := fitting()):
                number = next(numbers)
                task = TrainingTask(
                    images=images,
                    train_rows=seen,
                    val_rows=seen[:0],
                    params=params,
                    epochs=epochs,
                    seed=(assignment.seed, number),
                    goal=Goal("balanced_accuracy"),
                    model_path=folder / f"{number}.keras",
                    threads=resources.threads,
                    precision=resources.precision,
                    weights="imagenet",
                    checkpoint_path=folder / str(number) / "epoch.npz",
                )
                executor.submit(
                    number, TRAIN, task, log_path=folder / f"{number}.txt", timeout_s=None
                )
            if not executor.num_running or assignment.left_s <= 0:
                break
            for event in executor.poll(min(1.0, max(0.0, assignment.left_s))):
                if isinstance(event, EpochEvent):
                    executor.answer(event.key, stop=False)
                elif isinstance(event, EndEvent) and event.outcome.result is not None:
                    models.append(folder / f"{event.key}.keras")
                    longest_s = max(longest_s, event.outcome.seconds)
    finally:
        executor.close()
    if not models:
        raise SystemExit("not one refit fits into the time")
    import keras

    loaded = [keras.models.load_model(path) for path in models]
    found = {
        split: np.mean([model.predict(splits[split][0], verbose=0) for model in loaded], axis=0)
        for split in SPLITS
    }
    return Answer(found, 1)


if __name__ == "__main__":
    run_program(search)
