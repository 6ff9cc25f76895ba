"""Before the first trial: data, weights, what is there from before."""

from dataclasses import dataclass

from autocnn.core.errors import ConfigError, StudyChangedError, StudyError
from autocnn.core.objective import Goal
from autocnn.core.own_model import OwnModel
from autocnn.core.records import SPLITS, AuditReport, TrialRecord
from autocnn.core.wording import count, metric_name, rough_duration
from autocnn.data import Dataset, prepare_data
from autocnn.data.thumbnails import picture_data
from autocnn.execution.tasks import FIND_WEIGHTS, WeightsResult, WeightsTask
from autocnn.selection.folds import fold_columns, folds_of
from autocnn.selection.plan import Fold, cut_folds
from autocnn.spaces.files import load_space
from autocnn.spaces.knobs import image_size_of
from autocnn.spaces.space import SearchSpace
from autocnn.storage.status import DataFacts, StudyStatus, installed_versions, timestamp
from autocnn.study.adopt import adopt_trials
from autocnn.study.changes import data_changes, machine_changes, version_changes
from autocnn.study.context import Context, Progress, StatusChanges
from autocnn.study.own_model import check_own_model, find_own_model
from autocnn.study.own_objective import find_goal


@dataclass(frozen=True)
class Prepared:
    """What there is before the first trial of a context.

    Attributes:
        dataset: The images.
        space: What is searched, held to the image size and the backbones that there are.
        own_model: Of networks of the user's own; None: autocnn's.
        goal: What the search improves, ready to be measured.
        folds: On which finalists are compared.
        trials: Of earlier sessions; open ones with the epochs of their checkpoints.
        num_trials: Of the study in all: those that were asked for, or that have begun; None: as
            many as there is time for.
    """

    dataset: Dataset
    space: SearchSpace
    own_model: OwnModel | None
    goal: Goal
    folds: tuple[Fold, ...]
    trials: tuple[TrialRecord, ...]
    num_trials: int | None


def prepare(
    context: Context, progress: Progress, space: SearchSpace, *, is_more: bool = False
) -> Prepared:
    """Data, weights, trials so far: everything that can be wrong before a trial starts.

    Args:
        context: Of the context.
        progress: Of the study; afterwards it says that the study is prepared.
        space: The space as it is now.
        is_more: Whether more was asked for, after which the best may be others.

    Raises:
        DataError: When the data cannot be used.
        StudyChangedError: When data or space are others than they were.
    """
    config, folder, observer = context.config, context.folder, context.observer
    if config.image_size is not None:
        space = space.narrow("image_size", [config.image_size])
    own_model = find_own_model(context, progress.status.model_files)
    dataset = prepare_data(
        config,
        image_sizes=_image_sizes(space),
        observer=observer,
        audits=_audits(context, progress.status),
        # What a study left out stays out, whatever becomes of the file that said so.
        dropped=folder.read_dropped() if progress.status.is_prepared else None,
    )
    goal = find_goal(context, progress.status.objective_files, dataset.class_names)
    files = dict(goal.function.files) if goal.function else None
    _check_groups(context, progress.status, dataset)
    folds = _folds(context, progress.status, dataset)
    if len(folds) < config.folds * config.fold_repeats:
        observer.warn(
            f"The finalists are compared on {len(folds) or 'no'} folds: a class has too "
            f"few different images for {config.folds}."
        )
    if own_model is None and space.has_pretrained:
        space = _find_weights(context, space, dataset)
    if progress.status.is_prepared:
        _check_drift(context, progress.status, space, dataset, own_model)
    else:
        if own_model is not None:
            own_model = check_own_model(context, own_model, space, dataset)
        _begin(context, progress.status.epochs, space, dataset, folds, own_model, files)
    trials, sentences = folder.recover_trials()
    for sentence in sentences:
        observer.warn(sentence)
    ended = {trial.trial for trial in trials if not trial.is_open}
    # It never shrinks below what has begun.
    num_trials = config.num_trials
    if num_trials is not None:
        num_trials = max(num_trials, 1 + max((t.trial for t in trials), default=-1))
    now: StatusChanges = {
        "config": config.model_copy(update={"trials": num_trials}),
        "resources": context.resources.to_json(),
        "data": DataFacts(
            fingerprint=dataset.fingerprint,
            class_names=dataset.class_names,
            image_shape=dataset.images().image_shape,
            split={s: len(dataset.indices(s)) for s in SPLITS},
            levels=dataset.images().levels,
            absent=dataset.absent,
            array_levels=dataset.table.array_levels,
        ),
        "space_fingerprint": space.fingerprint,
        "model_files": dict(own_model.files) if own_model else None,
        "objective_files": files,
    }
    if is_more:  # not before all is ready: a finished study would lose that it is
        now["status"] = "searching"
    # The record of one may be torn.
    if is_more or not {chosen.trial for chosen in progress.status.finalists or ()} <= ended:
        now["finalists"] = None
    if progress.status.is_prepared:
        now["resumed"] = (*progress.status.resumed, timestamp())
    else:
        now |= {"versions": installed_versions(), "machine": context.machine.to_json()}
    progress.update(**now)
    prepared = Prepared(dataset, space, own_model, goal, folds, tuple(trials), num_trials)
    _say_plan(context, progress.status, prepared)
    return prepared


def _begin(
    context: Context,
    epochs: int,
    space: SearchSpace,
    dataset: Dataset,
    folds: tuple[Fold, ...],
    own_model: OwnModel | None,
    objective_files: dict[str, str] | None,
) -> None:
    """Keep what a new study goes on with, and the trials that it takes over from another one."""
    config, folder = context.config, context.folder
    rows = dataset.table_rows()
    folder.write_space(space)
    folder.write_split(rows, fold_columns(dataset, folds), dataset.table.others)
    if config.drop_labels is not None:
        folder.write_dropped(dataset.dropped)
    report, pictures = picture_data(dataset, samples=config.samples, seed=config.seed)
    folder.write_audit(report.model_dump_json(indent=1), pictures)
    if config.fork is not None:
        adopt_trials(
            config,
            space,
            dataset.fingerprint,
            rows,
            folder,
            context.observer,
            image_shape=dataset.images().image_shape,
            levels=dataset.images().levels,
            epochs=epochs,
            model_files=own_model.files if own_model is not None else None,
            objective_files=objective_files,
        )


def _audits(context: Context, status: StudyStatus) -> dict[str, AuditReport]:
    """The audit of an earlier session, if it can be read, by the fingerprint of its images."""
    try:
        report = context.folder.read_audit() if status.is_prepared else None
    except StudyError:
        report = None
    if report is None or status.data is None:
        return {}
    return {status.data.fingerprint: report}


def _folds(context: Context, status: StudyStatus, dataset: Dataset) -> tuple[Fold, ...]:
    """The folds that split.csv holds; those of a new study, or of an older one, are cut."""
    config, folder = context.config, context.folder
    is_same = status.data is not None and status.data.fingerprint == dataset.fingerprint
    columns = folder.read_folds() if is_same else []
    if not columns:
        return cut_folds(dataset, config.folds, repeats=config.fold_repeats, seed=config.seed)
    try:
        return folds_of(dataset, columns)
    except ValueError as error:
        raise StudyChangedError(
            f"{folder.split_path}: must hold the folds of train as they were written, got {error}.",
            remedy="Put the file back: the models of the folds were trained by it.",
        ) from error


def _check_groups(context: Context, status: StudyStatus, dataset: Dataset) -> None:
    """Stop when images belong together otherwise, of which their fingerprint says nothing."""
    if status.data is None or status.data.fingerprint != dataset.fingerprint:
        return  # that is told with all that is different
    before = {path: group for path, _, group, *_ in context.folder.read_split()}
    rows = [(path, group) for path, _, group, *_ in dataset.table_rows() if path in before]
    changes = data_changes(
        [(path, "", before[path], "", "") for path, _ in rows],
        [(path, "", group, "", "") for path, group in rows],
    )
    if changes:
        raise _changed(context, "its data and its space", changes)


def _changed(context: Context, what: str, changes: list[str]) -> StudyChangedError:
    """The error of a study that would go on with something else."""
    folder = context.folder
    return StudyChangedError(
        f"{folder.path}: must find {what} as they were, got: " + " ".join(changes),
        remedy="Put them back, or start a new study that takes over the trials that "
        f"are still valid: autocnn search ... --name NEW --fork {folder.argument}",
    )


def _check_drift(
    context: Context,
    status: StudyStatus,
    space: SearchSpace,
    dataset: Dataset,
    own_model: OwnModel | None,
) -> None:
    """Stop when the numbers would not be comparable; say what else is different."""
    folder, observer = context.folder, context.observer
    changes: list[str] = []
    if status.data is not None and status.data.fingerprint != dataset.fingerprint:
        found = data_changes(folder.read_split(), dataset.table_rows())
        changes += found or ["The images are read differently."]
    is_other = status.space_fingerprint != space.fingerprint
    if is_other or folder.space_path.exists():
        before = load_space(str(folder.space_path), own_names=True)
        lines = before.diff(space) if is_other else []
        if context.config.epochs is None and before.epochs != space.epochs:
            lines.append(f"epochs was {before.epochs}, is {space.epochs}.")
        # Where it was asked for other channels, those of the space mean nothing.
        if before.channels != space.channels and before.channels == context.config.channels:
            lines.append(f"channels was {before.channels}, is {space.channels}.")
        changes += [f"Space: {line}" for line in lines]
    if own_model is not None:
        changes += [f"Model: {line}" for line in own_model.changes()]
    what = "its data, its space and its model" if own_model else "its data and its space"
    if changes:
        raise _changed(context, what, changes)
    versions = version_changes(status.versions, installed_versions())
    if versions:
        observer.warn(f"Since this study began: {'; '.join(versions)}.")
    machine = machine_changes(status.machine or {}, context.machine.to_json())
    if machine:
        observer.note(f"Another machine: {'; '.join(machine)}.")


def _say_plan(context: Context, status: StudyStatus, prepared: Prepared) -> None:
    config, resources = context.config, context.resources
    limit = f", {rough_duration(config.budget_s)} in all" if config.budget_s else ""
    ended = sum(not trial.is_open for trial in prepared.trials)
    so_far = f", {ended} of them ended" if prepared.trials else ""
    many = "trials" if prepared.num_trials is None else count(prepared.num_trials, "trial")
    context.observer.note(
        f"Study {context.folder.name}: {many} of at most {status.epochs} epochs{so_far}{limit}, "
        f"space {prepared.space.name}, {resources.workers} at once with "
        f"{count(resources.threads, 'thread')} each in {resources.precision}. The score of a "
        f"trial is its {metric_name(config.objective)} on val."
    )


def _find_weights(context: Context, space: SearchSpace, dataset: Dataset) -> SearchSpace:
    """Get the pretrained weights now, and keep only the backbones that they fit."""
    names = space.values_of("backbone")
    side = min(dataset.images(size).image_shape[0] for size in _image_sizes(space))
    context.observer.stage("load pretrained weights")
    task = WeightsTask(tuple(str(name) for name in names), side, context.weights)
    outcome = context.run_alone(FIND_WEIGHTS, task, log_path=context.folder.weights_log_path)
    if outcome.error is not None:
        raise outcome.error
    if not isinstance(outcome.result, WeightsResult):
        raise ConfigError(f"The pretrained weights could not be loaded: {outcome.reason}.")
    return space.narrow("backbone", outcome.result.backbones)


def _image_sizes(space: SearchSpace) -> list[int | None]:
    """All sides at which images are needed; None is the one chosen from the data."""
    return [image_size_of({"image_size": size}) for size in space.values_of("image_size")]
