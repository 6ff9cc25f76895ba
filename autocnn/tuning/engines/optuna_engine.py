"""Optuna behind ask, report and tell.

The trial records are the truth; `optuna.db` is a view of them, for optuna-dashboard.
A sampler with a seed proposes the same start again after a resume, so each trial gets
a sampler seeded from (study seed, trial number).
"""

import warnings
from collections.abc import Callable

import numpy as np
import optuna
from optuna.pruners import BasePruner, MedianPruner, NopPruner
from optuna.samplers import BaseSampler, QMCSampler, RandomSampler, TPESampler
from optuna.trial import Trial, TrialState

from autocnn.core import records
from autocnn.core.config import PrunerName, SamplerName
from autocnn.core.objective import Goal
from autocnn.core.records import EpochScore, ParamValue, TrialRecord
from autocnn.spaces.knobs import Settings
from autocnn.spaces.space import SearchSpace
from autocnn.tuning.engines.base import NoProposal, Proposal, TriedPoints
from autocnn.tuning.engines.halving import Halving
from autocnn.tuning.engines.optuna_space import suggest_point
from autocnn.tuning.engines.optuna_storage import BoundedStorage
from autocnn.tuning.engines.optuna_view import OptunaView

MEDIAN_AFTER_SHARE = 6
"""The median pruner looks from a sixth of the epochs on."""

FAULT = "fault"
"""Constraint that a trial breaks which its params made fail."""

FAULT_EXCESS = 1e6
"""By so much: more than any gap can exceed its limit, so that the sampler ranks it last."""

STOPPED = (records.TrialState.PRUNED, records.TrialState.CUT)
"""Ends in the midst of training, which are all the same to Optuna."""

MOST_RANDOM = 10
"""Trials with some chance in them before TPE begins to model."""

CHANGED_SHARE = 0.35
"""Such a trial has about so many params that are drawn, the others are a start point's: of points
that are drawn whole, hardly one is as good (docs/search.md)."""

MOST_ATTEMPTS = 10
"""So often a sampler is asked for something new before chance decides."""


class OptunaEngine:
    """Optuna's samplers and pruners on a SearchSpace; see `base.Engine`.

    Args:
        space: The space.
        goal: Objective, direction, and the gap that is a constraint.
        sampler: Name of the sampler.
        pruner: Name of the pruner.
        seed: Study seed.
        epochs: Most epochs per trial.
        num_trials: Trials in the study. None: many. Before TPE models, the first fifth, at most 10,
            are start points with some params drawn by chance.
        storage: SQLAlchemy address of the database that shows it; None: there is none.
        name: Name of the study in the database.
        warn: Is told when the database is given up.
    """

    def __init__(
        self,
        space: SearchSpace,
        goal: Goal,
        *,
        sampler: SamplerName = "tpe",
        pruner: PrunerName = "asha",
        seed: int = 0,
        epochs: int = 30,
        num_trials: int | None = 50,
        storage: str | None = None,
        name: str = "study",
        warn: Callable[[str], None] = lambda text: None,
    ) -> None:
        if optuna.logging.get_verbosity() != optuna.logging.ERROR:  # to set it clears all caches
            optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.space = space
        self.goal = goal
        self.sampler = sampler
        self.seed = seed
        self.epochs = epochs
        self.num_random = MOST_RANDOM
        if num_trials is not None:
            self.num_random = max(3, min(MOST_RANDOM, num_trials // 5))
        self._open: dict[int, Trial] = {}
        self._reported: dict[int, int] = {}
        self._tried = TriedPoints(space)
        self._halving = Halving(epochs, maximize=goal.maximize) if pruner == "asha" else None
        self._storage = BoundedStorage(maximize=goal.maximize)
        self._study = optuna.create_study(
            storage=self._storage,
            sampler=RandomSampler(),  # each trial brings its own
            direction="maximize" if goal.maximize else "minimize",
            pruner=_build_pruner(pruner, epochs),
        )
        self._view = None
        if storage is not None:
            self._view = OptunaView(storage, name, self._study.direction, warn=warn)

    def ask(self, trial: int) -> Proposal | NoProposal:
        """The params of a trial; see `base.Engine.ask`.

        A start point that was not tried comes first. What was tried before is proposed
        again only by a space that cannot be counted; in one that can, chance decides among what
        is left: at once where that is at most half of it, but for the first trials, which keep
        most of a start point.
        """
        start = self._tried.next_start
        if start is not None:
            return self._take(self._open_trial(trial, fixed=start, from_start=True))
        if self._tried.is_exhausted:
            return NoProposal.EXHAUSTED
        untried = self._tried.choose_untried((self.seed, trial))
        most = 1 if self._tried.is_half_tried and not self._is_first(trial) else MOST_ATTEMPTS
        for attempt in range(most):
            kept = self._choose_kept(trial, attempt)
            proposal = self._open_trial(trial, fixed=kept, attempt=attempt)
            is_last = untried is None and attempt == most - 1
            if is_last or proposal.params not in self._tried:
                return self._take(proposal)
            self._drop(trial)
        return self._take(self._open_trial(trial, fixed=untried, attempt=most))

    def reopen(self, record: TrialRecord) -> None:
        """Take a trial as asked for; see `base.Engine.reopen`."""
        opened = self._open_trial(
            record.trial, fixed=dict(record.params), from_start=record.from_start
        )
        self._take(opened)

    def report(self, trial: int, score: EpochScore, *, epochs: int | None = None) -> bool:
        """Whether to stop a trial after this epoch; see `base.Engine.report`."""
        value = self.goal.value_of(score.val)
        if value is None or score.epoch <= self._reported.get(trial, 0):
            return False
        self._reported[trial] = score.epoch
        opened = self._open[trial]
        opened.report(value, step=score.epoch)
        if self._view is not None:
            self._view.report(opened.number, value, epoch=score.epoch)
        if opened.user_attrs["from_start"]:
            return False
        if self._halving is None:
            return opened.should_prune()
        return self._halving.is_behind(
            score.epoch,
            value,
            epochs=epochs or self.epochs,
            warmup_epochs=Settings(opened.params).integer("warmup_epochs"),
        )

    def close(self) -> None:
        """Close the database; see `base.Engine.close`."""
        if self._view is not None:
            self._view.close()

    def needed_models(self) -> set[int]:
        """None: every trial begins anew; see `base.Engine.needed_models`."""
        return set()

    def tell(self, record: TrialRecord) -> None:
        """Take the end of a trial; see `base.Engine.tell`."""
        opened = self._open.pop(record.trial)
        for key, value in _facts_of(record).items():
            opened.set_user_attr(key, value)
        excess = self.goal.gap_excess(record)
        if record.is_fault_of_params:
            opened.set_constraint(FAULT, FAULT_EXCESS)
        elif excess is not None:
            opened.set_constraint("max_gap", excess)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            if record.state == records.TrialState.COMPLETE and record.objective is not None:
                ended = self._study.tell(opened, record.objective)
            elif record.is_fault_of_params or (record.state in STOPPED and record.history):
                ended = self._study.tell(opened, state=TrialState.PRUNED)
            else:
                ended = self._study.tell(opened, state=TrialState.FAIL)
        if self._view is not None:
            self._view.end(ended)

    def _open_trial(
        self,
        trial: int,
        *,
        fixed: dict[str, ParamValue] | None = None,
        from_start: bool = False,
        attempt: int = 0,
    ) -> Proposal:
        """Begin a trial in Optuna; what `fixed` leaves open is sampled."""
        if fixed is not None:
            self._study.enqueue_trial(fixed)
        self._study.sampler = self._build_sampler(trial, attempt)
        with self._storage.bounded():
            opened = self._study.ask()
            if fixed is not None and self.sampler == "qmc" and not (from_start or attempt):
                _ = opened.relative_params  # takes its point off the sequence, as it first did
            params = suggest_point(opened, self.space)
        opened.set_user_attr("trial", trial)
        opened.set_user_attr("from_start", from_start)
        self._open[trial] = opened
        if self._view is not None:
            self._view.start(opened)
        return Proposal(params, from_start=from_start)

    def _is_first(self, trial: int) -> bool:
        """Whether TPE has too little to model at this trial."""
        return self.sampler == "tpe" and trial < len(self.space.start) + self.num_random

    def _choose_kept(self, trial: int, attempt: int) -> dict[str, ParamValue] | None:
        """What a first trial has of a start point: all but some params, at least one of them."""
        if not self._is_first(trial) or not self.space.start:
            return None
        rng = np.random.default_rng((self.seed, trial, attempt))
        kept = dict(self.space.start[rng.integers(len(self.space.start))])
        parameters = [p for p in self.space.parameters if p.name in kept]
        able = [p.name for p in parameters if p.values is None or len(p.values) > 1]
        drawn = {name for name in able if rng.random() < CHANGED_SHARE} or {*rng.choice(able, 1)}
        return {name: value for name, value in kept.items() if name not in drawn}

    def _take(self, proposal: Proposal) -> Proposal:
        """Note that a proposal will be tried."""
        self._tried.add(proposal.params)
        return proposal

    def _drop(self, trial: int) -> None:
        """Give up a proposal that was tried before."""
        opened = self._open.pop(trial)
        opened.set_user_attr("reason", "proposed before")
        ended = self._study.tell(opened, state=TrialState.FAIL)
        if self._view is not None:
            self._view.end(ended)

    def _build_sampler(self, trial: int, attempt: int) -> BaseSampler:
        """A sampler seeded for this trial, so that a resumed study goes on, not over."""
        entropy = (self.seed, trial, attempt) if attempt else (self.seed, trial)
        seed = int(np.random.SeedSequence(entropy).generate_state(1)[0])
        if attempt or self.sampler == "random" or self._is_first(trial):
            return RandomSampler(seed=seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            if self.sampler == "qmc":
                return QMCSampler(
                    seed=self.seed,
                    scramble=True,
                    independent_sampler=RandomSampler(seed=seed),
                    warn_independent_sampling=False,
                )
            return TPESampler(
                seed=seed, n_startup_trials=0, multivariate=True, group=True, constant_liar=True
            )


def _facts_of(record: TrialRecord) -> dict[str, str | int | float]:
    """What the dashboard shows beside the objective."""
    facts: dict[str, str | int | float] = {"state": str(record.state)}
    if record.reason:
        facts["reason"] = record.reason
    if record.best_epoch is not None:
        facts["best_epoch"] = record.best_epoch
    return facts


def _build_pruner(name: PrunerName, epochs: int) -> BasePruner:
    """Optuna's pruner; ASHA is `halving`, which Optuna need not know of."""
    if name == "median":
        first = max(1, epochs // MEDIAN_AFTER_SHARE)
        return MedianPruner(n_startup_trials=4, n_warmup_steps=first)
    return NopPruner()
