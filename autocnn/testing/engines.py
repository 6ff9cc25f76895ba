"""What the search relies on, whichever engine a study has."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from pathlib import Path

from autocnn.core.objective import params_key
from autocnn.core.records import EpochScore, Params, Scores, TrialRecord, TrialState
from autocnn.spaces.space import Categorical, Condition, Float, Int, SearchSpace
from autocnn.tuning.engines.base import Engine, NoProposal, Proposal, restore

EPOCHS = 3

SPACE = SearchSpace(
    name="contract",
    description="A parameter of each kind, one under a condition",
    epochs=EPOCHS,
    channels="auto",
    parameters=(
        Categorical("family", choices=("plain", "resnet")),
        Float("dropout", (Condition("family", ("plain",)),), low=0.0, high=0.5),
        Float("learning_rate", low=1e-4, high=1e-1, log=True),
        Int("width", low=8, high=64, step=8),
        Categorical("squeeze_excitation", choices=(False, True)),
    ),
    start=(
        {"family": "resnet", "learning_rate": 1e-3, "width": 16, "squeeze_excitation": False},
        {
            "family": "plain",
            "dropout": 0.25,
            "learning_rate": 1e-2,
            "width": 32,
            "squeeze_excitation": True,
        },
    ),
)

FEW_POINTS = SearchSpace(
    name="few",
    description="Four points",
    epochs=EPOCHS,
    channels="auto",
    parameters=(
        Categorical("family", choices=("plain", "resnet")),
        Categorical("squeeze_excitation", choices=(False, True)),
    ),
    start=({"family": "resnet", "squeeze_excitation": True},),
)


def accuracy_of(params: Params, epoch: int) -> float:
    """The score of these params after an epoch: better with width and epochs."""
    width, dropout = float(params.get("width", 16)), float(params.get("dropout", 0.1))
    return round(0.3 + width / 128 - dropout / 4 + epoch / 1000, 6)


def score_of(params: Params, epoch: int) -> EpochScore:
    """The epoch of a training that follows `accuracy_of`."""
    scores = Scores(accuracy=accuracy_of(params, epoch))
    return EpochScore(
        epoch=epoch, train_loss=1.0, train=scores, val=scores, learning_rate=1e-3, seconds=1.0
    )


class Driver:
    """Asks and tells an engine as the search does, and keeps the records that a study would.

    Args:
        engine: Nothing was asked of it yet.
        records: Of an earlier session.
    """

    def __init__(self, engine: Engine, records: Sequence[TrialRecord] = ()) -> None:
        self.engine = engine
        self.trials = {record.trial: record for record in records}
        restore(engine, records)

    @property
    def records(self) -> list[TrialRecord]:
        """All trials, by number."""
        return [self.trials[trial] for trial in sorted(self.trials)]

    def begin(self, trial: int) -> Proposal | NoProposal:
        """Ask for a trial, and start it where there is one."""
        answer = self.engine.ask(trial)
        if isinstance(answer, Proposal):
            self.trials[trial] = TrialRecord(
                trial=trial,
                state=TrialState.RUNNING,
                params=answer.params,
                from_start=answer.from_start,
                epochs=answer.epochs or EPOCHS,
                parent=answer.parent,
                first_epoch=answer.first_epoch,
                num_ended_before=self._num_ended(),
            )
        return answer

    def end(self, trial: int, state: TrialState = TrialState.COMPLETE) -> None:
        """Report the epochs of a trial, until the engine stops it, and tell its end."""
        record = self.trials[trial]
        history: list[EpochScore] = []
        is_behind = False
        for epoch in range(record.first_epoch, (record.epochs or EPOCHS) + 1):
            history.append(score_of(record.params, epoch))
            is_behind = self.engine.report(trial, history[-1], epochs=record.epochs)
            if is_behind:
                break
        if is_behind and state == TrialState.COMPLETE:
            state = TrialState.PRUNED
        best = max(history, key=lambda score: score.val.accuracy or 0.0)
        facts = {
            "state": state,
            "history": tuple(history),
            "objective": best.val.accuracy,
            "best_epoch": best.epoch,
            "end_order": self._num_ended(),
        }
        self.trials[trial] = record.model_copy(update=facts)
        self.engine.tell(self.trials[trial])

    def run(self, trials: Iterable[int]) -> list[Params]:
        """One trial after another, until there is none; the params of each."""
        points: list[Params] = []
        for trial in trials:
            answer = self.begin(trial)
            if not isinstance(answer, Proposal):
                break
            points.append(answer.params)
            self.end(trial)
        return points

    def _num_ended(self) -> int:
        return sum(not record.is_open for record in self.trials.values())


class EngineContract(ABC):
    """The tests of an engine; see `autocnn.testing`.

    Attributes:
        num_trials: Enough for the engine to have learned something.
    """

    num_trials = 12

    @abstractmethod
    def make_engine(self, directory: Path, space: SearchSpace, *, seed: int) -> Engine:
        """An engine that improves `accuracy`, of which nothing was asked yet.

        Args:
            directory: An empty folder for its files.
            space: What it proposes points of.
            seed: Of everything random.
        """

    def drive(
        self,
        directory: Path,
        space: SearchSpace = SPACE,
        *,
        seed: int = 0,
        records: Sequence[TrialRecord] = (),
    ) -> Driver:
        """A new engine, with a folder of its own, brought to where these records end."""
        place = directory / f"engine-{len(list(directory.iterdir()))}"
        place.mkdir()
        return Driver(self.make_engine(place, space, seed=seed), records)

    def test_every_proposal_is_a_full_point_of_the_space(self, tmp_path: Path) -> None:
        """No parameter is missing, none is too many, none out of its range or type."""
        points = self.drive(tmp_path).run(range(self.num_trials))
        assert len(points) == self.num_trials
        assert [problem for point in points for problem in SPACE.problems_of(point)] == []

    def test_start_points_come_first(self, tmp_path: Path) -> None:
        """In their order, and marked; what comes after them is not."""
        driver = self.drive(tmp_path)
        driver.run(range(4))
        assert [record.params for record in driver.records[:2]] == [*map(dict, SPACE.start)]
        assert [record.from_start for record in driver.records] == [True, True, False, False]

    def test_the_same_seed_proposes_the_same(self, tmp_path: Path) -> None:
        """A study can be repeated."""
        first, second = (self.drive(tmp_path).run(range(self.num_trials)) for _ in range(2))
        assert first == second

    def test_a_small_space_is_tried_once_and_then_exhausted(self, tmp_path: Path) -> None:
        """And stays exhausted, however often it is asked."""
        driver = self.drive(tmp_path, FEW_POINTS)
        points = driver.run(range(9))
        assert len({params_key(point) for point in points}) == len(points) == 4
        assert [driver.engine.ask(4) for _ in range(3)] == [NoProposal.EXHAUSTED] * 3

    def test_several_trials_run_at_once_and_end_in_any_order(self, tmp_path: Path) -> None:
        """None is proposed twice meanwhile."""
        driver = self.drive(tmp_path)
        for trial in range(4):
            assert isinstance(driver.begin(trial), Proposal)
        for trial in (2, 0, 3, 1):
            driver.end(trial)
        assert isinstance(driver.begin(4), Proposal)
        assert len({params_key(record.params) for record in driver.records}) == 5

    def test_a_rebuilt_engine_goes_on_as_one_that_was_never_stopped(self, tmp_path: Path) -> None:
        """The records are all that a resumed study has: open trials stay open."""
        whole = self.drive(tmp_path)
        whole.run(range(self.num_trials - 3))
        whole.begin(self.num_trials - 3)
        again = self.drive(tmp_path, records=whole.records)
        whole.end(self.num_trials - 3)
        again.end(self.num_trials - 3)
        rest = range(self.num_trials - 2, self.num_trials)
        assert again.run(rest) == whole.run(rest)

    def test_epochs_that_are_reported_again_change_nothing(self, tmp_path: Path) -> None:
        """A trial that is resumed reports the epochs of its checkpoint once more."""
        once, twice = self.drive(tmp_path), self.drive(tmp_path)
        for driver in (once, twice):
            driver.run(range(3))
            driver.begin(3)
        record = twice.trials[3]
        assert not twice.engine.report(3, score_of(record.params, 1), epochs=record.epochs)
        for driver in (once, twice):
            driver.end(3)
        assert once.run(range(4, 8)) == twice.run(range(4, 8))

    def test_every_end_is_taken(self, tmp_path: Path) -> None:
        """Also those of trials that failed; their points are not proposed again."""
        driver = self.drive(tmp_path)
        ends = [state for state in TrialState if state not in ("running", "interrupted")]
        for trial, state in enumerate(ends):
            assert isinstance(driver.begin(trial), Proposal)
            driver.end(trial, state)
        assert len({params_key(record.params) for record in driver.records}) == len(ends)
        assert driver.engine.needed_models() <= set(driver.trials)
