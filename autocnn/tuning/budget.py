"""How long the rest of a study will take: the search must leave time for the finalists.

docs/budget.md says the policy in words.
"""

import bisect
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import product

from autocnn.core.records import EpochScore, Params, TrialRecord
from autocnn.spaces.knobs import is_mirrored

JUDGING_S = 8.0
"""Measured time to load, predict with and draw one candidate."""

FORWARD_SHARE = 0.5
"""Time to predict an image over the time to train on it: a third of the operations, but in
float32 and without the averaging of a large batch."""

FINALISTS_SHARE = 1 / 3
"""Largest share of the budget that the search leaves to the finalists, fixed from the start."""

MEMBERS_SHARE = 1 / 6
"""Largest share besides that it leaves to further refits of the best one; without folds to all."""

SCHEDULES = (1.0, 0.95, 0.9, 0.85, 0.8, 0.75)
"""Shares of the trial's epochs that a refit may span, so that it, or its folds, fit.

Its epochs have more steps than those of the trial."""

LEFT_SCHEDULE = 0.85
"""The schedule of a refit that the first trial leaves time for: later epochs may be slower."""

FEW_TRIALS = 6
"""Where a search has time for fewer whole trials, none is stopped for being behind."""

FEWEST_EPOCHS_SHARE = 3
"""Near the end of the budget a trial starts, or goes on, if it can train a third of its epochs."""

IDLE_SHARE = 0.05
"""With fewer epochs than that it starts only where more of the budget would be idle."""

SLOWNESS_ALLOWED = 1.1
"""Epochs vary: a trial may seem to need a tenth more than the time left."""


class Pace:
    """How long the ended trials took, with no more work for the next one than for the first."""

    def __init__(self) -> None:
        self._epochs_s: list[float] = []
        self._num_trials = 0
        self._trials_s = 0.0
        self._starts_s = 0.0

    def add(self, record: TrialRecord) -> None:
        """Take an ended trial; one without an epoch tells nothing."""
        if record.history:
            bisect.insort(self._epochs_s, epoch_seconds(record.history))
            self._num_trials += 1
            self._trials_s += record.seconds
            self._starts_s += _start_seconds(record)

    @property
    def epoch_s(self) -> float | None:
        """Median over the trials of their seconds per epoch; None before the first."""
        number = len(self._epochs_s)
        if not number:
            return None
        return (self._epochs_s[(number - 1) // 2] + self._epochs_s[number // 2]) / 2

    @property
    def trial_s(self) -> float | None:
        """Mean seconds of a trial; None before the first."""
        return self._trials_s / self._num_trials if self._num_trials else None

    @property
    def start_s(self) -> float:
        """Mean seconds of a trial beside its epochs; 0 before the first."""
        return self._starts_s / self._num_trials if self._num_trials else 0.0


@dataclass(frozen=True)
class Shortlist:
    """What is made of the best trials at the end.

    Attributes:
        trials: Best first.
        retrained: Those of them that are retrained; of the others their own models are judged.
        num_folds: Folds on which they are compared.
        num_members: Refits, each with another seed, of the first retrained one.
        schedule: Share of its trial's epochs that each refit spans.
    """

    trials: tuple[TrialRecord, ...]
    retrained: tuple[TrialRecord, ...] = ()
    num_folds: int = 0
    num_members: int = 1
    schedule: float = 1.0

    def epochs_of(self, record: TrialRecord) -> int:
        """Epochs of a refit of one of the trials."""
        return max(1, round(record.refit_epochs * self.schedule))


@dataclass(frozen=True)
class Budget:
    """The time of a study.

    Attributes:
        total_s: Seconds for all of it; None: no limit.
        workers: Trials at once.
        finalists: Trials wanted at the end, beside the default configuration.
        members: Refits of the best one that are wanted, each with another seed.
        num_folds: Models that a finalist is compared on, all repeats together; 0: none.
        fold_size: Fraction of train + val that a fold model trains on.
        is_default: Whether params are the space's default configuration.
        is_mirrored: Whether models of such params predict each image twice, mirrored too.
        refit_factor: Images of a refit over images of a trial: (train + val) / train.
        num_train: Images of a trial.
        num_judged: Images that each model predicts at the end, test with its disturbances.
        num_measured: Images that each candidate then predicts with all its models.
        clock: Seconds now; from the start of the study on.
        started: The clock at the start.
        most_for_finalists_s: Seconds that the search leaves to the finalists at most, further
            refits included; None: their shares of the budget.
    """

    total_s: float | None
    workers: int
    finalists: int
    refit_factor: float
    is_default: Callable[[Params], bool]
    num_folds: int = 0
    members: int = 1
    fold_size: float = 0.0
    num_train: int = 1
    num_judged: int = 0
    num_measured: int = 0
    is_mirrored: Callable[[Params], bool] = is_mirrored
    clock: Callable[[], float] = time.monotonic
    started: float = field(default=0.0)
    most_for_finalists_s: float | None = None

    @property
    def elapsed_s(self) -> float:
        """Seconds since the study began."""
        return self.clock() - self.started

    @property
    def left_s(self) -> float:
        """Seconds of the whole budget that are left; infinite without one."""
        return float("inf") if self.total_s is None else self.total_s - self.elapsed_s

    # -- the finalists ----------------------------------------------------------------------

    def shortlist_now(self, ranked: Sequence[TrialRecord]) -> Shortlist:
        """What there is time to make of the best trials now.

        The best and the default configuration on folds are worth more than many without: first
        there are fewer finalists, then up to a quarter fewer epochs, then no folds. Without them
        the best and the default configuration are retrained, with up to a quarter fewer epochs
        where that makes them fit; then one of them alone, the best if it can be. The others' own
        models are judged, which costs next to nothing and serves the ensemble. Further refits, of
        the best or of that one, are made where time is left then.

        Args:
            ranked: Trials, best first; at least one. Behind as many as there are finalists,
                only the default configuration is looked for.
        """
        return self._plan(ranked, self.left_s)

    def planned_s(self, ranked: Sequence[TrialRecord]) -> float:
        """Seconds that the search must leave for the finalists, never more than their share.

        A slow second-best would else take the time in which a better trial could be found.

        Args:
            ranked: As of `shortlist_now`.
        """
        return self.shortlist_s(self._planned(ranked)) if ranked else 0.0

    def _planned(self, ranked: Sequence[TrialRecord]) -> Shortlist:
        """What the search must leave time for."""
        return self._plan(ranked, self._share_s + self._members_share_s)

    def settled(self, ranked: Sequence[TrialRecord]) -> "Budget | None":
        """The budget after a search that has ended, if that may go on.

        The last epochs may have taken so long that the finalists can no longer be what they were
        to be. What they will not need then is the search's again.

        Args:
            ranked: As of `shortlist_now`; at least one.

        Returns:
            None where no more than a twentieth of the budget would be idle.
        """
        if self.total_s is None:
            return None
        needed_s = self.shortlist_s(self.shortlist_now(ranked))
        is_idle = self.left_s - needed_s > IDLE_SHARE * self.total_s
        return replace(self, most_for_finalists_s=needed_s) if is_idle else None

    def enough_for_folds_s(self, ranked: Sequence[TrialRecord]) -> float:
        """Seconds of a whole budget that holds the folds of the best and the default.

        Args:
            ranked: As of `shortlist_now`; at least one.
        """
        *_, smallest = self._plans_on_folds([self._wanted(ranked, 1)])
        return self.shortlist_s(smallest) / FINALISTS_SHARE

    @property
    def _share_s(self) -> float:
        """Seconds that the search leaves to the finalists at most."""
        if self.most_for_finalists_s is not None:
            return self.most_for_finalists_s
        return float("inf") if self.total_s is None else FINALISTS_SHARE * self.total_s

    @property
    def _members_share_s(self) -> float:
        """Seconds besides that it leaves to further refits; without folds, to all refits."""
        if self.total_s is None or self.most_for_finalists_s is not None:
            return 0.0
        return MEMBERS_SHARE * self.total_s

    def shortlist_s(self, shortlist: Shortlist) -> float:
        """Seconds that retraining these trials, also on folds, and judging them will take.

        The trainings start in the order in which `retrain` has them: with folds, the best is known
        only after them; without, its further refits begin where the first ones leave a worker.
        """
        num_refits = shortlist.num_members if shortlist.retrained else 0
        judging_s = self.judging_s(shortlist.trials, shortlist.num_folds, num_refits)
        retrained = [(r, shortlist.epochs_of(r)) for r in shortlist.retrained]
        shares = (1.0, *[self.fold_size] * shortlist.num_folds)
        first = [self.refit_s(*refit, share) for refit in retrained for share in shares]
        more = [self.refit_s(*refit) for refit in retrained[:1]] * (shortlist.num_members - 1)
        waves = (first, more) if shortlist.num_folds else (first + more,)
        return sum(map(self._makespan, waves)) + judging_s

    def members_now(
        self,
        chosen: Sequence[tuple[TrialRecord, int]],
        finalists: Sequence[TrialRecord],
        num_folds: int,
        *,
        first: Sequence[tuple[TrialRecord, int]] = (),
    ) -> tuple[int, float]:
        """Refits that there is time for of each of the chosen trials, the first one included.

        Args:
            chosen: One, or those of an ensemble, with the epochs of their first refits.
            finalists: All that will be judged.
            num_folds: Fold models of each.
            first: Refits that are to be made before these.

        Returns:
            How many, and over which share of its trial's schedule each further one is made.
        """
        before_s = [self.refit_s(*refit) for refit in first]
        for number, schedule in product(range(self.members, 1, -1), SCHEDULES):
            each_s = [self.refit_s(r, further_epochs(r, most, schedule)) for r, most in chosen]
            training_s = self._makespan(before_s + each_s * (number - 1))
            judging_s = self.judging_s(finalists, num_folds, number, num_chosen=len(chosen))
            if training_s + judging_s <= self.left_s:
                return number, schedule
        return 1, 1.0

    def _makespan(self, seconds: Sequence[float]) -> float:
        """When all of these end that start in their order, each where one ends first."""
        loads = [0.0] * self.workers
        for one in seconds:
            loads[loads.index(min(loads))] += one
        return max(loads)

    def refit_s(self, record: TrialRecord, epochs: int, share: float = 1.0) -> float:
        """Seconds to train a trial's params again for so many epochs on a share of train + val."""
        epochs_s = epoch_seconds(record.history) * epochs
        return _start_seconds(record) + epochs_s * self.refit_factor * share

    def judging_s(
        self,
        best: Sequence[TrialRecord],
        num_folds: int,
        num_refits: int = 1,
        *,
        num_chosen: int = 1,
    ) -> float:
        """Seconds to judge trials at the end.

        Each gives a refit, or its own model, and with folds the mean of its fold models; all give
        an ensemble. The first ones stand for those that are chosen, whose refits are averaged, with
        the trial's own model where there are fewer than wanted; a chosen ensemble holds them too.
        """
        per_image = [
            epoch_seconds(r.history) / self.num_train * (2 if self.is_mirrored(r.params) else 1)
            for r in best
        ]
        has_mean = self.members > 1 and num_refits > 0
        num_averaged = min(self.members, num_refits + 1) if has_mean else 0
        chosen_s, each_s = sum(per_image[:num_chosen]), sum(per_image)
        # Each model once; the first refit is one of those that are averaged.
        further_s = max(0, num_averaged - 1) * chosen_s
        judged_s = (1 + num_folds) * each_s + further_s
        # And in each candidate: a refit in the ensemble too.
        measured_s = (2 + num_folds) * each_s + num_averaged * chosen_s
        measured_s += further_s if num_chosen > 1 else 0.0
        has_ensemble = num_folds > 0 or len(best) > 1
        num_candidates = len(best) * (2 if num_folds else 1) + has_ensemble + has_mean * num_chosen
        trained_s = self.num_judged * judged_s + self.num_measured * measured_s
        return FORWARD_SHARE * trained_s / self.workers + JUDGING_S * num_candidates

    def is_time_to_judge(self, best: Sequence[TrialRecord], num_folds: int) -> bool:
        """Whether retraining must end now for the judging to fit."""
        return self.left_s <= self.judging_s(best, num_folds)

    def _plan(self, ranked: Sequence[TrialRecord], limit_s: float) -> Shortlist:
        """The largest plan that takes no longer, or the smallest one.

        Folds have what is over when further refits have theirs, but always their share: what the
        search has left for refits without folds is not for folds without refits.
        """
        folds_s = min(limit_s, max(self._share_s, limit_s - self._members_share_s))
        plan = Shortlist(tuple(ranked[:1]))
        for plan in self._plans(ranked):
            if self.shortlist_s(plan) <= (folds_s if plan.num_folds else limit_s):
                break
        return self._with_members(plan, limit_s)

    def _plans(self, ranked: Sequence[TrialRecord]) -> Iterator[Shortlist]:
        """What may be made of the best trials, the largest plan first."""
        numbers = range(min(self.finalists, len(ranked)), 0, -1)
        wanted = [self._wanted(ranked, number) for number in numbers]
        if self.num_folds:
            yield from self._plans_on_folds(wanted)
        every = (*wanted, tuple(ranked[:1]))
        most = len(wanted[-1] if self.num_folds else wanted[0])
        parts = [slice(number) for number in range(most, 1, -1)]
        # One whose refit fits, where that of the best takes too long: it serves the average.
        parts += [slice(place, place + 1) for place in range(len(wanted[0]))]
        for part, trials in product(parts, every):
            if part.stop <= len(trials):
                retrained = trials[part]
                # Beside it, on workers that would be idle, further refits take no time.
                beside = max(1, min(self.members, 1 + self.workers - len(retrained)))
                for members, schedule in product(range(beside, 0, -1), SCHEDULES):
                    yield Shortlist(trials, retrained, num_members=members, schedule=schedule)
        yield from map(Shortlist, every)

    def _plans_on_folds(self, wanted: Sequence[tuple[TrialRecord, ...]]) -> Iterator[Shortlist]:
        """All of them over whole schedules, then fewer, then the fewest over shorter ones."""
        for trials in wanted:
            yield Shortlist(trials, trials, self.num_folds)
        for schedule in SCHEDULES[1:]:
            yield Shortlist(wanted[-1], wanted[-1], self.num_folds, schedule=schedule)

    def _with_members(self, shortlist: Shortlist, limit_s: float) -> Shortlist:
        """The same with as many refits of the first retrained one as fit besides."""
        if not shortlist.retrained:
            return shortlist
        more = range(self.members, shortlist.num_members, -1)
        plans = (replace(shortlist, num_members=n) for n in more)
        return next((plan for plan in plans if self.shortlist_s(plan) <= limit_s), shortlist)

    def _wanted(self, ranked: Sequence[TrialRecord], number: int) -> tuple[TrialRecord, ...]:
        """The best trials, and the default configuration if it is none of them."""
        default = next((i for i, r in enumerate(ranked) if self.is_default(r.params)), 0)
        return (*ranked[:number], *([ranked[default]] if default >= number else []))

    # -- the search -------------------------------------------------------------------------

    def search_left_s(self, ranked: Sequence[TrialRecord]) -> float:
        """Seconds until the finalists must begin; infinite without a budget.

        Args:
            ranked: As of `shortlist_now`.
        """
        return float("inf") if self.total_s is None else self.left_s - self.planned_s(ranked)

    def epochs_for_next(self, epochs: int, pace: Pace, ranked: Sequence[TrialRecord]) -> int:
        """Epochs of a trial that starts now; fewer than `epochs` near the end, then 0.

        A trial whose schedule fits the time left is worth more than one cut off half-way. Where
        there is time for few trials, what is left is worth more as epochs of the refits.

        Args:
            epochs: Epochs of a trial with time enough.
            pace: Of the ended trials.
            ranked: As of `shortlist_now`.
        """
        left = self.search_left_s(ranked)
        if self.total_s is None:
            return epochs
        if left <= 0:
            return 0
        if pace.epoch_s is None:
            return epochs
        fitting = int((left - pace.start_s) / pace.epoch_s) if pace.epoch_s > 0 else epochs
        is_settled = self.most_for_finalists_s is not None
        is_idle = left > IDLE_SHARE * self.total_s and (
            is_settled or not self.has_few_trials(epochs, pace.epoch_s, ranked)
        )
        is_worth_it = fitting * FEWEST_EPOCHS_SHARE >= epochs or is_idle
        return max(0, min(epochs, fitting)) if is_worth_it else 0

    def epochs_that_fit(self, record: TrialRecord, ranked: Sequence[TrialRecord]) -> int | None:
        """Epochs that the schedule of a running trial can span, by the seconds of its own.

        Args:
            record: With its epochs so far, at least one, and what its schedule spans.
            ranked: As of `shortlist_now`; when there is none, the trial itself is the finalist.

        Returns:
            Fewer than its schedule spans, which takes another process, where so many fit: up to a
            quarter fewer if so a refit fits too. Else what it spans, so that it goes on as it is
            until it is cut; its epochs so far where not one more fits. None where the second epoch
            has to tell.
        """
        wanted, done = record.epochs or 1, record.history[-1].epoch
        if self._fits(record, ranked, wanted, 0.0, with_refit=True):
            return wanted
        if _second_tells(record.history, self.left_s - JUDGING_S):
            return None
        again_s = max(0.0, record.history[0].seconds - epoch_seconds(record.history))

        def most(*, with_refit: bool) -> int:
            every = ((n, again_s if n < wanted else 0.0) for n in range(wanted, done, -1))
            fits = partial(self._fits, record, ranked, with_refit=with_refit)
            return next((epochs for epochs, more_s in every if fits(epochs, more_s)), 0)

        alone, beside_refit = most(with_refit=False), most(with_refit=True)
        if beside_refit >= SCHEDULES[-1] * alone > 0:
            return beside_refit
        return alone or (wanted if self._fits(record, ranked, done + 1, 0.0) else done)

    def epochs_if_slow(self, record: TrialRecord, ranked: Sequence[TrialRecord]) -> int | None:
        """Epochs to which the schedule of a trial that `is_too_slow` is shortened.

        A search proposes slow networks too, whose pace no ended trial tells: to end each after two
        epochs would waste what they took.

        Args:
            record: As of `epochs_that_fit`.
            ranked: As of `shortlist_now`.

        Returns:
            None where not a third of its epochs would fit: then it is not worth the time.
        """
        wanted, done = record.epochs or 1, record.history[-1].epoch
        epochs = self.epochs_that_fit(record, ranked) or 0
        is_worth_it = epochs * FEWEST_EPOCHS_SHARE >= wanted
        return epochs if is_worth_it and done < epochs < wanted else None

    def _fits(
        self,
        record: TrialRecord,
        ranked: Sequence[TrialRecord],
        epochs: int,
        again_s: float,
        *,
        with_refit: bool = False,
    ) -> bool:
        """Whether a running trial can train so many epochs in all, `again_s` for compiling."""
        then = ranked or [record.model_copy(update={"best_epoch": epochs})]
        more_s = epoch_seconds(record.history) * (epochs - record.history[-1].epoch)
        plan = self._planned(then)
        is_roomy = plan.num_folds > 0 or plan.schedule >= LEFT_SCHEDULE
        has_refit = not with_refit or (bool(plan.retrained) and is_roomy)
        return has_refit and more_s + again_s <= self.search_left_s(then)

    def has_few_trials(self, epochs: int, epoch_s: float, ranked: Sequence[TrialRecord]) -> bool:
        """Whether the whole search has time for a few trials only.

        The model of a trial that ends is worth more then than glimpses of others: it serves the
        ensemble. And of two or three, nobody knows after a sixth which is behind.

        Args:
            epochs: Epochs of a trial with time enough.
            epoch_s: Seconds of a typical epoch.
            ranked: As of `shortlist_now`.
        """
        if self.total_s is None:
            return False
        search_s = self.total_s - self.planned_s(ranked)
        return self.workers * search_s < FEW_TRIALS * epochs * epoch_s

    def time_left_s(self, num_left: int | None, pace: Pace, finalists_s: float) -> float | None:
        """Seconds until the study is done; None when that is not known.

        Args:
            num_left: Trials still to run, running ones included; None: as many as there is
                time for.
            pace: Of the ended trials.
            finalists_s: What `planned_s` says.
        """
        left = None if self.total_s is None else max(0.0, self.left_s)
        if pace.trial_s is None or num_left is None:
            return left
        estimate = pace.trial_s * num_left / self.workers + finalists_s
        return estimate if left is None else min(estimate, left)


def further_epochs(record: TrialRecord, most: int, schedule: float = SCHEDULES[-1]) -> int:
    """Epochs of a further refit over a share of its trial's schedule; the fewest that it may have.

    Args:
        record: Of the trial.
        most: Epochs of its first refit, which none has more of.
        schedule: One of `SCHEDULES`.
    """
    return min(most, max(1, round(max(most, record.refit_epochs) * schedule)))


def is_too_slow(history: Sequence[EpochScore], epochs: int, left_s: float) -> bool:
    """Whether a running trial cannot train all its epochs in the time left.

    Args:
        history: Its epochs so far.
        epochs: Epochs that its schedule spans.
        left_s: Seconds until the finalists must begin.
    """
    epoch_s = epoch_seconds(history)
    if _second_tells(history, left_s):
        return False
    return epoch_s * (epochs - history[-1].epoch) > SLOWNESS_ALLOWED * left_s


def epoch_seconds(history: Sequence[EpochScore]) -> float:
    """Typical seconds of an epoch: the median, the lower one of two.

    The first epoch of each process also compiles the network: that of the trial's first process
    counts only where it is alone, and that of a later one is no median.
    """
    counted = sorted(score.seconds for score in history[1:] or history)
    return counted[(len(counted) - 1) // 2]


def _second_tells(history: Sequence[EpochScore], left_s: float) -> bool:
    """Whether the second epoch says how long an epoch is: one like the first would still fit.

    The first also compiles the network, which may take far longer than to train on small images.
    """
    return len(history) == 1 and history[0].seconds <= left_s


def _start_seconds(record: TrialRecord) -> float:
    """Seconds of a trial beside its epochs: its process, its data, its compiling, once."""
    history = record.history
    outside_s = max(0.0, record.seconds - sum(score.seconds for score in history))
    return outside_s + max(0.0, history[0].seconds - epoch_seconds(history))
