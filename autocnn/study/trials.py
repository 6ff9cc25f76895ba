"""The search: the trials that are left."""

from autocnn.core.records import TrialRecord
from autocnn.execution.tasks import TrainingTask
from autocnn.storage.disk import DiskGuard
from autocnn.study.session import Session
from autocnn.tuning.budget import Budget
from autocnn.tuning.engines.base import Engine, restore


def search_trials(session: Session) -> list[TrialRecord]:
    """Run the trials that are left.

    Args:
        session: With its data; gets its budget.

    Returns:
        All trials with an objective, best first.

    Raises:
        SearchError: When nothing finished.
        DiskFullError: When the disk is too full to go on.
        KeyboardInterrupt: When stopping was asked for.
    """
    from autocnn.tuning.loop import SearchPlan, rank_trials, run_search

    session.budget = _budget(session)
    disk = DiskGuard(session.folder, session.config.disk_limit_gb, clock=session.clock)
    disk.check()
    session.observer.trials_found(session.trials)
    records = [trial for trial in session.trials if not trial.is_open]
    if len(records) < session.config.trials and session.status.finalists is None:
        session.save("searching")
        plan = SearchPlan(
            goal=session.goal,
            trials=session.config.trials,
            epochs=session.status.epochs,
            workers=session.resources.workers,
            keep=session.config.finalists,
            trial_timeout_s=session.config.trial_timeout_s,
            make_task=lambda record: _make_task(session, record),
            save_progress=session.save,
        )
        engine = _build_engine(session)
        try:
            records = run_search(
                plan,
                engine,
                session.executor,
                session.folder,
                session.budget,
                session.observer,
                earlier=session.trials,
                interruption=session.interruption,
                disk=disk,
            )
        finally:
            engine.close()
    else:
        session.folder.write_trials_table(records)
    return rank_trials(session.goal, records)


def _budget(session: Session) -> Budget:
    from autocnn.metrics.robustness import CORRUPTIONS, STRENGTHS
    from autocnn.selection.judge import NUM_DISTURBED

    num_train, num_val, num_test = (
        len(session.dataset.indices(split)) for split in ("train", "val", "test")
    )
    folds = session.folds
    return Budget(
        total_s=session.config.budget_s,
        workers=session.resources.workers,
        finalists=session.config.finalists,
        refit_factor=(num_train + num_val) / num_train,
        num_folds=len(folds),
        fold_size=len(folds[0].train) / (num_train + num_val) if folds else 0.0,
        num_train=num_train,
        num_judged=num_test + len(CORRUPTIONS) * len(STRENGTHS) * min(NUM_DISTURBED, num_test),
        clock=session.clock,
        started=session.started,
    )


def _build_engine(session: Session) -> Engine:
    """The engine, brought to where it was."""
    from autocnn.tuning.engines.build import build_engine

    session.folder.remove_engine_files()
    engine = build_engine(
        session.config, session.space, session.goal, session.folder, epochs=session.status.epochs
    )
    restore(engine, session.trials)
    return engine


def _make_task(session: Session, record: TrialRecord) -> TrainingTask:
    from autocnn.selection.plan import study_images

    parent = record.parent
    return TrainingTask(
        images=study_images(session.dataset, int(record.params.get("image_size", 0))),
        train_rows=session.dataset.indices("train"),
        val_rows=session.dataset.indices("val"),
        params=dict(record.params),
        epochs=record.epochs or session.status.epochs,
        seed=(session.config.seed, record.trial),
        goal=session.goal,
        model_path=session.folder.trial_model_path(record.trial),
        threads=session.resources.threads,
        precision=session.resources.precision,
        weights=session.weights,
        checkpoint_path=session.folder.trial_checkpoint_path(record.trial),
        start_path=None if parent is None else session.folder.trial_model_path(parent),
        first_epoch=record.first_epoch,
        half_batch=record.half_batch,
        deterministic=session.config.deterministic,
        own_model=session.own_model,
    )
