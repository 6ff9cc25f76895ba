"""From a study to an exported folder that was checked, whole or not at all."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import psutil

from autocnn.core.atomic import sync_folder, writing_error
from autocnn.core.errors import ExportError, Text, UsageError
from autocnn.core.events import Observer
from autocnn.core.own_model import OwnModel
from autocnn.core.paths import is_by_file_manager
from autocnn.core.records import ExportMetadata
from autocnn.inference.export.description import (
    CARD_FILE,
    LABELS_FILE,
    describe_export,
    describe_usage,
    hash_files,
    label_lines,
)
from autocnn.inference.export.formats import check_packages, find_format
from autocnn.inference.export.model_file import write_model
from autocnn.inference.metadata import METADATA_FILE, read_metadata, write_metadata
from autocnn.inference.predict.study_facts import find_needed_own_model, find_record
from autocnn.reporting.model_card import build_model_card
from autocnn.storage import StudyFolder
from autocnn.storage.status import StudyStatus


def export_model(
    folder: StudyFolder,
    format: str,  # noqa: A002 - what `--format` is
    *,
    precision: str = "float32",
    candidate: int = 1,
    to: Path | None = None,
    force: bool = False,
    trust_code: bool = False,
    target: str | None = None,
    prevalence: float | None = None,
    observer: Observer | None = None,
) -> Path:
    """Write a candidate's model in another format, check it in a fresh process, describe it.

    Args:
        folder: The study.
        format: keras, savedmodel, onnx or litert.
        precision: float32; int8 with litert.
        candidate: Its number; 1 is the best.
        to: Folder to make; None: `exports/<format>` in the study.
        force: Whether an export that stands there is replaced.
        trust_code: Whether the code of somebody's own model, which the study keeps, may run.
        target: The operating point at which it decides, kept in metadata.json; None: by the largest
            probability.
        prevalence: Of the target's class.
        observer: Hears of each step.

    Returns:
        The folder: model file, labels.txt, metadata.json, model_card.md, and for keras
        familiarity.npz where the study has it.

    Raises:
        UsageError: When there is no such format, the place is taken, no threshold reaches the
            target, or the model needs code that is not trusted.
        MissingExtraError: When an optional package is not installed.
        ExportError: When the study has no finished model, or the export is not the same.
        StudyError: When the study has no such candidate or cannot be read, or the folder cannot
            be written.
        DiskFullError: When the disk is full; nothing is left of the export.
    """
    observer = observer or Observer()
    chosen, checked_precision = find_format(format, precision)
    check_packages(chosen)
    status = folder.read_status()
    _check_candidate(folder, candidate)
    place = to if to is not None else folder.export_dir(chosen.name, checked_precision)
    _check_target(place, force=force)
    metadata = describe_export(
        folder, candidate, chosen, checked_precision, target=target, prevalence=prevalence
    )
    own_model = find_needed_own_model(folder, candidate, trust_code=trust_code)
    try:
        with _partial_folder(place.resolve()) as partial:
            _fill(folder, status, metadata, own_model, partial, observer)
            _put_in_place(partial, place.resolve())
    except OSError as error:
        raise writing_error(error, place, setting="to") from error
    return place


def _fill(
    folder: StudyFolder,
    status: StudyStatus,
    metadata: ExportMetadata,
    own_model: OwnModel | None,
    target: Path,
    observer: Observer,
) -> None:
    """Write all files of an export into an empty folder."""
    metadata = write_model(folder, status, metadata, own_model, target, observer)
    usage = describe_usage(metadata)
    card = build_model_card(folder, candidate=metadata.candidate, usage=usage)
    labels = label_lines(metadata.class_names).encode("utf-8", "surrogateescape")
    (target / LABELS_FILE).write_bytes(labels)
    (target / CARD_FILE).write_text(card, "utf-8")
    metadata = metadata.model_copy(update={"sha256": hash_files(target)})
    write_metadata(metadata, target)


def _check_candidate(folder: StudyFolder, candidate: int) -> None:
    """Refuse a study without a finished model, and a candidate that is none of it."""
    has_ended = folder.leaderboard_path.exists()  # else they are of an earlier end of the study
    if not has_ended or not folder.read_candidates():
        raise ExportError(
            f"{folder.path}: must have a finished model, got a study without candidates.",
            remedy=f"Let it finish: `{folder.resume_command()}`.",
        )
    find_record(folder, candidate)
    if not folder.has_model(candidate):
        raise ExportError(
            f"{folder.candidate_model_path(candidate)}: must be there, got no such file.",
            remedy=Text("Put it back, or export another {candidate}."),
        )


def _check_target(target: Path, *, force: bool) -> None:
    """Refuse to take the place of anything; with force, of anything but an export."""
    if not os.path.lexists(target) or _is_empty_folder(target):
        return
    other = _other_than_export(target)
    if other:
        raise UsageError(
            f"{target}: an export must be a new folder, got {other}.",
            remedy=Text("Choose another folder with {to}."),
        )
    if not force:
        raise UsageError(
            f"{target}: an export must be a new folder, got an export.",
            remedy=Text("Replace it with {force:True}, or choose another folder with {to}."),
        )


def _other_than_export(target: Path) -> str:
    """What is there that no export put there; empty for an export alone."""
    if target.is_symlink():
        return "a link"
    if not target.is_dir():
        return "a file"
    try:
        known = {METADATA_FILE, *read_metadata(target).sha256}
    except ExportError:
        return "a folder of other files"
    files = (path for path in target.rglob("*") if path.is_file())
    names = {
        path.relative_to(target).as_posix() for path in files if not is_by_file_manager(path.name)
    }
    others = sorted(names - known)
    return f"an export with {others[0]!r} beside it" if others else ""


def _is_empty_folder(path: Path) -> bool:
    if not path.is_dir() or path.is_symlink():
        return False
    return all(is_by_file_manager(one.name) for one in path.iterdir())


@contextlib.contextmanager
def _partial_folder(target: Path) -> Iterator[Path]:
    """A folder beside the target, gone at the end; those of processes that died go first."""
    target.parent.mkdir(parents=True, exist_ok=True)
    for stale in target.parent.glob(f".{target.name}.partial-*"):
        owner = stale.name.rpartition("-")[2]
        if owner.isdecimal() and not psutil.pid_exists(int(owner)):
            shutil.rmtree(stale, ignore_errors=True)
    partial = target.with_name(f".{target.name}.partial-{os.getpid()}")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    try:
        yield partial
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _put_in_place(partial: Path, target: Path) -> None:
    """Let the target be the new folder: what stood there is put aside, then deleted."""
    for path in [*partial.rglob("*"), partial]:
        if path.is_dir():
            sync_folder(path)
        else:
            with path.open("rb+") as file:  # Windows syncs no file that is open for reading
                os.fsync(file.fileno())
    before = target.with_name(f"{partial.name}-old")
    if target.exists():
        target.rename(before)
    partial.rename(target)
    shutil.rmtree(before, ignore_errors=True)
