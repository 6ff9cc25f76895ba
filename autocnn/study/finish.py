"""The end: finalists retrained, chosen, judged on test; candidates, leaderboard."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from autocnn.core.objective import distinct_trials
from autocnn.core.records import TrialRecord
from autocnn.storage.status import Choice, FinalistFacts, TestLook, timestamp
from autocnn.study.session import Session

if TYPE_CHECKING:
    from autocnn.selection.plan import FinalistsPlan


def finish(session: Session, ranked: Sequence[TrialRecord]) -> None:
    """Retrain the finalists, choose, open the test split, leave candidates and leaderboard.

    Args:
        session: With its data and its budget.
        ranked: All trials with an objective, best first.

    Raises:
        SearchError: When no finalist could be retrained or judged.
        DiskFullError: When the disk is too full to go on.
        KeyboardInterrupt: When stopping was asked for.
    """
    from autocnn.reporting.leaderboard import build_leaderboard
    from autocnn.reporting.page import write_report
    from autocnn.selection.explain import explain_candidates
    from autocnn.selection.files import write_candidate_files
    from autocnn.selection.judge import judge
    from autocnn.selection.retrain import retrain
    from autocnn.selection.score import score_candidates

    if session.status.finalists is None:
        _choose_finalists(session, ranked)
    session.save("finalists")
    plan = _plan(session, ranked)
    with session.interruption.graceful():
        finalists = retrain(plan, session.executor, session.folder, session.observer)
        judged = judge(
            plan,
            finalists,
            session.executor,
            session.folder,
            session.observer,
            open_test=lambda choice: _open_test(session, choice),
        )
    candidates = score_candidates(plan, judged, session.folder, session.observer)
    session.observer.stage("draw", total=len(candidates), unit="candidates")
    for candidate, pictures in explain_candidates(plan, candidates):
        write_candidate_files(candidate, pictures, session.dataset, plan.folds, session.folder)
        session.observer.advance()
    leaderboard = build_leaderboard([candidate.record for candidate in candidates])
    session.folder.write_leaderboard(leaderboard.to_csv())
    _close(session)
    session.folder.remove_predictions()
    session.observer.stage("write the report")
    write_report(session.folder)


def _plan(session: Session, ranked: Sequence[TrialRecord]) -> "FinalistsPlan":
    from autocnn.selection.plan import Finalist, FinalistsPlan

    chosen = session.status.finalists or ()
    by_number = {record.trial: record for record in ranked}
    folds = session.folds[: session.status.num_folds]
    num_models = len(chosen) * (1 + len(folds))
    workers = min(session.resources.workers, num_models)
    threads = max(session.resources.threads, session.machine.num_cpus // workers)
    return FinalistsPlan(
        dataset=session.dataset,
        finalists=tuple(
            Finalist(
                by_number[f.trial],
                f.epochs,
                is_default=session.space.is_default(by_number[f.trial].params),
            )
            for f in chosen
        ),
        folds=folds,
        goal=session.goal,
        seed=session.config.seed,
        workers=workers,
        threads=1 if session.config.deterministic else threads,
        precision=session.resources.precision,
        weights=session.weights,
        deterministic=session.config.deterministic,
        budget=session.budget,
        interruption=session.interruption,
        own_model=session.own_model,
        save_progress=session.save,
    )


def _choose_finalists(session: Session, ranked: Sequence[TrialRecord]) -> None:
    """The best trials that there is time for: different params, and models that were kept."""
    has_model = [r for r in ranked if session.folder.trial_model_path(r.trial).exists()]
    kept = distinct_trials(has_model)
    best, num_folds = session.budget.finalists_now(kept)
    wanted = len(kept[: session.config.finalists]) + any(
        record.trial == 0 for record in kept[session.config.finalists :]
    )
    if len(best) < wanted:
        session.observer.warn(f"There is time to retrain {len(best)} of {wanted} finalists.")
    if num_folds < len(session.folds):
        session.observer.warn("There is no time for folds: the finalists are compared on val.")
    epochs = session.budget.refit_epochs(best, num_folds)
    pairs = zip(best, epochs, strict=True)
    chosen = tuple(FinalistFacts(trial=r.trial, epochs=number) for r, number in pairs)
    session.folder.clear_candidates()
    session.folder.keep_finalists(facts.trial for facts in chosen)
    session.update(finalists=chosen, num_folds=num_folds, choice=None)


def _open_test(session: Session, choice: Choice) -> None:
    """Note, before any test image is predicted, that they will be."""
    looks, finalists = session.status.test_looks, session.status.finalists or ()
    is_same = bool(looks) and not looks[-1].is_over and looks[-1].finalists == finalists
    if not is_same:
        if looks:
            session.observer.warn(
                f"The test split has been opened before ({len(looks) + 1} times now): what is "
                "chosen after that may be fitted to it, so these test scores are less honest."
            )
        looks = (*looks, TestLook(at=timestamp(), finalists=finalists))
    session.update(choice=choice, test_looks=looks)
    for sentence in choice.sentences:
        session.observer.note(sentence)


def _close(session: Session) -> None:
    """The study is done and test closed in one write: else it might be opened twice."""
    last = session.status.test_looks[-1].model_copy(update={"is_over": True})
    session.update(status="done", test_looks=(*session.status.test_looks[:-1], last))
