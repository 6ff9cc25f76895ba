"""What a sampler sees of a long study: the best, an even sample of the rest, and all that run."""

import itertools

import optuna
import pytest
from optuna.trial import TrialState

from autocnn.tuning.engines.optuna_storage import BEST_SHARE, MOST_SEEN, BoundedStorage


def make_study(number: int, *, maximize: bool) -> tuple[optuna.Study, BoundedStorage]:
    """Trials whose value is their number; the last one runs, every tenth failed."""
    storage = BoundedStorage(maximize=maximize)
    study = optuna.create_study(storage=storage, direction="maximize" if maximize else "minimize")
    for index in range(number):
        trial = study.ask()
        if index == number - 1:
            break
        if index % 10 == 9:
            study.tell(trial, state=TrialState.FAIL)
        else:
            study.tell(trial, float(index))
    return study, storage


@pytest.mark.parametrize("maximize", [True, False])
def test_a_long_study_is_seen_in_part(maximize: bool) -> None:
    study, storage = make_study(600, maximize=maximize)
    every = study.get_trials(deepcopy=False)
    with storage.bounded():
        seen = study.get_trials(deepcopy=False)
    assert len(every) == 600
    ended = [trial.number for trial in seen if trial.state == TrialState.COMPLETE]
    assert len(ended) == MOST_SEEN
    numbers = [trial.number for trial in every if trial.state == TrialState.COMPLETE]
    best = numbers[-MOST_SEEN // BEST_SHARE :] if maximize else numbers[: MOST_SEEN // BEST_SHARE]
    assert set(best) <= set(ended)
    assert max(b - a for a, b in itertools.pairwise(ended)) < 12
    assert [trial.number for trial in seen if trial.state == TrialState.RUNNING] == [599]
    assert len(study.get_trials(deepcopy=False)) == 600


def test_a_short_study_is_seen_whole() -> None:
    study, storage = make_study(MOST_SEEN, maximize=True)
    with storage.bounded():
        assert len(study.get_trials(deepcopy=False)) == MOST_SEEN
