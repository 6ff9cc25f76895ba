"""Trials as the loop would run them, whose scores are a formula of the params."""

from collections.abc import Callable, Iterable, Sequence

from autocnn.core.objective import Goal
from autocnn.core.records import EpochScore, Params, ParamValue, Scores, TrialRecord, TrialState
from autocnn.spaces.space import AnyParameter, Categorical, Condition, Float, Int, SearchSpace
from autocnn.tuning.engines.base import Engine, NoProposal, Proposal, restore

GOAL = Goal("accuracy")

EPOCHS = 9
"""With KerasTuner's factor of 3, Hyperband has brackets of three, two and one rounds."""


def make_space(*parameters: AnyParameter, start: Sequence[Params] = ()) -> SearchSpace:
    return SearchSpace("s", "", EPOCHS, "auto", parameters, tuple(dict(point) for point in start))


SPACE = make_space(
    Categorical("family", choices=("plain", "resnet", "separable")),
    Categorical("normalization", (Condition("family", ("plain",)),), choices=("batch", "group")),
    Float("stochastic_depth", (Condition("family", ("resnet", "separable")),), low=0.0, high=0.3),
    Int("num_stages", low=1, high=3),
    Int("blocks_per_stage", (Condition("num_stages", (2, 3)),), low=1, high=4),
    Int("width", low=4, high=256, log=True),
    Int("kernel_size", low=3, high=9, step=2),
    Float("learning_rate", low=1e-4, high=1e-1, log=True),
    Categorical("squeeze_excitation", choices=(False, True)),
    Categorical("head_units", choices=(0, 64, 128)),
    Float("dropout", (Condition("head_units", (64, 128)),), low=0.0, high=0.5),
    Categorical("shear", choices=(0.0, 0.25)),
    start=(
        {
            "family": "resnet",
            "stochastic_depth": 0.1,
            "num_stages": 1,
            "width": 24,
            "kernel_size": 3,
            "learning_rate": 1e-3,
            "squeeze_excitation": True,
            "head_units": 0,
            "shear": 0.0,
        },
        {
            "family": "plain",
            "normalization": "group",
            "num_stages": 3,
            "blocks_per_stage": 2,
            "width": 16,
            "kernel_size": 5,
            "learning_rate": 2e-3,
            "squeeze_excitation": False,
            "head_units": 64,
            "dropout": 0.5,
            "shear": 0.25,
        },
    ),
)
"""Every kind of parameter, and children of words, numbers and integers."""

SMALL = make_space(
    Categorical("family", choices=("plain", "resnet", "separable")),
    Float("dropout", low=0.0, high=0.5),
    start=({"family": "resnet", "dropout": 0.25},),
)
"""So few parameters that KerasTuner's Bayesian oracle guesses six points, then models."""

FOUR_POINTS = make_space(
    Categorical("family", choices=("plain", "resnet")),
    Categorical("squeeze_excitation", choices=(False, True)),
    start=({"family": "resnet", "squeeze_excitation": True},),
)

NINE_POINTS = make_space(
    Categorical("family", choices=("plain", "resnet", "separable")),
    Int("width", low=8, high=24, step=8),
    start=({"family": "resnet", "width": 16},),
)


def formula(params: Params, epoch: int) -> float:
    """A score in [0, 1]: better with width and epochs, worse with dropout."""
    width, dropout = float(params.get("width", 16)), float(params.get("dropout", 0.1))
    letters = len(str(params.get("family")))
    return 0.3 + width / 1024 - dropout / 4 + letters / 200 + epoch / 1000


def score(epoch: int, val: float | None, train: float | None = None) -> EpochScore:
    return EpochScore(
        epoch=epoch,
        train_loss=1.0,
        train=Scores(accuracy=train, log_loss=train),
        val=Scores(accuracy=val, log_loss=val),
        learning_rate=1e-3,
        seconds=1.0,
    )


def propose(engine: Engine, trial: int) -> Proposal:
    """What an engine that has something to propose proposes."""
    proposal = engine.ask(trial)
    assert isinstance(proposal, Proposal), proposal
    return proposal


class Session:
    """Drives an engine as the loop does, and keeps the records that a folder would.

    Args:
        engine: Nothing was asked of it yet.
        records: Of an earlier session.
        formula: Params and epoch -> score.
    """

    def __init__(
        self,
        engine: Engine,
        records: Sequence[TrialRecord] = (),
        *,
        formula: Callable[[Params, int], float] = formula,
    ) -> None:
        self.engine = engine
        self.formula = formula
        self.trials = {record.trial: record for record in records}
        restore(engine, records)

    @property
    def records(self) -> list[TrialRecord]:
        return list(self.trials.values())

    @property
    def running(self) -> list[int]:
        return [record.trial for record in self.records if record.is_open]

    @property
    def points(self) -> list[dict[str, ParamValue]]:
        """The params of all trials, but for those that went on from a parent."""
        return [record.params for record in self.records if record.parent is None]

    def try_open(self, trial: int) -> Proposal | NoProposal:
        """Ask for a trial, and start it when there is one."""
        answer = self.engine.ask(trial)
        if isinstance(answer, Proposal):
            self.trials[trial] = TrialRecord(
                trial=trial,
                state=TrialState.RUNNING,
                params=answer.params,
                from_start=answer.from_start,
                epochs=answer.epochs,
                parent=answer.parent,
                first_epoch=answer.first_epoch,
                num_ended_before=self._num_ended(),
            )
        return answer

    def open(self, trial: int) -> Proposal:
        """Start a trial that there must be."""
        answer = self.try_open(trial)
        assert isinstance(answer, Proposal), answer
        return answer

    def train(self, trial: int, epochs: int | None = None) -> bool:
        """Report a trial's epochs, or the first few of them; True when it was pruned."""
        record = self.trials[trial]
        last = record.epochs or 3
        if epochs is not None:
            last = min(last, record.first_epoch - 1 + epochs)
        history: list[EpochScore] = []
        is_pruned = False
        for epoch in range(record.first_epoch, last + 1):
            value = self.formula(record.params, epoch)
            history.append(score(epoch, value, value))
            is_pruned = self.engine.report(trial, history[-1])
            if is_pruned:
                break
        self.trials[trial] = record.model_copy(update={"history": tuple(history)})
        return is_pruned

    def end(self, trial: int, state: TrialState = TrialState.COMPLETE) -> TrialRecord:
        """End a trial after the epochs that it trained."""
        record = self.trials[trial]
        values = [s.val.accuracy for s in record.history]
        record = record.model_copy(
            update={
                "state": state,
                "reason": "" if state == TrialState.COMPLETE else "because",
                "objective": values[-1] if values else None,
                "best_epoch": record.history[-1].epoch if values else None,
                "end_order": self._num_ended(),
            }
        )
        self.trials[trial] = record
        self.engine.tell(record)
        return record

    def finish(self, trial: int) -> None:
        """Train a trial to its end."""
        is_pruned = self.train(trial)
        self.end(trial, TrialState.PRUNED if is_pruned else TrialState.COMPLETE)

    def run(self, trials: Iterable[int]) -> list[Proposal]:
        """One trial after the other."""
        proposals = []
        for trial in trials:
            proposals.append(self.open(trial))
            self.finish(trial)
        return proposals

    def run_out(self, most: int, workers: int = 1) -> NoProposal | None:
        """Run trials until there is nothing to propose, at most `most` in all.

        No point may come twice, but for one that goes on from its parent. With several
        workers, the trial that began last ends first.
        """
        answer: Proposal | NoProposal | None = None
        while len(self.trials) < most:
            points = self.points
            answer = self.try_open(len(self.trials))
            if isinstance(answer, Proposal) and answer.parent is None:
                assert answer.params not in points
            if isinstance(answer, Proposal) and len(self.running) < workers:
                continue
            if not self.running:
                break
            self.finish(self.running[-1])
        return None if isinstance(answer, Proposal) else answer

    def _num_ended(self) -> int:
        return sum(not record.is_open for record in self.records)
