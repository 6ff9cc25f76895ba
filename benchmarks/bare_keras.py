"""A loop that trains one network after another, with nothing around it.

    python -m benchmarks.bare_keras IMAGE_FOLDER PARAMS_JSON TRIALS

Prints a JSON line per trial: the time of its end, and the memory of this process then.
"""

import json
import os
import sys
import time
from pathlib import Path

import keras

from autocnn.training.networks import build_model
from benchmarks.images import read_split
from benchmarks.processes import read_memory


def main(folder: Path, params: dict[str, int | str], trials: int) -> None:
    """Read the images, then train `trials` times for one epoch."""
    x_train, y_train = read_split(folder, "train")
    x_val, y_val = read_split(folder, "val")
    height, width, channels = x_train.shape[1:]
    for _ in range(trials):
        keras.utils.clear_session()
        model = build_model(params, (height, width, channels), y_train.shape[1], weights=None)
        model.compile(
            optimizer=keras.optimizers.AdamW(2e-3),
            loss="categorical_crossentropy",
            metrics=["accuracy"],
        )
        model.fit(
            x_train,
            y_train,
            validation_data=(x_val, y_val),
            epochs=1,
            batch_size=int(params["batch_size"]),
            verbose=0,
        )
        ended = {"ended": time.time(), "rss": read_memory(os.getpid()).rss}
        print(json.dumps(ended), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), json.loads(sys.argv[2]), int(sys.argv[3]))
