"""KerasTuner's oracles behind ask, report and tell.

A resumed study tells a new oracle the same events in the same order, with the params that
the records hold. Like Optuna's samplers, it is seeded anew for each trial. Its JSON files are
a view of the records.

An oracle never stops a trial; only Hyperband gives it fewer epochs.
"""

import contextlib
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras_tuner
import numpy as np

from autocnn.core.atomic import writing_error
from autocnn.core.config import SamplerName
from autocnn.core.objective import Goal
from autocnn.core.records import EpochScore, ParamValue, TrialRecord
from autocnn.spaces.space import SearchSpace
from autocnn.tuning.engines.base import NoProposal, Proposal, TriedPoints
from autocnn.tuning.engines.keras_tuner_oracles import (
    BayesianOracle,
    GridOracle,
    HyperbandOracle,
    RandomOracle,
)
from autocnn.tuning.engines.keras_tuner_space import encode, read_point, to_hyperparameters

OBJECTIVE = "objective"

NEVER = 10**9
"""Failures in a row after which an oracle would give up: the loop decides that here."""


class KerasTunerEngine:
    """KerasTuner's samplers on a SearchSpace; see `base.Engine`.

    Args:
        space: The space.
        goal: Objective and direction. Oracles know no constraint: trials beyond its gap
            only rank behind the others at the end.
        sampler: bayesian, random, hyperband or grid.
        seed: Study seed.
        epochs: Most epochs per trial.
        directory: Folder for the oracle's JSON.
    """

    def __init__(
        self,
        space: SearchSpace,
        goal: Goal,
        *,
        sampler: SamplerName = "bayesian",
        seed: int = 0,
        epochs: int = 30,
        directory: Path,
    ) -> None:
        self.space = space
        self.goal = goal
        self.sampler = sampler
        self.seed = seed
        self.directory = directory
        self._open: dict[int, Any] = {}
        self._reported: dict[int, int] = {}
        self._number_of: dict[str, int] = {}
        self._parent_of: dict[int, int] = {}
        self._tried = TriedPoints(space)
        self._asked = 0
        with _calling(self.directory):
            self._oracle = _build_oracle(space, goal, sampler, seed=seed, epochs=epochs)
            self._oracle.keep_in(directory)
            self._oracle.verbose = 0
        self._oracle.find_untried = self._find_untried

    def ask(self, trial: int) -> Proposal | NoProposal:
        """The params of a trial; see `base.Engine.ask`."""
        return self._create(trial, self._tried.next_start)

    def reopen(self, record: TrialRecord) -> None:
        """Take a trial as asked for; see `base.Engine.reopen`."""
        ids = {number: trial_id for trial_id, number in self._number_of.items()}
        parent_id = None if record.parent is None else ids.get(record.parent)
        self._create(record.trial, dict(record.params), reopened=(record, parent_id))
        if record.parent is not None:
            self._parent_of[record.trial] = record.parent

    def report(self, trial: int, score: EpochScore, *, epochs: int | None = None) -> bool:
        """Tell the oracle, which never stops a trial; see `base.Engine.report`."""
        value = self.goal.value_of(score.val)
        if value is not None and score.epoch > self._reported.get(trial, 0):
            self._reported[trial] = score.epoch
            with _calling(self.directory):
                self._oracle.update_trial(
                    self._open[trial].trial_id, {OBJECTIVE: value}, step=score.epoch
                )
        return False

    def tell(self, record: TrialRecord) -> None:
        """Take the end of a trial; see `base.Engine.tell`."""
        opened = self._open.pop(record.trial)
        if record.is_fault_of_params:
            is_scored = self._oracle.learn_from(opened)
        else:
            is_scored = record.state.is_scored and opened.metrics.exists(OBJECTIVE)
        opened.status = "COMPLETED" if is_scored else "FAILED"
        opened.message = record.reason or None
        with _calling(self.directory):
            self._oracle.end_trial(opened)

    def needed_models(self) -> set[int]:
        """Trials of Hyperband's open brackets, whose best go on, and parents of open trials."""
        ids = self._oracle.open_bracket_ids()
        parents = {self._parent_of[trial] for trial in self._open if trial in self._parent_of}
        return parents | {self._number_of[i] for i in ids if i in self._number_of}

    def close(self) -> None:
        """Nothing is open; see `base.Engine.close`."""

    def _find_untried(self) -> dict[str, Any] | None:
        """A point that was not tried, by chance; None in a space without end, or at its end."""
        untried = self._tried.choose_untried((self.seed, self._asked))
        return None if untried is None else encode(self.space, untried)

    def _create(
        self,
        trial: int,
        prescribed: dict[str, ParamValue] | None,
        *,
        reopened: tuple[TrialRecord, str | None] | None = None,
    ) -> Proposal | NoProposal:
        self._asked = trial
        oracle = self._oracle
        entropy = np.random.SeedSequence((self.seed, trial)).generate_state(1)
        oracle.seed_anew(int(entropy[0] >> 1))
        oracle.prescribed = None if prescribed is None else encode(self.space, prescribed)
        oracle.reopened = reopened
        with _calling(self.directory):
            created = oracle.create_trial(str(trial))
        if created.status == "IDLE":
            return NoProposal.WAIT
        if created.status != "RUNNING":
            return NoProposal.EXHAUSTED
        self._open[trial] = created
        self._number_of[created.trial_id] = trial
        values = created.hyperparameters.values
        params = read_point(self.space, values)
        self._tried.add(params)
        parent = self._number_of.get(values.get("tuner/trial_id", ""))
        if parent is not None:
            self._parent_of[trial] = parent
        return Proposal(
            params,
            from_start=params == prescribed and params in [dict(p) for p in self.space.start],
            epochs=values.get("tuner/epochs"),
            parent=parent,
            first_epoch=values.get("tuner/initial_epoch", 0) + 1 if parent is not None else 1,
        )


def _build_oracle(
    space: SearchSpace, goal: Goal, sampler: SamplerName, *, seed: int, epochs: int
) -> Any:
    """The oracle of a sampler."""
    arguments: dict[str, Any] = {
        "objective": keras_tuner.Objective(OBJECTIVE, "max" if goal.maximize else "min"),
        "hyperparameters": to_hyperparameters(space),
        "allow_new_entries": False,
        "seed": seed + 1,  # 0 means random to KerasTuner
        "max_consecutive_failed_trials": NEVER,
    }
    if sampler == "hyperband":
        return HyperbandOracle(max_epochs=epochs, hyperband_iterations=None, **arguments)
    if sampler == "bayesian":
        return BayesianOracle(max_trials=None, **arguments)
    if sampler == "grid":
        return GridOracle(max_trials=None, **arguments)
    return RandomOracle(max_trials=None, **arguments)


@contextlib.contextmanager
def _calling(directory: Path) -> Iterator[None]:
    """Around a call of KerasTuner, which writes its JSON files at each.

    KerasTuner 1.4.8 calls functions that Python has deprecated.

    Raises:
        StudyError: When the files cannot be written.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        except OSError as error:
            raise writing_error(error, directory) from error
