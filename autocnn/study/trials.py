"""The search: the trials that are left."""

from collections.abc import Sequence
from dataclasses import dataclass

from autocnn.core.records import SPLITS, TrialRecord, TrialState
from autocnn.execution.tasks import TrainingTask
from autocnn.metrics.familiarity import NUM_REFERENCE
from autocnn.metrics.robustness import DISTURBANCES
from autocnn.selection.judge import NUM_DISTURBED
from autocnn.selection.plan import study_images
from autocnn.spaces.knobs import image_size_of, is_mirrored
from autocnn.storage.disk import DiskGuard
from autocnn.study.context import Context, Progress
from autocnn.study.prepare import Prepared
from autocnn.tuning.budget import Budget, is_too_slow
from autocnn.tuning.engines.base import Engine, restore
from autocnn.tuning.engines.build import build_engine
from autocnn.tuning.loop import SearchPlan, nothing_finished, rank_trials, run_search


@dataclass(frozen=True)
class Searched:
    """What the search left.

    Attributes:
        ranked: All trials that may become finalists, best first; at least one.
        budget: The time that there is.
        disk: Looks at the free space.
    """

    ranked: tuple[TrialRecord, ...]
    budget: Budget
    disk: DiskGuard


def search_trials(context: Context, progress: Progress, prepared: Prepared) -> Searched:
    """Run the trials that are left.

    Args:
        context: Of the session.
        progress: Of the study.
        prepared: From `prepare`.

    Raises:
        SearchError: When nothing finished.
        DiskFullError: When there is no space to go on.
        KeyboardInterrupt: When stopping was asked for.
    """
    config, folder, observer = context.config, context.folder, context.observer
    budget = _budget(context, progress, prepared)
    disk = DiskGuard(
        folder, config.disk_limit_gb, workers=context.resources.workers, clock=context.clock
    )
    disk.check()
    is_over = progress.status.finalists is not None
    trials = prepared.trials if is_over else _reopen_cut(context, prepared, budget)
    observer.trials_found(trials)
    records = [trial for trial in trials if not trial.is_open]
    num_trials = prepared.num_trials
    if not is_over and (num_trials is None or len(records) < num_trials):
        progress.save("searching")
        epochs = progress.status.epochs
        plan = SearchPlan(
            goal=prepared.goal,
            trials=num_trials,
            epochs=epochs,
            workers=context.resources.workers,
            keep=config.finalists,
            trial_timeout_s=config.trial_timeout_s,
            make_task=lambda record: _make_task(context, prepared, record, epochs),
            is_default=prepared.space.is_default,
            save_progress=progress.save,
            has_own_model=config.model is not None,
        )
        engine = _build_engine(context, prepared, trials, epochs)
        try:
            records = run_search(
                plan,
                engine,
                context.executor,
                folder,
                budget,
                observer,
                earlier=trials,
                interruption=context.interruption,
                disk=disk,
            )
        finally:
            engine.close()
    else:
        folder.write_trials_table(trials)
    ranked = rank_trials(prepared.goal, records)
    if not ranked:
        raise nothing_finished(folder, records)
    return Searched(tuple(ranked), budget, disk)


def _budget(context: Context, progress: Progress, prepared: Prepared) -> Budget:
    num_train, num_val, num_test = (len(prepared.dataset.indices(split)) for split in SPLITS)
    folds = prepared.folds
    return Budget(
        total_s=context.config.budget_s,
        workers=context.resources.workers,
        finalists=context.config.finalists,
        refit_factor=(num_train + num_val) / num_train,
        is_default=prepared.space.is_default,
        is_mirrored=lambda params: prepared.own_model is None and is_mirrored(params),
        num_folds=len(folds),
        members=context.config.members if context.config.prefer == "score" else 1,
        fold_size=len(folds[0].train) / (num_train + num_val) if folds else 0.0,
        num_train=num_train,
        num_judged=num_test + len(DISTURBANCES) * min(NUM_DISTURBED, num_test),
        num_measured=2 * num_test + num_val + min(NUM_REFERENCE, num_train),
        clock=context.clock,
        started=progress.started,
    )


def _reopen_cut(context: Context, prepared: Prepared, budget: Budget) -> tuple[TrialRecord, ...]:
    """The trials so far; of those that the budget cut, such as have time now to end are open."""
    ranked = rank_trials(prepared.goal, [r for r in prepared.trials if not r.is_open])
    left_s = budget.search_left_s(ranked)

    def reopen(record: TrialRecord) -> TrialRecord:
        if record.state != TrialState.CUT or not record.history or left_s <= 0:
            return record
        if is_too_slow(record.history, record.epochs or record.history[-1].epoch, left_s):
            return record
        return context.folder.reopen_trial(record) or record

    return tuple(reopen(record) for record in prepared.trials)


def _build_engine(
    context: Context, prepared: Prepared, trials: Sequence[TrialRecord], epochs: int
) -> Engine:
    """The engine, brought to where it was."""
    context.folder.remove_engine_files()
    config = context.config.model_copy(update={"trials": prepared.num_trials})
    engine = build_engine(
        config,
        prepared.space,
        prepared.goal,
        context.folder,
        epochs=epochs,
        warn=context.observer.warn,
    )
    restore(engine, trials)
    return engine


def _make_task(
    context: Context, prepared: Prepared, record: TrialRecord, epochs: int
) -> TrainingTask:
    dataset, folder, resources = prepared.dataset, context.folder, context.resources
    parent = record.parent
    return TrainingTask(
        images=study_images(dataset, image_size_of(record.params)),
        train_rows=dataset.indices("train"),
        val_rows=dataset.indices("val"),
        params=dict(record.params),
        epochs=record.epochs or epochs,
        seed=(context.config.seed, record.trial),
        goal=prepared.goal,
        model_path=folder.trial_model_path(record.trial),
        threads=resources.threads,
        precision=resources.precision,
        weights=context.weights,
        checkpoint_path=folder.trial_checkpoint_path(record.trial),
        start_path=None if parent is None else folder.trial_model_path(parent),
        first_epoch=record.first_epoch,
        half_batch=record.half_batch,
        deterministic=context.config.deterministic,
        own_model=prepared.own_model,
    )
