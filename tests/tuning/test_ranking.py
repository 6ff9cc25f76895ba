"""The ranking that grows by one trial at a time is that of all trials at once."""

import random

import pytest

from autocnn.core.objective import Goal, distinct_trials
from autocnn.core.records import EpochScore, Scores, TrialRecord, TrialState
from autocnn.tuning.loop import rank_trials
from autocnn.tuning.ranking import Ranking

DEFAULT = {"width": 1}


def trial(number: int, rng: random.Random) -> TrialRecord:
    """With few objectives and few params, so that many are equal, and gaps on both sides."""
    objective = rng.choice([None, 0.5, 0.625, 0.75, 0.875])
    score = EpochScore(
        epoch=1,
        train_loss=1.0,
        train=Scores(accuracy=rng.choice([0.5, 0.75, 1.0])),
        val=Scores(accuracy=objective, log_loss=rng.choice([None, 0.25, 0.5])),
        learning_rate=0.1,
        seconds=1.0,
    )
    return TrialRecord(
        trial=number,
        state=rng.choice(list(TrialState)),
        params={"width": rng.randint(0, 9)},
        objective=objective,
        best_epoch=1,
        history=(score,),
    )


@pytest.mark.parametrize("goal", [Goal("accuracy"), Goal("accuracy", 0.125)])
@pytest.mark.parametrize("seed", range(5))
def test_it_is_the_same_as_ranking_all(goal: Goal, seed: int) -> None:
    rng = random.Random(seed)
    ranking = Ranking(goal, lambda params: dict(params) == DEFAULT)
    records: list[TrialRecord] = []
    numbers = rng.sample(range(100), 60)
    for number in numbers:
        records.append(trial(number, rng))
        ranking.add(records[-1])
        ranked = rank_trials(goal, records)
        default = next((r for r in ranked if dict(r.params) == DEFAULT), None)
        for best, most in (
            (ranked, ranking.shortlist),
            (distinct_trials(ranked), ranking.distinct),
        ):
            for size in (1, 3, 99):
                behind = [] if default is None or default in best[:size] else [default]
                assert most(size) == [*best[:size], *behind]
        assert ranking.best == (ranked[0] if ranked else None)
        assert ranking.default == default
        assert len(ranking) == len(ranked)


@pytest.mark.slow
def test_a_trial_more_takes_no_more_comparisons_than_the_logarithm() -> None:
    places: list[int] = []

    class CountingGoal(Goal):
        def place_of(self, record: TrialRecord) -> tuple[bool, float, float, int]:
            places.append(record.trial)
            return super().place_of(record)

    counts = {}
    for size in (100, 10_000):
        rng = random.Random(0)
        ranking = Ranking(CountingGoal("accuracy"), lambda params: False)
        for index in range(size):
            if index == size - 50:
                places.clear()
            ranking.add(
                TrialRecord(
                    trial=index,
                    state=TrialState.COMPLETE,
                    params={"width": index},
                    objective=rng.random(),
                )
            )
        counts[size] = len(places)
        ranking.shortlist(5)
        ranking.distinct(5)
        assert len(places) == counts[size], "to look at the best compares nothing"
    assert 0 < counts[100] < counts[10_000] <= 3 * counts[100], "log2: 7 against 14"
