"""A study from start to end, or from where it was stopped: data, search, finalists, board."""

import contextlib
import datetime
import itertools
import math
import re
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from autocnn.core.atomic import reading_error
from autocnn.core.config import BUILT_IN, StudyConfig, change_config
from autocnn.core.errors import (
    AutocnnError,
    ConfigError,
    SearchInterrupted,
    SpaceError,
    StudyError,
    StudyExistsError,
    Text,
)
from autocnn.core.events import Interruption, Observer
from autocnn.core.objective_text import function_of, is_lower_better
from autocnn.core.own_model import locate_own_model
from autocnn.core.paths import to_path
from autocnn.core.trust import check_trusted
from autocnn.core.wording import count, rough_duration
from autocnn.execution.executor import Executor
from autocnn.execution.gpus import inspect_machine
from autocnn.execution.local import LocalExecutor
from autocnn.execution.machine import Machine, Resources, share_machine
from autocnn.integrations.trackers import check_extras, tracked
from autocnn.spaces.files import is_path, load_space
from autocnn.spaces.space import SearchSpace
from autocnn.storage import StudyFolder, open_study
from autocnn.storage.status import Stage, StudyStatus
from autocnn.study.context import Context, Progress

if TYPE_CHECKING:
    from autocnn.study.prepare import Prepared
    from autocnn.study.trials import Searched

MakeExecutor = Callable[[Resources], Executor]

Finish = Callable[[Context, Progress, "Prepared", "Searched"], None]


def search(
    config: StudyConfig,
    observer: Observer | None = None,
    *,
    interruption: Interruption | None = None,
    make_executor: MakeExecutor | None = None,
    clock: Callable[[], float] = time.monotonic,
    finish: Finish | None = None,
) -> StudyFolder:
    """Run a new study.

    Args:
        config: What is asked.
        observer: Hears of progress.
        interruption: Asks to stop.
        make_executor: What runs the trials; local processes when None.
        clock: Seconds now, for the budget.
        finish: The last stage; that of `autocnn.study.finish` when None.

    Returns:
        The study's folder, with its leaderboard.

    Raises:
        SpaceError: When the space breaks a rule; nothing was written.
        DataError: When the data cannot be used; nothing was written.
        StudyError: When the folder is there already or cannot be written.
        MissingExtraError: When a setting needs a package that is not installed.
        SearchError: When no trial finished.
        SearchInterrupted: When it was stopped; `resume` goes on.
    """
    observer = observer or Observer()
    try:
        space = _fitting_space(config)
        check_extras(config)
        if config.cluster is not None and make_executor is None:
            from autocnn.execution.cluster.ray_executor import find_cluster

            find_cluster(config.cluster)  # before anything is written
        if config.fork is not None:
            fork = open_study(config.fork, config.results).path.resolve()
            config = config.model_copy(update={"fork": str(fork)})
        config, status, folder = _create(config, space)
        folder.lock()
        try:
            _run(
                config,
                space,
                status,
                folder,
                observer,
                is_new=True,
                is_more=False,
                interruption=interruption,
                make_executor=make_executor,
                clock=clock,
                finish=finish,
            )
        finally:
            folder.unlock()
    finally:
        observer.close()
    return folder


def _create(
    config: StudyConfig, space: SearchSpace
) -> tuple[StudyConfig, StudyStatus, StudyFolder]:
    """A new study, with another name where one that was made up is taken.

    Raises:
        StudyError: When the folder is there already or cannot be written.
    """
    made_up = _default_name(config.data)
    for number in itertools.count(1):
        name = config.name or (made_up if number == 1 else f"{made_up}-{number}")
        named = _resolve(config, space, name)
        status = StudyStatus.new(name, named, epochs=named.epochs or space.epochs)
        try:
            return named, status, StudyFolder.create(named.results, name, status.to_json())
        except StudyExistsError:
            if config.name:
                raise
    raise AssertionError("numbers do not end")


def _fitting_space(config: StudyConfig) -> SearchSpace:
    """The space of a new study, whose settings must go together.

    Checked here and not in `StudyConfig`, by whose rules older studies are read too.

    Raises:
        SpaceError: When the space breaks a rule.
        ConfigError: When a setting would do nothing beside the others, or its file is none.
    """
    if config.model is not None and not is_path(config.space):
        raise ConfigError(
            Text(
                "{space} must be a file with {model}, got the shipped {0!r}, whose parameters "
                "describe autocnn's networks.",
                config.space,
            ),
            remedy=Text(
                "List what your model reads in a file: {space:my_space.yaml}; see "
                "docs/your-model.md."
            ),
        )
    space = load_space(config.space, own_names=config.model is not None)
    if config.weights is not None:
        if not config.weights.is_file():
            raise ConfigError(Text("{weights} must be a file, got {0!r}.", str(config.weights)))
        if config.model is not None:
            raise ConfigError(Text("{weights} must not go with {model}, which loads its own."))
        if not space.has_pretrained:
            raise ConfigError(
                Text(
                    "{weights} must go with a space of pretrained networks, got {0!r}.",
                    config.space,
                ),
                remedy=Text("Use {space:transfer}, or give your space `family: pretrained`."),
            )
    if config.fold_repeats > 1 and not config.folds:
        raise ConfigError(
            Text("{fold_repeats} must be 1 with {folds:0}, got {0}.", config.fold_repeats)
        )
    return space


def resume(
    folder: StudyFolder,
    observer: Observer | None = None,
    *,
    changes: dict[str, object] | None = None,
    force_unlock: bool = False,
    trust_code: bool = False,
    interruption: Interruption | None = None,
    make_executor: MakeExecutor | None = None,
    clock: Callable[[], float] = time.monotonic,
    finish: Finish | None = None,
) -> StudyFolder:
    """Go on with a study where it was stopped, or add trials to a finished one.

    A finished one that has no time for more stays as it is, and it is said what it needs. A report
    that a stop left unwritten is written.

    Args:
        folder: The study.
        observer: Hears of progress.
        changes: Fields of the config with new values: `trials` and `budget_s`, both in
            all and not in addition, and those that no result depends on. `tensorboard` and
            `mlflow` get the trials so far too, also of a finished study.
        force_unlock: Take the study from an owner on another host.
        trust_code: Whether the code of a model of somebody's own, which study.json names, may run.
        interruption: Asks to stop.
        make_executor: What runs the trials; local processes when None.
        clock: Seconds now, for the budget.
        finish: The last stage; that of `autocnn.study.finish` when None.

    Returns:
        The folder, with its leaderboard.

    Raises:
        UsageError: When it needs code that is not trusted.
        StudyLockedError: When another process writes the study.
        StudyChangedError: When its data or its space are others than they were.
        MissingExtraError: When a change needs a package that is not installed.
        SearchError: When no trial finished.
        SearchInterrupted: When it was stopped again.
    """
    observer = observer or Observer()
    try:
        folder.read_status()
        owner = folder.lock(force=force_unlock)
        if owner is not None:
            observer.note(f"Taken over from {owner}, which ended without letting go.")
        try:
            with _told(folder.path):
                status, config, is_more = _reopen(folder, observer, changes or {})
                if status.is_done and folder.is_report_due and not is_more:
                    _report(folder, observer)
            if is_more or not status.is_done:
                if config.own_code:
                    check_trusted(folder.path, config.own_code, trust_code=trust_code)
                _run(
                    config,
                    _space_now(config, folder, observer),
                    status,
                    folder,
                    observer,
                    is_new=False,
                    is_more=is_more,
                    interruption=interruption,
                    make_executor=make_executor,
                    clock=clock,
                    finish=finish,
                )
        finally:
            folder.unlock()
    finally:
        observer.close()
    return folder


def _reopen(
    folder: StudyFolder, observer: Observer, changes: dict[str, object]
) -> tuple[StudyStatus, StudyConfig, bool]:
    """Status and config of a study that is resumed, and whether there is time for more of it."""
    status = folder.read_status()
    config = change_config(status.config, changes)
    # The folder may have been moved or renamed since.
    moved = {"results": folder.path.resolve().parent}
    config = config.model_copy(update=moved | _absolute(config, ("storage", "cache_dir")))
    is_tracked_now = any(changes.get(name) for name in ("tensorboard", "mlflow"))
    if is_tracked_now:  # later, a package that is gone is no reason not to go on
        check_extras(config)
    asked, before = config.num_trials, status.config.num_trials
    begun = len(folder.read_trials()) if before is None else before
    is_longer = _limit_s(config) > _limit_s(status.config)
    is_asked = is_longer or (asked is not None and asked > begun)
    is_more = is_asked and _limit_s(config) > status.seconds
    if status.is_done and not is_more:
        if is_tracked_now:
            with tracked(config, folder, observer) as told:
                told.trials_found(folder.read_trials())
        observer.note(_what_gives_more(folder, status, config, is_over=is_asked))
    return status, config, is_more


def _limit_s(config: StudyConfig) -> float:
    """Seconds that the study may take, all sessions together; infinite without a budget."""
    return math.inf if config.budget_s is None else config.budget_s


def _what_gives_more(
    folder: StudyFolder, status: StudyStatus, config: StudyConfig, *, is_over: bool
) -> str:
    """That a study is finished, and the command with which it goes on.

    Args:
        folder: The study.
        status: It is done.
        config: With what was asked now.
        is_over: Whether more was asked for, and the time for it is over.
    """
    ended = len(folder.read_trials())
    found, much, options = f"with {count(ended, 'trial')}", "many in all", []
    if config.trials is not None or config.budget_s is None:
        options.append(f"--trials {max(2 * ended, config.num_trials or 0)}")
    if config.budget_s is not None:
        longest_s = max(config.budget_s, status.seconds)
        options.append(f"--budget {math.ceil(2 * longest_s / 60)}m")
        much = "much in all sessions together"
        if is_over:
            used, limit = rough_duration(status.seconds), rough_duration(config.budget_s)
            found = f"and has no time for more: it took {used} of {limit}"
    return (
        f"{folder.path}: is finished, {found}. For more, say how {much}: "
        f"{folder.resume_command(*options)}"
    )


def _run(
    config: StudyConfig,
    space: SearchSpace,
    status: StudyStatus,
    folder: StudyFolder,
    observer: Observer,
    *,
    is_new: bool,
    is_more: bool,
    interruption: Interruption | None,
    make_executor: MakeExecutor | None,
    clock: Callable[[], float],
    finish: Finish | None,
) -> None:
    """One session of a study in a locked folder: all stages that are left."""
    try:
        # Imports TensorFlow while the data are decoded.
        machine, resources, executor = _make_ready(config, folder, observer, status, make_executor)
    except AutocnnError:
        if is_new:
            folder.remove()
        raise
    progress = Progress(folder, status, clock)
    try:
        with tracked(config, folder, observer) as told:
            context = Context(
                config=config,
                folder=folder,
                observer=told,
                executor=executor,
                machine=machine,
                resources=resources,
                interruption=interruption or Interruption(),
                clock=clock,
            )
            with _told(folder.path):
                _run_stages(context, progress, space, finish, is_more=is_more)
    except KeyboardInterrupt as error:
        _save_end(progress, "interrupted")
        ended = sum(not record.is_open for record in folder.read_trials())
        raise SearchInterrupted(
            f"{folder.path}: stopped with {_of_all(ended, config)} ended.",
            remedy="It stays finished as it was; ask for more again."
            if status.is_done and progress.status is status
            else f"Go on with `{folder.resume_command()}`.",
        ) from error
    except AutocnnError as error:
        if is_new and not progress.status.is_prepared and not isinstance(error, StudyError):
            executor.close()
            with contextlib.suppress(StudyError):  # the error that is raised says more
                folder.remove()  # nothing was found out yet
        else:
            _save_end(progress, "failed")
        raise
    finally:
        executor.close()


def _save_end(progress: Progress, stage: Stage) -> None:
    """Note how a session ended that was stopped, or failed.

    A study that is done lacks its report alone, or was not made ready for more. It stays done: else
    test is opened again.
    """
    if not progress.status.is_done:
        with contextlib.suppress(StudyError):  # on a full disk the stage stays as it was
            progress.save(stage)


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    """An error of the disk, in what only looks at files of the study, as one of autocnn's.

    What writes files tells its errors itself.
    """
    try:
        yield
    except OSError as error:
        where = Path(error.filename) if isinstance(error.filename, str) else Path()
        if not where.is_relative_to(path):
            raise
        raise reading_error(error, where) from error


def _of_all(ended: int, config: StudyConfig) -> str:
    """`3 of 50 trials`, or `3 trials` where nobody knows how many there will be."""
    total = config.num_trials
    return count(ended, "trial") if total is None else f"{ended} of {count(total, 'trial')}"


def _run_stages(
    context: Context,
    progress: Progress,
    space: SearchSpace,
    finish: Finish | None,
    *,
    is_more: bool,
) -> None:
    # Imported here: what only asks for a study must not wait for SciPy, and a session that is
    # stopped while it searches not for matplotlib, which `finish` loads.
    from autocnn.study.prepare import prepare
    from autocnn.study.trials import search_trials

    prepared = prepare(context, progress, space, is_more=is_more)
    searched = search_trials(context, progress, prepared)
    (finish or _load_finish())(context, progress, prepared, searched)


def _load_finish() -> Finish:
    from autocnn.study.finish import finish

    return finish


def _report(folder: StudyFolder, observer: Observer) -> None:
    from autocnn.study.finish import report  # as slow to import

    report(folder, observer)


def _make_ready(
    config: StudyConfig,
    folder: StudyFolder,
    observer: Observer,
    status: StudyStatus,
    make_executor: MakeExecutor | None,
) -> tuple[Machine, Resources, Executor]:
    """This machine, how trials share what runs them, and what runs them.

    Raises:
        MissingExtraError: When Ray is not installed.
        ConfigError: When the cluster cannot run trials.
    """
    if config.cluster is None or make_executor is not None:
        machine = inspect_machine(observer)
        resources = _share(machine, config, status)
        return machine, resources, (make_executor or _local_executor)(resources)
    from autocnn.execution.cluster.agent import AgentOptions
    from autocnn.execution.cluster.ray_executor import RayExecutor

    limits = [number for number in (config.workers, config.num_trials) if number is not None]
    executor = RayExecutor(
        config.cluster,
        folder.path,
        observer,
        options=AgentOptions(
            most_workers=min(limits, default=None),
            threads=config.threads,
            precision=_precision(config, status),
            memory_limit_gb=config.memory_limit_gb,
        ),
        workers=config.workers,
        storage=config.storage,
    )
    try:
        resources = executor.begin()
    except BaseException:
        executor.close()
        raise
    observer.note(f"Cluster {config.cluster}: {executor}.")
    return Machine.inspect(), resources, executor


def _local_executor(resources: Resources) -> Executor:
    return LocalExecutor(memory_limit_gb=resources.memory_limit_gb, devices=resources.devices)


def _share(machine: Machine, config: StudyConfig, status: StudyStatus) -> Resources:
    """How the trials share the machine."""
    is_alone = config.deterministic
    return share_machine(
        machine,
        trials=config.num_trials,
        workers=1 if is_alone else config.workers,
        threads=1 if is_alone else config.threads,
        precision=_precision(config, status),
        memory_limit_gb=config.memory_limit_gb,
    )


def _precision(config: StudyConfig, status: StudyStatus) -> str:
    """As asked for; a study keeps the one that it began with."""
    if status.resources is not None and config.precision == "auto":
        return str(status.resources["precision"]).removeprefix("mixed_")
    return config.precision


def _space_now(config: StudyConfig, folder: StudyFolder, observer: Observer) -> SearchSpace:
    """The space that the study names; its own copy of a shipped one, or of a file that is gone."""
    own_names = config.model is not None
    if not _is_there(folder.space_path):  # stopped before it was ready
        return load_space(config.space, own_names=own_names)
    if not is_path(config.space):
        copy = load_space(str(folder.space_path))
        if not _is_shipped(config.space, copy):
            observer.warn(
                f"This version of autocnn has another space {config.space!r}; the study's own copy "
                "is used."
            )
        return replace(copy, name=config.space)
    if not _is_there(config.space):
        observer.warn(f"{config.space} is gone; the study's own copy of the space is used.")
        return load_space(str(folder.space_path), own_names=own_names)
    return load_space(config.space, own_names=own_names)


def _is_shipped(name: str, copy: SearchSpace) -> bool:
    """Whether a study's copy of a shipped space is what this version ships.

    What a study holds to some values, its copy has as a choice of these.
    """
    try:
        shipped = load_space(name)
        for held in ("image_size", "backbone"):
            if any(parameter.name == held for parameter in copy.parameters):
                shipped = shipped.narrow(held, copy.values_of(held))
                copy = copy.narrow(held, copy.values_of(held))
    except SpaceError:
        return False
    return shipped.fingerprint == copy.fingerprint


def _is_there(path: str | Path) -> bool:
    """Whether something is at a path; what nobody may look at is, and who reads it says why not."""
    try:
        return Path(path).exists()
    except OSError:
        return True


def _resolve(config: StudyConfig, space: SearchSpace, name: str) -> StudyConfig:
    """The config with what it left open, and paths that hold wherever it is read."""
    data = to_path(config.data)
    is_file = config.data not in ("", *BUILT_IN) and _is_there(data)
    space_path = config.space if is_path(config.space) else None
    return config.model_copy(
        update={
            "name": name,
            "data": str(data.resolve()) if is_file else config.data,
            "space": str(Path(space_path).resolve()) if space_path else config.space,
            "model": str(locate_own_model(config.model)) if config.model else None,
            "objective": _resolve_objective(config.objective),
            "channels": config.channels or space.channels,
            **_absolute(config, ("images", "weights", "drop_labels", "storage", "cache_dir")),
        }
    )


def _absolute(config: StudyConfig, names: Iterable[str]) -> dict[str, Path]:
    """Those of some paths that are given, as they hold in every folder."""
    paths = ((name, getattr(config, name)) for name in names)
    return {name: path.resolve() for name, path in paths if path is not None}


def _resolve_objective(objective: str) -> str:
    """An objective of the user's own by its file, which holds wherever it is read."""
    function = function_of(objective)
    if function is None:
        return objective
    sign = "-" if is_lower_better(objective) else ""
    return f"{sign}{locate_own_model(function, setting='objective')}"


def _default_name(data: str) -> str:
    """Name of a study that was given none: its data and the time."""
    stem = re.sub(r"[^A-Za-z0-9_-]+", "-", Path(data).resolve().stem).strip("-") or "study"
    return f"{stem[:60]}-{datetime.datetime.now():%Y%m%d-%H%M%S}"
