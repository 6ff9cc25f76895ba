"""What an exported folder says of its model: metadata.json, labels.txt, the card's program."""

import re
from collections.abc import Sequence
from importlib import metadata as packages
from pathlib import Path

from autocnn.core.records import ExportMetadata, Precision
from autocnn.core.wording import point_rule, square
from autocnn.inference.export.formats import Format
from autocnn.inference.metadata import METADATA_FILE
from autocnn.inference.predict.runtimes import sha256_of
from autocnn.inference.predict.study_facts import describe_candidate
from autocnn.reporting.answer import Usage
from autocnn.reporting.programs import Taken, write_program
from autocnn.storage import StudyFolder

LABELS_FILE = "labels.txt"
CARD_FILE = "model_card.md"

_SPECIAL = {"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_ENDS_A_LINE = re.compile(r"[\\\x00-\x1f\x7f\x85\u2028\u2029]")

_FITS = {
    "stretch": "stretches to",
    "pad": "lays on a black square and resizes to",
    "crop": "cuts to their middle square and resizes to",
}

_LOADS = {
    "keras": "It loads with Keras alone.",
    "savedmodel": "It loads with TensorFlow, or with TensorFlow Serving, which wants it in a "
    "folder named after a version: `NAME/1`.",
    "onnx": "It loads with onnxruntime.",
    "litert": "It loads with LiteRT, the new name of TensorFlow Lite.",
}


def label_lines(class_names: Sequence[str]) -> str:
    r"""labels.txt: a class per line, in the order of the probabilities.

    What would end a line, and the backslash, is written as in JSON: `\n`, `\\`, `\u2028`.
    Everything else stands as it is, commas and quotes too.

    >>> label_lines(["a, b", "two\nlines"])
    'a, b\ntwo\\nlines\n'
    """

    def escape(match: re.Match[str]) -> str:
        return _SPECIAL.get(match[0], f"\\u{ord(match[0]):04x}")

    return "".join(f"{_ENDS_A_LINE.sub(escape, name)}\n" for name in class_names)


def describe_export(
    folder: StudyFolder,
    candidate: int,
    chosen: Format,
    precision: Precision,
    *,
    target: str | None = None,
    prevalence: float | None = None,
) -> ExportMetadata:
    """What metadata.json says before the model is written and checked.

    Args:
        folder: The study.
        candidate: That is exported.
        chosen: Format to be written.
        precision: Of the weights.
        target: The operating point at which it decides; None: by the largest probability.
        prevalence: Of the target's class.

    Raises:
        UsageError: When no threshold reaches the target.
        StudyError: When the study has no such candidate, or a record cannot be read.
    """
    facts = describe_candidate(folder, candidate, target=target, prevalence=prevalence)
    taken = facts.input
    if chosen.takes_any_size:
        taken = taken.model_copy(update={"shape": (None, None, None, 3)})
    changes = {
        "format": chosen.name,
        "precision": precision,
        "model": chosen.model,
        "input": taken,
        "versions": {name: packages.version(name) for name in ("autocnn", *chosen.versions_of)},
    }
    return facts.model_copy(update=changes)


def describe_usage(metadata: ExportMetadata) -> Usage:
    """How to use an exported model, for its card."""
    height, width, channels = metadata.input.height, metadata.input.width, metadata.input.shape[3]
    is_fixed = metadata.input.shape[1] is not None
    size = (
        f"{'grey' if channels == 1 else 'RGB'} images of {square(height, width)}"
        if is_fixed
        else f"RGB images of any size, which it {_FITS[metadata.input.fit]} "
        f"{square(height, width)}{' and turns grey' if metadata.input.is_grey else ''} by itself"
    )
    shape = ", ".join("any" if side is None else str(side) for side in metadata.input.shape[1:])
    needs = ""
    if metadata.requires:
        needs = f" First import {', '.join(metadata.requires)}, of its network."
    sentence = (
        f"{_LOADS[metadata.format]}{needs} It takes {size}, as uint8, 0 to 255, in the shape "
        f"(images, {shape}), and gives a probability per class, in the order of {LABELS_FILE}; "
        f"{METADATA_FILE} has the exact names. An image that shows what it was not trained for "
        "gets a class as well."
    )
    if metadata.operating_point is not None:
        sentence += (
            f" It was exported for an operating point, which {METADATA_FILE} has and `autocnn "
            f"predict` follows: {point_rule(metadata.operating_point)}. The program below leaves "
            "it out: it takes the largest probability."
        )
    program = write_program(
        metadata.format,
        metadata.model,
        Taken(
            channels,
            size=(width, height) if is_fixed else None,
            levels=metadata.input.levels,
            fit=metadata.input.fit,
        ),
        classes=f'json.loads(Path("{METADATA_FILE}").read_text("utf-8"))["class_names"]',
        before=[f"import {module}" for module in metadata.requires],
    )
    return Usage(metadata.model, True, sentence, program)


def hash_files(folder: Path) -> dict[str, str]:
    """File, relative to the folder -> SHA-256, for all but metadata.json."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    names = {path: path.relative_to(folder).as_posix() for path in files}
    return {names[path]: sha256_of(path) for path in files if names[path] != METADATA_FILE}
