"""The folder that an assessment leaves: every table beside its picture, or nothing at all."""

import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from matplotlib.figure import Figure

from autocnn.core.atomic import replacing, writing_error
from autocnn.core.csv_tables import Cell, to_csv
from autocnn.core.errors import Text, UsageError
from autocnn.core.paths import is_by_file_manager, to_path
from autocnn.core.records import Assessment, PrCurve, RocCurve
from autocnn.core.wording import fraction
from autocnn.inference.evaluate.assess import Assessed
from autocnn.inference.evaluate.reference import Reference
from autocnn.metrics.curves import pr_curves, roc_curves
from autocnn.reporting.plots import draw_confusion_matrix, draw_pr, draw_reliability_bins, draw_roc
from autocnn.reporting.plots.score_values import (
    Table,
    class_scores_table,
    confusion_table,
    pr_table,
    reliability_table,
    roc_table,
)
from autocnn.reporting.plots.style import save_png
from autocnn.reporting.subgroups import subgroup_table

PICTURES = ("confusion_matrix", "roc", "pr", "reliability")

TABLES = ("predictions", *PICTURES, "classes")

FILES = frozenset(
    ("metrics.json", *(f"{name}.csv" for name in TABLES), *(f"{name}.png" for name in PICTURES))
)
"""All that such a folder holds, but what only some have."""

SOMETIMES = frozenset(("subgroups.csv",))
"""With --by."""


def default_target(reference: Reference, data: str) -> Path:
    """The folder for an assessment that is given none, in the current one.

    >>> default_target(Reference("mine", 1, ("a", "b")), "/data/new images.csv")
    PosixPath('evaluation-mine-new-images')
    >>> default_target(Reference("../../mine", 2, ("a", "b")), "digits")
    PosixPath('evaluation-mine-2-digits')
    """
    number = "" if reference.candidate == 1 else f"-{reference.candidate}"
    # An export may say anything of its study: it must not lead out of this folder.
    study, stem = _plain(reference.study), _plain(to_path(data).resolve().stem)
    return Path(f"evaluation-{study or 'study'}{number}-{stem or 'data'}")


def _plain(name: str) -> str:
    """A part of a file name: letters, digits, `_`, `.` and `-`."""
    return re.sub(r"[^\w.-]+", "-", name).strip("-.")[:60]


def check_target(target: Path, *, data: str | None = None, model: str | None = None) -> None:
    """Refuse a folder in which something would be lost; call it before the work.

    Args:
        target: Folder to write: new, empty, or of an earlier assessment, which is replaced.
        data: What is to be scored, where nobody named the folder: then the earlier assessment must
            be of the same.
        model: What is to score it, likewise.

    Raises:
        UsageError: When it is none of these.
        StudyError: When it cannot be written.
    """
    place = target.resolve()
    parent = next(path for path in (*place.parents, place) if path.exists())
    try:
        with tempfile.TemporaryDirectory(dir=parent, prefix=f".{place.name}."):
            pass
    except OSError as error:
        raise writing_error(error, target, setting="to") from error
    if not place.exists():
        return
    if not place.is_dir():
        raise UsageError(Text("{to} {0}: must be a folder, got a file.", target))
    names, earlier = (path.name for path in place.iterdir()), _read_assessment(place)
    found = {name for name in names if not is_by_file_manager(name)}
    others = sorted(found if earlier is None else found - FILES - SOMETIMES)
    if others:
        raise UsageError(
            Text(
                "{to} {0}: must be a new folder, or one of an earlier evaluation, got one that "
                "holds {1!r}.",
                target,
                others[0],
            ),
            remedy=Text("Choose another {to}."),
        )
    if earlier is None:
        return
    for kind, wanted, there in (("data", data, earlier.data), ("model", model, earlier.model)):
        if wanted is not None and not _is_same(there, wanted):
            raise UsageError(
                Text(
                    "{0}: must be of the same {1}, got an evaluation of {2}.", target, kind, there
                ),
                remedy=Text("Choose another folder with {to}."),
            )


def _read_assessment(folder: Path) -> Assessment | None:
    """The assessment that was written there; others have a metrics.json too."""
    try:
        return Assessment.model_validate_json((folder / "metrics.json").read_bytes())
    except (OSError, ValueError):
        return None


def _is_same(data: str, other: str) -> bool:
    return to_path(data).resolve() == to_path(other).resolve()


def write_assessment(assessed: Assessed, target: Path) -> Path:
    """Write metrics.json, the tables and the pictures, all of them or none.

    Args:
        assessed: From `assess`.
        target: The folder; see `check_target`.

    Returns:
        `target`.

    Raises:
        UsageError: When something else is in it.
        DiskFullError: When the disk is full; an earlier assessment stands.
        StudyError: When it cannot be written.
    """
    check_target(target)
    place = target.resolve()
    partial_dir = None
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        partial_dir = Path(tempfile.mkdtemp(dir=place.parent, prefix=f".{place.name}."))
        _write_files(assessed, partial_dir)
        partial_dir.chmod(0o755)
        if place.exists():
            shutil.rmtree(place)
        partial_dir.rename(place)
    except OSError as error:
        raise writing_error(error, target, setting="to") from error
    finally:
        if partial_dir is not None:
            shutil.rmtree(partial_dir, ignore_errors=True)
    return target


def _write_files(assessed: Assessed, folder: Path) -> None:
    record = assessed.record
    names = record.confusion.labels
    rocs = roc_curves(assessed.labels, assessed.probabilities, names)
    prs = pr_curves(assessed.labels, assessed.probabilities, names)
    for name, (columns, rows) in _tables(assessed, rocs, prs).items():
        with replacing(folder / f"{name}.csv", setting="to") as file:
            file.write(to_csv(columns, rows).encode("utf-8", "surrogateescape"))
    for name, figure in _pictures(record, rocs, prs):
        with replacing(folder / f"{name}.png", setting="to") as file:
            save_png(figure, file)
    with replacing(folder / "metrics.json", setting="to") as file:
        file.write(record.model_dump_json(indent=1).encode("utf-8", "surrogateescape"))


def _tables(
    assessed: Assessed, rocs: tuple[RocCurve, ...], prs: tuple[PrCurve, ...]
) -> dict[str, Table]:
    record = assessed.record
    scored = [record.scores] if record.unseen is None else [record.scores, record.unseen]
    subgroups = {"subgroups": subgroup_table(record.subgroups)} if record.subgroups else {}
    return {
        "predictions": prediction_table(assessed),
        "confusion_matrix": confusion_table(record.confusion),
        "roc": roc_table(rocs),
        "pr": pr_table(prs),
        "reliability": reliability_table(record.bins),
        "classes": class_scores_table(scored),
        **subgroups,
    }


def prediction_table(assessed: Assessed) -> Table:
    """A row per image, unreadable ones last, with the reason and without a prediction."""
    shares = [f"p.{name}" for name in assessed.record.confusion.labels]
    columns = ["path", "label", "predicted", "unlike", "seen", "error", *shares]
    return columns, _prediction_rows(assessed)


def _prediction_rows(assessed: Assessed) -> Iterator[list[Cell]]:
    names = assessed.record.confusion.labels
    for index, path in enumerate(assessed.paths):
        values = assessed.probabilities[index]
        yield [
            path,
            names[assessed.labels[index]],
            names[int(values.argmax())],
            None if assessed.is_unlike is None else bool(assessed.is_unlike[index]),
            None if assessed.is_seen is None else bool(assessed.is_seen[index]),
            None,
            *(round(value, 6) for value in values.tolist()),
        ]
    for image in assessed.record.unreadable:
        yield [image.path, None, None, None, None, image.reason, *(None for _ in names)]


def _pictures(
    record: Assessment, rocs: tuple[RocCurve, ...], prs: tuple[PrCurve, ...]
) -> Iterator[tuple[str, Figure]]:
    where = f"{record.study}, candidate {record.candidate}, on {describe_images(record)}"
    yield (
        "confusion_matrix",
        draw_confusion_matrix(record.confusion, title=f"Confusion matrix: {where}"),
    )
    yield "roc", draw_roc(rocs, title=f"ROC, one class against the rest: {where}")
    yield "pr", draw_pr(prs, title=f"Precision and recall: {where}")
    yield (
        "reliability",
        draw_reliability_bins(
            record.bins, title=f"Reliability: {where}", words=_describe_reliability(record)
        ),
    )


def describe_images(record: Assessment) -> str:
    """`1,311 test images of brain`."""
    data = Path(record.data).name or record.data
    kind = "test images" if record.split == "test" else "images"
    return f"{record.scores.num_images:,} {kind} of {data}"


def _describe_reliability(record: Assessment) -> str:
    scores = record.scores.scores
    lines = (
        "calibration error (ECE)",
        fraction(scores.ece),
        "",
        "log loss (nats)",
        fraction(scores.log_loss),
    )
    return "\n".join(lines)
