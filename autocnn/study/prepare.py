"""Before the first trial: data, weights, what is there from before."""

from collections.abc import Sequence

from autocnn.core.errors import ConfigError, StudyChangedError
from autocnn.core.wording import rough_duration
from autocnn.execution.tasks import FIND_WEIGHTS, WeightsResult, WeightsTask
from autocnn.spaces.files import load_space
from autocnn.spaces.space import SearchSpace
from autocnn.storage.status import DataFacts, installed_versions, timestamp
from autocnn.study.adopt import adopt_trials
from autocnn.study.changes import data_changes, machine_changes, version_changes
from autocnn.study.own_model import check_own_model, find_own_model
from autocnn.study.session import Session


def prepare(session: Session) -> None:
    """Data, weights, trials so far: everything that can be wrong before a trial starts.

    Args:
        session: Gets its dataset, folds and trials.

    Raises:
        DataError: When the data cannot be used.
        StudyChangedError: When data or space are others than they were.
    """
    from autocnn.data import prepare_data
    from autocnn.data.thumbnails import picture_copies
    from autocnn.selection.plan import cut_folds

    session.own_model = find_own_model(session)
    session.dataset = prepare_data(
        session.config, image_sizes=_image_sizes(session.space), observer=session.observer
    )
    config = session.config
    session.folds = cut_folds(
        session.dataset, config.folds, repeats=config.fold_repeats, seed=config.seed
    )
    if len(session.folds) < config.folds * config.fold_repeats:
        session.observer.warn(
            f"The finalists are compared on {len(session.folds) or 'no'} folds: a class has too "
            f"few different images for {config.folds}."
        )
    if session.own_model is None and "pretrained" in session.space.values_of("family"):
        _find_weights(session)
    rows = session.dataset.table_rows()
    if session.status.is_prepared:
        _check_drift(session, rows)
    else:
        if session.own_model is not None:
            check_own_model(session, session.own_model)
        session.folder.write_space(session.space)
        session.folder.write_split(rows)
        report, pictures = picture_copies(session.dataset)
        session.folder.write_audit(report.model_dump_json(indent=1), pictures)
        if session.config.fork is not None:
            files = session.own_model.files if session.own_model is not None else None
            adopt_trials(
                session.config,
                session.space,
                session.dataset.fingerprint,
                rows,
                session.folder,
                session.observer,
                model_files=files,
            )
    session.trials, sentences = session.folder.recover_trials()
    for sentence in sentences:
        session.observer.warn(sentence)
    ended = {trial.trial for trial in session.trials if not trial.is_open}
    if not {finalist.trial for finalist in session.status.finalists or ()} <= ended:
        session.update(finalists=None)  # the record of one was torn
    # It never shrinks below what has begun.
    total = max(session.config.trials, 1 + max((t.trial for t in session.trials), default=-1))
    session.config = session.config.model_copy(update={"trials": total})
    if session.status.is_prepared:
        session.update(resumed=(*session.status.resumed, timestamp()))
    else:
        session.update(versions=installed_versions(), machine=session.machine.to_json())
    session.update(
        config=session.config,
        resources=session.resources.to_json(),
        data=DataFacts(
            fingerprint=session.dataset.fingerprint,
            class_names=session.dataset.class_names,
            image_shape=session.dataset.images(0).image_shape,
            split={s: len(session.dataset.indices(s)) for s in ("train", "val", "test")},
        ),
        space_fingerprint=session.space.fingerprint,
        model_files=dict(session.own_model.files) if session.own_model else None,
    )
    _say_plan(session)


def _check_drift(session: Session, rows: Sequence[Sequence[str]]) -> None:
    """Stop when the numbers would not be comparable; say what else is different."""
    status = session.status
    changes = []
    if status.data is not None and status.data.fingerprint != session.dataset.fingerprint:
        before = session.folder.read_split()
        changes += data_changes(before, rows) or ["The images are read differently."]
    if status.space_fingerprint != session.space.fingerprint:
        changes += [
            f"Space: {line}"
            for line in load_space(str(session.folder.space_path), own_names=True).diff(
                session.space
            )
        ]
    if session.own_model is not None:
        changes += [f"Model: {line}" for line in session.own_model.changes()]
    what = "its data, its space and its model" if session.own_model else "its data and its space"
    if changes:
        raise StudyChangedError(
            f"{session.folder.path}: must find {what} as they were, got: " + " ".join(changes),
            remedy="Put them back, or start a new study that takes over the trials that "
            f"are still valid: autocnn search ... --name NEW --fork {session.folder.path}",
        )
    versions = version_changes(status.versions, installed_versions())
    if versions:
        session.observer.warn(f"Since this study began: {'; '.join(versions)}.")
    machine = machine_changes(status.machine or {}, session.machine.to_json())
    if machine:
        session.observer.note(f"Another machine: {'; '.join(machine)}.")


def _say_plan(session: Session) -> None:
    config, resources = session.config, session.resources
    limit = f", {rough_duration(config.budget_s)} in all" if config.budget_s else ""
    ended = sum(not trial.is_open for trial in session.trials)
    so_far = f", {ended} of them ended" if session.trials else ""
    session.observer.note(
        f"Study {session.folder.name}: {config.trials} trials of at most {session.status.epochs} "
        f"epochs{so_far}{limit}, space {session.space.name}, {resources.workers} at once with "
        f"{resources.threads} thread(s) each in {resources.precision}."
    )


def _find_weights(session: Session) -> None:
    """Get the pretrained weights now, and keep only the backbones that they fit."""
    names = session.space.values_of("backbone")
    side = session.dataset.images(_image_sizes(session.space)[0]).image_shape[0]
    session.observer.stage("load pretrained weights")
    task = WeightsTask(tuple(str(name) for name in names), side, session.weights)
    outcome = session.run_alone(FIND_WEIGHTS, task, log_path=session.folder.weights_log_path)
    if outcome.error is not None:
        raise outcome.error
    if not isinstance(outcome.result, WeightsResult):
        raise ConfigError(f"The pretrained weights could not be loaded: {outcome.reason}.")
    session.space = session.space.narrow("backbone", outcome.result.backbones)


def _image_sizes(space: SearchSpace) -> list[int]:
    """All sides at which images are needed; 0 is the one chosen from the data."""
    return [int(size) for size in space.values_of("image_size")]
