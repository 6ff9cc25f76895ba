"""KerasTuner's oracles, such that a resumed study can tell them what happened before.

An oracle is a state machine without a public way to set its state. These take the params of
a trial of an earlier session (`prescribed`, `reopened`) in the place of a proposal, and
correct what would make a search dishonest: they give up on a countable space while
points are left, propose their best point again and again, or run one trial at a time.
Importing this module imports Keras and TensorFlow.

It is the one module that uses what KerasTuner does not promise: project folder, seed, random
state, brackets, conditions. Checked with KerasTuner 1.4.8.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from keras_tuner import oracles
from keras_tuner.src.engine.conditions import Parent

from autocnn.core.records import TrialRecord

Values = dict[str, Any]


def _running(values: Values | None) -> dict[str, Any]:
    """What `populate_space` answers."""
    return {"status": "RUNNING", "values": values} if values else {"status": "STOPPED"}


@contextlib.contextmanager
def declaring_under(hp: Any, parents: Sequence[tuple[str, Sequence[Any]]]) -> Iterator[None]:
    """Parameters that are declared inside are active only with some values of their parents.

    `HyperParameters.conditional_scope` refuses a parent that is conditional itself.

    Args:
        hp: A `keras_tuner.HyperParameters`.
        parents: Names of parameters, each with the values that activate.
    """
    num_before = len(hp._conditions)
    hp._conditions += [Parent(name, list(values)) for name, values in parents]
    yield
    del hp._conditions[num_before:]


class _Common:
    """What all oracles here have.

    Attributes:
        prescribed: Values of the next trial, or None.
        reopened: The record of the trial whose values are prescribed, and KerasTuner's id
            of its parent; None for a new trial.
        find_untried: Gives a point of a countable space that was not tried, or None.
    """

    prescribed: Values | None = None
    reopened: tuple[TrialRecord, str | None] | None = None
    find_untried: Callable[[], Values | None] = staticmethod(lambda: None)

    def learn_from(self, fault: Any) -> bool:
        """Take a trial that its params made fail, before it is ended; whether it teaches."""
        return False

    def keep_in(self, directory: Path) -> None:
        """Write the oracle's JSON into a folder, which only a tuner tells it otherwise."""
        self._set_project_dir(str(directory.parent), directory.name)  # type: ignore[attr-defined]

    def seed_anew(self, seed: int) -> None:
        """Begin all randomness again, for a trial."""
        self._seed_state = seed
        self._random_state = np.random.RandomState(seed)

    def open_bracket_ids(self) -> list[str]:
        """KerasTuner's ids of the trials whose best may still go on; none without brackets."""
        return []

    def _random_values(self) -> Values | None:
        """A random point; what is left when chance finds nothing new in 20 attempts."""
        values: Values | None = super()._random_values()  # type: ignore[misc]
        return values or self.find_untried()


class RandomOracle(_Common, oracles.RandomSearchOracle):  # type: ignore[misc]
    """Random points."""

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """What is prescribed, else a random point."""
        if self.prescribed is not None:
            return _running(self.prescribed)
        response: dict[str, Any] = super().populate_space(trial_id)
        return response


class BayesianOracle(_Common, oracles.BayesianOptimizationOracle):  # type: ignore[misc]
    """A Gaussian process."""

    ongoing_trials: dict[str, Any]
    trials: dict[str, Any]
    objective: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._faults: dict[str, float] = {}

    def learn_from(self, fault: Any) -> bool:
        """As of a trial that was as bad as the worst so far; nothing before there is one."""
        scores = [trial.score for trial in self.trials.values() if trial.status == "COMPLETED"]
        if scores:
            worst = min if self.objective.direction == "max" else max
            self._faults[fault.trial_id] = worst(scores)
        return bool(scores)

    def score_trial(self, trial: Any) -> None:
        """Its best epoch's value, but of a fault the worst."""
        if trial.trial_id in self._faults:
            trial.score, trial.best_step = self._faults[trial.trial_id], 0
        else:
            super().score_trial(trial)

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """What is prescribed, else the most promising point that was not tried."""
        if self.prescribed is not None:
            return _running(self.prescribed)
        response: dict[str, Any] = super().populate_space(trial_id)
        if response["values"] and self._duplicate(response["values"]):
            response = self._random_populate_space()
        return response

    def _vectorize_trials(self) -> tuple[Any, Any]:
        """Trials as vectors; open ones with the score that the ended ones suggest.

        KerasTuner takes that guess from the process as it was fitted for the trial before,
        which a restored oracle has never seen.
        """
        if self.ongoing_trials:
            ongoing, trials = self.ongoing_trials, self.trials
            self.ongoing_trials = {}
            self.trials = {key: t for key, t in trials.items() if t.status == "COMPLETED"}
            self.gpr.fit(*super()._vectorize_trials())
            self.ongoing_trials, self.trials = ongoing, trials
        vectors: tuple[Any, Any] = super()._vectorize_trials()
        return vectors


class GridOracle(_Common, oracles.GridSearchOracle):  # type: ignore[misc]
    """All points of the grid, from the default one on."""

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """What is prescribed, else the first point of the grid that was not tried.

        KerasTuner's own waits for the trial before to end, since a trial might bring new
        parameters; here none does.
        """
        if self.prescribed is not None:
            return _running(self.prescribed)
        space = self.get_space()
        values = {hp.name: hp.default for hp in space.space if space.is_active(hp)}
        while values is not None and self._duplicate(values):
            values = self._get_next_combination(values)
        return _running(values)


class HyperbandOracle(_Common, oracles.HyperbandOracle):  # type: ignore[misc]
    """Brackets of trials that get more epochs from round to round."""

    def open_bracket_ids(self) -> list[str]:
        """See `_Common.open_bracket_ids`."""
        return [info["id"] for b in self._brackets for trials in b["rounds"] for info in trials]

    def _random_values(self) -> Values | None:
        """What is prescribed, in the place of a random point of a first round."""
        return dict(self.prescribed) if self.prescribed else super()._random_values()

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """A place in a bracket: the next one, or the one that a record had."""
        response: dict[str, Any]
        if self.reopened is None:
            response = super().populate_space(trial_id)
            return response
        record, parent_id = self.reopened
        self._remove_completed_brackets()
        place = self._place_of(record, parent_id)
        if place is not None:
            bracket_number, round_number, round_info = place
            round_info.append({"past_id": parent_id or "lost", "id": trial_id})
            values = dict(self.prescribed or {})
            if parent_id is not None:
                values["tuner/trial_id"] = parent_id
            values |= {
                "tuner/epochs": self._get_epochs(bracket_number, round_number),
                "tuner/initial_epoch": self._get_epochs(bracket_number, round_number - 1),
                "tuner/bracket": bracket_number,
                "tuner/round": round_number,
            }
            return _running(values)
        for bracket in self._brackets:
            if len(bracket["rounds"][0]) < self._get_size(bracket["bracket_num"], 0):
                response = self._random_trial(trial_id, bracket)
                return response
        self._increment_bracket_num()
        self._start_new_bracket()
        response = self._random_trial(trial_id, self._brackets[-1])
        return response

    def _place_of(
        self, record: TrialRecord, parent_id: str | None
    ) -> tuple[int, int, list[dict[str, Any]]] | None:
        """Bracket, round and trials of the round that a record with a parent belongs to.

        The round whose epochs it began after; where there are two, the one whose round
        before has its parent. None for a trial of a first round.
        """
        fitting = []
        for bracket in self._brackets:
            number, rounds = bracket["bracket_num"], bracket["rounds"]
            for index in range(1, len(rounds)):
                if record.parent is None or len(rounds[index]) >= self._get_size(number, index):
                    continue
                if self._get_epochs(number, index - 1) == record.first_epoch - 1:
                    has_parent = any(info["id"] == parent_id for info in rounds[index - 1])
                    fitting.append((not has_parent, (number, index, rounds[index])))
        return min(fitting, key=lambda place: place[0])[1] if fitting else None
