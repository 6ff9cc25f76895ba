"""Whether an exported model gives what the study's model gives, found out by a fresh process.

    python -m autocnn.inference.export.check FOLDER IMAGES.npy OUT.npy

loads FOLDER with its format's own runtime and writes the probabilities; a .keras is loaded by
a program that could not import autocnn if it wanted to.
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from autocnn.core.errors import ExportError, Text
from autocnn.core.records import ExportFormat, ExportMetadata, Parity, Precision
from autocnn.inference.metadata import read_metadata

LARGEST_DIFFERENCE = 1e-4
"""Of any probability, between a float export and the study's model."""

LEAST_AGREEMENT = 0.98
"""Share of images that an int8 export must give the same class."""

TIMEOUT_S = 1800.0

KERAS_PROGRAM = """
import sys
sys.modules["autocnn"] = None  # importing it is an error from here on
folder, images, out, *required = sys.argv[1:]
for module in required:
    __import__(module)
import keras, numpy
model = keras.saving.load_model(folder + "/model.keras")
numpy.save(out, model.predict(numpy.load(images), verbose=0))
print("keras", keras.__version__)
"""


def predict_apart(
    folder: Path,
    metadata: ExportMetadata,
    images_path: Path,
    out_path: Path,
    *,
    module_dir: Path | None = None,
) -> tuple[str, NDArray[np.float32]]:
    """What an exported model predicts in a fresh process.

    Args:
        folder: The export, with its metadata.json.
        metadata: What that says.
        images_path: A .npy of uint8 images as the file takes them.
        out_path: Where the process puts the probabilities.
        module_dir: Where the modules that it requires are imported from.

    Returns:
        Name and version of what ran it, and probabilities (n, classes).

    Raises:
        ExportError: When the process fails.
    """
    arguments = [str(folder), str(images_path), str(out_path)]
    if metadata.format == "keras":
        command = [sys.executable, "-c", KERAS_PROGRAM, *arguments, *metadata.requires]
    else:
        command = [sys.executable, "-m", "autocnn.inference.export.check", *arguments]
    environment = {**os.environ, "KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}
    if module_dir is not None:
        paths = [str(module_dir), os.environ.get("PYTHONPATH", "")]
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=TIMEOUT_S,
            env=environment,
        )
    except subprocess.TimeoutExpired as error:
        raise ExportError(
            f"{metadata.model}: must load and predict in a fresh process, got no "
            f"answer in {TIMEOUT_S:.0f} s."
        ) from error
    if done.returncode != 0 or not out_path.exists():
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise ExportError(
            f"{metadata.model}: must load and predict in a fresh process, got: {last[:300]}"
        )
    return done.stdout.strip().splitlines()[-1], np.load(out_path)


def compare(
    reference: NDArray[np.floating],
    probabilities: NDArray[np.floating],
    *,
    runtime: str,
    precision: Precision,
    images: Literal["val", "drawn"] = "val",
) -> Parity:
    """How an export's probabilities differ from those of the study's model.

    Args:
        reference: (n, classes) by the study's model; n at least 1.
        probabilities: The same images by the export.
        runtime: That ran it.
        precision: Of the export.
        images: What was compared.

    Raises:
        ExportError: When the shapes differ.

    >>> found = compare(np.eye(2), np.array([[0.9, 0.1], [0.6, 0.4]]), runtime="x 1",
    ...                 precision="int8")
    >>> round(found.largest_difference, 6), found.agreement, found.tolerance
    (0.6, 0.5, 0.98)
    """
    if reference.shape != probabilities.shape:
        raise ExportError(
            f"{runtime}: must give probabilities of shape {reference.shape}, "
            f"got {probabilities.shape}."
        )
    same = reference.argmax(axis=1) == probabilities.argmax(axis=1)
    return Parity(
        runtime=runtime,
        num_images=len(reference),
        images=images,
        largest_difference=float(np.abs(reference - probabilities).max()),
        agreement=float(same.mean()),
        tolerance=LARGEST_DIFFERENCE if precision == "float32" else LEAST_AGREEMENT,
    )


def check_parity(parity: Parity, name: ExportFormat, precision: Precision) -> None:
    """Refuse an export that is not the study's model.

    Raises:
        ExportError: When it is beyond the tolerance, or gives no numbers.
    """
    where = f"{parity.runtime}, {parity.num_images:,} {parity.images} images"
    if precision == "float32" and not parity.largest_difference <= parity.tolerance:
        raise ExportError(
            f"{name}: probabilities must differ from the study's model by at most "
            f"{parity.tolerance:g}, got {parity.largest_difference:.2g} ({where}).",
            remedy=Text("Nothing was written. Choose another {format}, and please report this."),
        )
    if precision == "int8" and not parity.agreement >= parity.tolerance:
        raise ExportError(
            f"{name} in int8: at least {parity.tolerance:.0%} of the images must get the class "
            f"that the study's model gives them, got {parity.agreement:.1%} ({where}).",
            remedy=Text("Nothing was written. This model needs float: leave {precision} out."),
        )


def main(arguments: Sequence[str]) -> None:
    """The fresh process: predict, save, name the runtime on stdout."""
    from autocnn.inference.predict.runtimes import open_runtime

    folder, images_path, out_path = map(Path, arguments)
    metadata = read_metadata(folder)
    runtime = open_runtime(metadata, folder, threads=os.cpu_count() or 1)
    np.save(out_path, runtime.predict(np.load(images_path)).probabilities)
    sys.stdout.write(f"{runtime.name}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
