"""The end: finalists retrained, chosen, judged on test; candidates, leaderboard."""

from collections.abc import Sequence

from autocnn.core.errors import SearchError
from autocnn.core.events import Observer
from autocnn.core.objective import distinct_trials
from autocnn.core.records import TrialRecord
from autocnn.core.wording import count, rough_duration
from autocnn.reporting.leaderboard import build_leaderboard
from autocnn.reporting.page import write_report
from autocnn.selection.augmented import picture_augmented
from autocnn.selection.explain import explain_candidates
from autocnn.selection.files import write_candidate_files
from autocnn.selection.judge import judge
from autocnn.selection.label_issues import write_label_issues
from autocnn.selection.plan import Finalist, FinalistsPlan
from autocnn.selection.retrain import retrain
from autocnn.selection.score import score_candidates
from autocnn.selection.subgroups import add_subgroups
from autocnn.storage import StudyFolder
from autocnn.storage.status import Choice, FinalistFacts, StudyStatus, TestLook, timestamp
from autocnn.study.context import Context, Progress
from autocnn.study.prepare import Prepared
from autocnn.study.trials import Searched
from autocnn.tuning.budget import Budget


def finish(context: Context, progress: Progress, prepared: Prepared, searched: Searched) -> None:
    """Retrain the finalists, choose, open the test split, leave candidates and leaderboard.

    Args:
        context: Of the session.
        progress: Of the study; afterwards it says that the study is done.
        prepared: From `prepare`.
        searched: From `search_trials`.

    Raises:
        SearchError: When no finalist could be judged.
        DiskFullError: When there is no space to go on.
        KeyboardInterrupt: When stopping was asked for.
    """
    folder, observer = context.folder, context.observer
    if progress.status.finalists is None and not _choose_finalists(
        context, progress, prepared, searched
    ):
        report(folder, observer)  # there may be more trials
        return
    if progress.status.status != "finalists":  # of a study that was stopped, or had enough trials
        progress.save("finalists")
    plan = _plan(context, progress, prepared, searched)
    with context.interruption.graceful():
        finalists = retrain(plan, context.executor, folder, observer)
        plan = plan.compared_on(finalists)
        if len(plan.folds) < progress.status.num_folds:
            progress.update(num_folds=len(plan.folds))
        judged = judge(
            plan,
            finalists,
            context.executor,
            folder,
            observer,
            open_test=lambda choice: _open_test(context, progress, choice),
        )
    candidates = score_candidates(plan, judged, folder, observer)
    candidates = add_subgroups(plan, candidates, context.config.by or (), folder, observer)
    observer.stage("draw", total=len(candidates), unit="candidates")
    for candidate, pictures in explain_candidates(plan, candidates):
        if context.config.samples != 0:
            candidate, augmented = picture_augmented(plan, candidate)
            pictures = {**pictures, **augmented}
        write_candidate_files(candidate, pictures, prepared.dataset, plan.folds, folder)
        observer.advance()
    # The finalists with their predictions, each once.
    predicted = {f.number: f for contender, _ in judged for f in contender.finalists}
    write_label_issues(
        plan,
        list(predicted.values()),
        candidates[0].record.folds,
        folder,
        observer,
        has_pictures=context.config.samples != 0,
    )
    leaderboard = build_leaderboard(
        [candidate.record for candidate in candidates], objective=prepared.goal.objective
    )
    folder.write_leaderboard(leaderboard.to_csv())
    _close(progress)
    report(folder, observer)


def report(folder: StudyFolder, observer: Observer) -> None:
    """The last of a study that is done; what a stop leaves of it, the next resume does.

    Args:
        folder: The study.
        observer: Hears of it.
    """
    folder.remove_predictions()
    observer.stage("write the report")
    write_report(folder)


def _plan(
    context: Context, progress: Progress, prepared: Prepared, searched: Searched
) -> FinalistsPlan:
    config, resources = context.config, context.resources
    chosen = progress.status.finalists or ()
    by_number = {record.trial: record for record in searched.ranked}
    trials = [(by_number[facts.trial], facts.epochs) for facts in chosen]
    is_default = prepared.space.is_default
    folds = prepared.folds[: progress.status.num_folds]
    refits = (
        0 if folds or not any(facts.epochs for facts in chosen) else searched.budget.members - 1
    )
    workers = min(resources.workers, len(chosen) * (1 + len(folds)) + refits)
    threads = max(resources.threads, context.machine.num_cpus // workers)
    return FinalistsPlan(
        dataset=prepared.dataset,
        finalists=tuple(Finalist(r, n, is_default=is_default(r.params)) for r, n in trials),
        folds=folds,
        goal=prepared.goal,
        seed=config.seed,
        workers=workers,
        threads=1 if config.deterministic else threads,
        precision=resources.precision,
        weights=context.weights,
        deterministic=config.deterministic,
        budget=searched.budget,
        interruption=context.interruption,
        prefer=config.prefer,
        own_model=prepared.own_model,
        trial_timeout_s=config.trial_timeout_s,
        save_progress=progress.save,
        check_disk=searched.disk.check,
    )


def _choose_finalists(
    context: Context, progress: Progress, prepared: Prepared, searched: Searched
) -> bool:
    """The best trials that there is time for: different params, and models that were kept.

    Returns:
        False where a finished study went on, and has time for less than what it was finished with:
        it is done again, with all that it had.

    Raises:
        SearchError: When not one of the trials has its model.
    """
    folder, budget, number = context.folder, searched.budget, context.config.finalists
    kept = distinct_trials(
        [r for r in searched.ranked if folder.trial_model_path(r.trial).exists()]
    )
    if not kept:
        raise _no_model(folder, len(searched.ranked))
    shortlist = budget.shortlist_now(kept)
    chosen = tuple(
        FinalistFacts(trial=record.trial, epochs=shortlist.epochs_of(record))
        if record in shortlist.retrained
        else FinalistFacts(trial=record.trial, epochs=None, own_epochs=record.best_epoch)
        for record in shortlist.trials
    )
    before = _finished(folder, progress.status)
    more_folds = shortlist.num_folds - progress.status.num_folds
    if before and _is_less(chosen, before, more_folds=more_folds):
        context.observer.warn(_why_it_stays(budget))
        progress.update(status="done", finalists=before)
        return False
    num_wanted = len(kept[:number]) + any(
        prepared.space.is_default(record.params) for record in kept[number:]
    )
    num_retrained, num_judged = len(shortlist.retrained), len(shortlist.trials)
    if not num_retrained:
        context.observer.warn(
            "There is no time to retrain a finalist: the trials' own models are judged."
        )
    elif num_retrained < num_wanted or shortlist.schedule < 1:
        fewer = f", with {shortlist.schedule:.0%} of the epochs" if shortlist.schedule < 1 else ""
        more = ": of the others their own models are judged" if num_retrained < num_judged else ""
        context.observer.warn(
            f"There is time to retrain {num_retrained} of {num_wanted} finalists{fewer}{more}."
        )
    if shortlist.num_folds < len(prepared.folds):
        context.observer.warn(_why_no_folds(budget, kept))
    folder.remove_retrained_checkpoints()
    folder.clear_candidates()
    folder.keep_finalists(facts.trial for facts in chosen)
    progress.update(
        status="finalists", finalists=chosen, num_folds=shortlist.num_folds, choice=None
    )
    return True


def _no_model(folder: StudyFolder, number: int) -> SearchError:
    """The error where trials could be chosen, but none has its model."""
    return SearchError(
        f"{folder.path}: a trial that is chosen must have its model, got none of "
        f"{count(number, 'trial')} with one.",
        remedy="A fork has the models that the other study kept, and deleted ones are gone: let "
        f"more trials run with `{folder.resume_command('--trials N')}`, N in all.",
    )


def _finished(folder: StudyFolder, status: StudyStatus) -> tuple[FinalistFacts, ...]:
    """The finalists of a study that was done before it went on; none where it was not.

    Of candidates that are made anew, the leaderboard goes first: where it is, all of them are.
    """
    looks = status.test_looks
    is_whole = bool(looks) and looks[-1].is_over and folder.leaderboard_path.exists()
    return looks[-1].finalists if is_whole else ()


def _is_less(
    chosen: Sequence[FinalistFacts], before: Sequence[FinalistFacts], *, more_folds: int
) -> bool:
    """Whether there are only finalists of before, fewer or with less made of them.

    Args:
        chosen: The finalists now.
        before: Those of the finished study.
        more_folds: On which they are compared now, less those of before.
    """
    trials = {facts.trial: facts for facts in before}
    is_other = any(facts.trial not in trials for facts in chosen)
    if is_other or more_folds > 0:
        return False
    pairs = [(facts, trials[facts.trial]) for facts in chosen]
    epochs = [((now.epochs or 0), (then.epochs or 0)) for now, then in pairs]
    # A trial that the budget had cut may have gone on: then its own model is another one.
    is_other_model = any(now != then and not now.epochs and then.own_epochs for now, then in pairs)
    if is_other_model or any(now > then for now, then in epochs):
        return False
    is_fewer = len(chosen) < len(before) or any(now < then for now, then in epochs)
    return is_fewer or more_folds < 0 or not any(now for now, _ in epochs)


def _why_no_folds(budget: Budget, ranked: Sequence[TrialRecord]) -> str:
    """That there are none; and how large a budget has time for them, where this one has not.

    It may have: then the last epochs of the search took longer than they were to.
    """
    said = "There is no time for folds: the finalists are compared on val."
    enough_s = budget.enough_for_folds_s(ranked)
    if budget.total_s is None or enough_s <= budget.total_s:
        return said
    return f"{said} A budget of about {rough_duration(enough_s)} in all has time for them."


def _why_it_stays(budget: Budget) -> str:
    """That a finished study is not judged anew; with a budget, what would give it the time."""
    said = "Less could be made of the finalists now: the study stays as it was finished."
    if budget.total_s is None:
        return said
    used, limit = rough_duration(budget.elapsed_s), rough_duration(budget.total_s)
    return f"{said} It took {used} of {limit}; a larger --budget counts all sessions together."


def _open_test(context: Context, progress: Progress, choice: Choice) -> None:
    """Note, before any test image is predicted, that they will be."""
    looks, finalists = progress.status.test_looks, progress.status.finalists or ()
    is_same = bool(looks) and not looks[-1].is_over and looks[-1].finalists == finalists
    if not is_same:
        if looks:
            context.observer.warn(
                f"The test split has been opened before ({len(looks) + 1} times now): what is "
                "chosen after that may be fitted to it, so these test scores are less honest."
            )
        looks = (*looks, TestLook(at=timestamp(), finalists=finalists))
    progress.update(choice=choice, test_looks=looks)
    for sentence in choice.sentences:
        context.observer.note(sentence)


def _close(progress: Progress) -> None:
    """The study is done and test closed in one write: else it might be opened twice."""
    looks = progress.status.test_looks
    last = looks[-1].model_copy(update={"is_over": True})
    progress.update(status="done", test_looks=(*looks[:-1], last))
