"""A new study that begins with the trials of another one, as far as they are still valid."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from autocnn.core.config import IMAGENET, StudyConfig
from autocnn.core.events import Observer
from autocnn.core.records import Params, TrialRecord
from autocnn.core.wording import count, metric_name
from autocnn.spaces.knobs import PRETRAINED_FAMILIES, image_size_of
from autocnn.spaces.space import SearchSpace
from autocnn.storage import StudyFolder
from autocnn.study.changes import data_changes

_CHANNELS = {1: "grey", 3: "RGB"}


def adopt_trials(
    config: StudyConfig,
    space: SearchSpace,
    data_fingerprint: str,
    rows: Sequence[Sequence[str]],
    folder: StudyFolder,
    observer: Observer,
    *,
    image_shape: tuple[int, ...],
    levels: tuple[float, float] | None,
    epochs: int,
    model_files: Mapping[str, str] | None = None,
    objective_files: Mapping[str, str] | None = None,
) -> int:
    """Copy the trials of `config.fork` whose scores and params still hold.

    A score holds while images, their size and channels, split, objective, epochs and a model of
    the user's own are the same, and of a pretrained network its first weights; params hold when
    they are a point of the space.

    Args:
        config: Of the new study.
        space: Of the new study.
        data_fingerprint: Of its data.
        rows: Its rows of split.csv.
        folder: Its folder, without trials.
        observer: Hears what was taken over, and why the rest was not.
        image_shape: Height, width and channels of its images at the default size.
        levels: Values that become 0 and 255 in its images of more than 8 bits; None: it has none.
        epochs: Most epochs of its trials.
        model_files: Of a model of the user's own in the new study: path -> SHA-256.
        objective_files: The same of an objective.

    Returns:
        Number of trials that were taken over; they are numbered anew, in their order.

    Raises:
        StudyError: When the other study cannot be read.
    """
    source = StudyFolder(Path(config.fork or ""))
    status = source.read_status()
    ended = [r for r in source.read_trials() if r.state.is_scored]
    reason = ""
    if status.data is None or status.data.fingerprint != data_fingerprint:
        changes = data_changes(source.read_split(), rows) or ["The images are read differently."]
        reason = f"their scores were measured on other images: {' '.join(changes)}"
    elif status.config.objective != config.objective:
        reason = f"they kept the weights that are best in {status.config.objective}."
    elif status.objective_files != objective_files:
        reason = f"{metric_name(config.objective)} is another function now."
    elif (status.model_files, _function(status.config)) != (model_files, _function(config)):
        reason = "their networks are those of another model."
    elif status.data.image_shape[2:] != image_shape[2:]:
        before, now = (_CHANNELS[shape[2]] for shape in (status.data.image_shape, image_shape))
        reason = f"their images are read as {before}, those of the new study as {now}."
    elif status.data.levels != levels:
        before, now = (_levels(one) for one in (status.data.levels, levels))
        reason = f"black and white of their images are {before}, of the new study's {now}."
    elif status.config.fit != config.fit:
        reason = f"their images were made square by {status.config.fit}, not by {config.fit}."
    elif status.epochs != epochs:
        reason = f"their schedules span {status.epochs} epochs, those of the new study {epochs}."
    of_all = f"of {count(len(ended), 'ended trial')} of {source.name}"
    if reason:
        observer.warn(f"Took over none {of_all}: {reason}")
        return 0
    taken: list[TrialRecord] = []
    problems: list[str] = []
    before, now = (_weights(one) for one in (status.config, config))
    for record in ended:
        problem = space.problems_of(record.params)
        old_side = status.data.image_shape[0] if status.data is not None else None
        if image_size_of(record.params) is None and old_side != image_shape[0]:
            problem = [f"its images have {old_side} px, not {image_shape[0]} px"]
        if before != now and config.model is None and _is_pretrained(record.params):
            problem = [f"its network began with the weights {before}, not with {now}"]
        if record.parent is not None:
            problem = [f"it began with the weights of trial {record.parent}"]
        if problem:
            problems.append(f"trial {record.trial}: {problem[0]}")
            continue
        number = len(taken)
        taken.append(
            record.model_copy(
                update={"trial": number, "num_ended_before": number, "end_order": number}
            )
        )
        folder.adopt_trial(source, record.trial, taken[-1])
    observer.note(f"Took over {len(taken):,} {of_all}.")
    if problems:
        observer.note(
            f"The others do not fit: {'; '.join(problems[:3])}"
            + (" ..." if len(problems) > 3 else ".")
        )
    return len(taken)


def _levels(levels: tuple[float, float] | None) -> str:
    return "as they are" if levels is None else f"{levels[0]:g} and {levels[1]:g}"


def _weights(config: StudyConfig) -> str:
    """Pretrained weights as a reader knows them."""
    return str(config.weights) if config.weights else IMAGENET


def _is_pretrained(params: Params) -> bool:
    return params.get("family") in PRETRAINED_FAMILIES


def _function(config: StudyConfig) -> str:
    """Name of the function that builds the networks; empty for autocnn's."""
    return (config.model or "").rpartition(":")[2]
