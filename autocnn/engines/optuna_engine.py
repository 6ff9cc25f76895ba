"""Optuna behind ask, report and tell.

The trial records are the truth; `optuna.db` is a view of them, for optuna-dashboard.
A sampler with a seed proposes the same start again after a resume, so each trial gets
a sampler seeded from (study seed, trial number).
"""

import warnings
from collections.abc import Sequence

import numpy as np
import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.pruners import BasePruner, MedianPruner, NopPruner, SuccessiveHalvingPruner
from optuna.samplers import BaseSampler, QMCSampler, RandomSampler, TPESampler
from optuna.trial import Trial, TrialState, create_trial

from autocnn import records
from autocnn.config import PrunerName, SamplerName
from autocnn.engines.base import Proposal
from autocnn.objective import Goal
from autocnn.records import EpochScore, ParamValue, TrialRecord
from autocnn.space import AnyParameter, Categorical, Float, Int, SearchSpace

RUNG_FACTOR = 3
"""ASHA keeps the best third at each rung (Li et al. 2020, arXiv:1810.05934)."""

FIRST_RUNG_SHARE = 6
"""The first rung is at a sixth of the epochs: before, warm-up decides more than params."""


class OptunaEngine:
    """Optuna's samplers and pruners on a SearchSpace; see `base.Engine`.

    Args:
        space: The space.
        goal: Objective, direction, and the gap that is a constraint.
        sampler: Name of the sampler.
        pruner: Name of the pruner.
        seed: Study seed.
        epochs: Most epochs per trial; places ASHA's rungs.
        num_trials: Trials in the study; the first fifth, at most 10, is random.
        storage: SQLAlchemy address of the database; None keeps it in memory.
        name: Name of the study in the database.
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
        num_trials: int = 50,
        storage: str | None = None,
        name: str = "study",
    ) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.space = space
        self.goal = goal
        self.sampler = sampler
        self.seed = seed
        self.num_random = max(3, min(10, num_trials // 5))
        self._open: dict[int, Trial] = {}
        self._study = optuna.create_study(
            study_name=name,
            storage=storage,
            direction="maximize" if goal.maximize else "minimize",
            pruner=_build_pruner(pruner, epochs),
        )

    def restore(self, records: Sequence[TrialRecord]) -> None:
        """Learn from ended trials; see `base.Engine.restore`."""
        for record in records:
            self._study.add_trial(self._as_optuna_trial(record))

    def ask(self, trial: int) -> Proposal:
        """The params of a trial; see `base.Engine.ask`."""
        is_start = trial < len(self.space.start)
        if is_start:
            self._study.enqueue_trial(dict(self.space.start[trial]))
        self._study.sampler = self._build_sampler(trial)
        opened = self._study.ask()
        assert opened.number == trial, "trials are asked for in order"
        self._open[trial] = opened
        params = self.space.walk(lambda parameter: _suggest(opened, parameter))
        return Proposal(params, from_start=is_start)

    def report(self, trial: int, score: EpochScore) -> bool:
        """Whether to stop a trial after this epoch; see `base.Engine.report`."""
        value = self.goal.value_of(score.val)
        if value is None:
            return False
        opened = self._open[trial]
        opened.report(value, step=score.epoch)
        return trial >= len(self.space.start) and opened.should_prune()

    def tell(self, record: TrialRecord) -> None:
        """Take the end of a trial; see `base.Engine.tell`."""
        opened = self._open.pop(record.trial)
        for key, value in _facts_of(record).items():
            opened.set_user_attr(key, value)
        excess = self.goal.gap_excess(record)
        if excess is not None:
            opened.set_constraint("max_gap", excess)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            if record.state == records.TrialState.COMPLETE and record.objective is not None:
                self._study.tell(opened, record.objective)
            elif record.state == records.TrialState.PRUNED and record.history:
                self._study.tell(opened, state=TrialState.PRUNED)
            else:
                self._study.tell(opened, state=TrialState.FAIL)

    def _build_sampler(self, trial: int) -> BaseSampler:
        """A sampler seeded for this trial, so that a resumed study goes on, not over."""
        seed = int(np.random.SeedSequence((self.seed, trial)).generate_state(1)[0])
        is_random = trial < len(self.space.start) + self.num_random
        if self.sampler == "random" or (self.sampler == "tpe" and is_random):
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

    def _as_optuna_trial(self, record: TrialRecord) -> optuna.trial.FrozenTrial:
        """An ended trial in Optuna's terms."""
        distributions = {
            p.name: _distribution_of(p) for p in self.space.parameters if p.name in record.params
        }
        curve = {
            score.epoch: value
            for score in record.history
            if (value := self.goal.value_of(score.val)) is not None
        }
        state, value = TrialState.FAIL, None
        if record.state == records.TrialState.COMPLETE and record.objective is not None:
            state, value = TrialState.COMPLETE, record.objective
        elif record.state == records.TrialState.PRUNED and curve:
            state, value = TrialState.PRUNED, curve[max(curve)]  # as Optuna's tell takes it
        excess = self.goal.gap_excess(record)
        return create_trial(
            state=state,
            value=value,
            params=dict(record.params),
            distributions=distributions,
            intermediate_values=curve,
            user_attrs=_facts_of(record),
            system_attrs={} if excess is None else {"constraints:max_gap": excess},
        )


def _suggest(trial: Trial, parameter: AnyParameter) -> ParamValue:
    value: ParamValue
    match parameter:
        case Categorical():
            value = trial.suggest_categorical(parameter.name, parameter.choices)  # type: ignore[assignment]
        case Int():
            value = trial.suggest_int(
                parameter.name, parameter.low, parameter.high,
                step=parameter.step, log=parameter.log,
            )  # fmt: skip
        case Float():
            value = trial.suggest_float(
                parameter.name, parameter.low, parameter.high, log=parameter.log
            )
    return value


def _distribution_of(parameter: AnyParameter) -> BaseDistribution:
    match parameter:
        case Categorical():
            return CategoricalDistribution(parameter.choices)
        case Int():
            return IntDistribution(
                parameter.low, parameter.high, step=parameter.step, log=parameter.log
            )
        case Float():
            return FloatDistribution(parameter.low, parameter.high, log=parameter.log)


def _facts_of(record: TrialRecord) -> dict[str, str | int | float]:
    """What the dashboard shows beside the objective."""
    facts: dict[str, str | int | float] = {"state": str(record.state)}
    if record.reason:
        facts["reason"] = record.reason
    if record.best_epoch is not None:
        facts["best_epoch"] = record.best_epoch
    return facts


def _build_pruner(name: PrunerName, epochs: int) -> BasePruner:
    first = max(1, epochs // FIRST_RUNG_SHARE)
    if name == "asha":
        return SuccessiveHalvingPruner(min_resource=first, reduction_factor=RUNG_FACTOR)
    if name == "median":
        return MedianPruner(n_startup_trials=4, n_warmup_steps=first)
    return NopPruner()
