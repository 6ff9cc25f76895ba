"""Writes a model whole or not at all."""

from pathlib import Path

import keras

from autocnn.core.atomic import replacing, writing_error


def save_model(model: keras.Model, path: Path) -> None:
    """Save a model under a temporary name, then rename it.

    Args:
        model: With or without an optimiser; it loads as it is.
        path: A `.keras` file.

    Raises:
        DiskFullError: When the disk is full; the old file stands.
        StudyError: When the folder cannot be written.
    """
    temporary = path.with_name(f".{path.name}.keras")
    try:
        model.save(temporary)
        with replacing(path) as file:
            file.write(temporary.read_bytes())
    except OSError as error:
        raise writing_error(error, path) from error
    finally:
        temporary.unlink(missing_ok=True)
