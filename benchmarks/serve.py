"""`autocnn serve` under load: `python -m benchmarks.serve`.

1, 8 and 64 clients, each of which asks again as soon as it is answered, send PNGs of one study's
kind. Beside them, the same images through the same model by hand: decoded and predicted one
at a time, and by `predict_on_batch` of 64. Every answer is compared with what the model says of
that image alone: nothing may be lost or mixed up. Requests a second, and the time that 99 of 100
answers stay below.
"""

import http.client
import io
import json
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

import autocnn
from benchmarks.report import Figure, Options, Samples, print_progress, print_table, run_benchmarks

CLIENTS = (1, 8, 64)
SIDE = 64
NUM_IMAGES = 64
SECONDS = 5.0
REPEATS = 3
LEAST_SHARE = 0.5
"""Of the speed of batches by hand, with 64 clients."""


def measure(options: Options) -> list[Figure]:
    """Load the service of a small study."""
    study = _make_study(options.work_dir)
    images = _draw(NUM_IMAGES)
    model = autocnn.load(study)
    expected = model.predict(images).probabilities
    by_hand = Samples.of(_by_hand(model, images, 64) for _ in range(options.repeats_or(REPEATS)))
    alone = Samples.of(_by_hand(model, images, 1) for _ in range(options.repeats_or(REPEATS)))
    rows = [
        ["by hand, one at a time", alone.text(0), "", ""],
        ["by hand, batches of 64", by_hand.text(0), "", ""],
    ]
    figures = []
    with autocnn.serve(study, port=0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        for clients in CLIENTS:
            print_progress(f"serve: {clients} clients")
            rounds = [
                _load(server.port, images, expected, clients)
                for _ in range(options.repeats_or(REPEATS))
            ]
            speed = Samples.of(len(times) / SECONDS for times, _ in rounds)
            slowest = Samples.of(1000 * float(np.quantile(times, 0.99)) for times, _ in rounds)
            wrong = sum(number for _, number in rounds)
            rows.append([f"serve, {clients} clients", speed.text(0), slowest.text(1), str(wrong)])
            figures.append(Figure(f"serve, {clients} clients: wrong answers", wrong, "", most=0))
        server.close()
        thread.join()
    share = speed.median / by_hand.median
    figures.append(
        Figure("serve, 64 clients: speed beside batches by hand", share, " x", least=LEAST_SHARE)
    )
    print_table(
        f"PNGs of {SIDE} px, the quick space's first network",
        ["program", "images/s", "99 % below, ms", "wrong"],
        rows,
    )
    return figures


def _make_study(work_dir: Path) -> Path:
    found = autocnn.search(
        "digits", trials=1, epochs=1, folds=0, space="quick", results=work_dir, verbose=False
    )
    return found.path


def _draw(number: int) -> list[bytes]:
    rng = np.random.default_rng(0)
    files = []
    for _ in range(number):
        small = rng.integers(0, 256, (8, 8), np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(small).resize((SIDE, SIDE)).save(buffer, "PNG")
        files.append(buffer.getvalue())
    return files


def _by_hand(model: "autocnn.api.Model", images: Sequence[bytes], batch: int) -> float:
    """Images a second."""
    side = model.metadata.input.height
    network = model.runtime.network
    start, done = time.perf_counter(), 0
    while time.perf_counter() - start < SECONDS / 2:
        for first in range(0, len(images), batch):
            pixels = np.stack(
                [
                    np.asarray(Image.open(io.BytesIO(one)).convert("L").resize((side, side)))
                    for one in images[first : first + batch]
                ]
            )[..., None]
            network.predict_on_batch(pixels)
            done += len(pixels)
    return done / (time.perf_counter() - start)


def _load(
    port: int, images: Sequence[bytes], expected: np.ndarray, clients: int
) -> tuple[list[float], int]:
    """Seconds of every answer, and how many were not what the model says."""
    end = time.perf_counter() + SECONDS

    def ask(client: int) -> tuple[list[float], int]:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        times, wrong, place = [], 0, client
        while time.perf_counter() < end:
            place = (place + 7) % len(images)
            start = time.perf_counter()
            connection.request("POST", "/predict", images[place])
            found = json.loads(connection.getresponse().read())
            times.append(time.perf_counter() - start)
            shares = list(found["probabilities"].values())
            wrong += not np.allclose(shares, expected[place], atol=1e-4)
        connection.close()
        return times, wrong

    with ThreadPoolExecutor(clients) as pool:
        found = list(pool.map(ask, range(clients)))
    return [one for times, _ in found for one in times], sum(wrong for _, wrong in found)


if __name__ == "__main__":
    run_benchmarks(__doc__ or "", [measure])
