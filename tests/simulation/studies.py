"""A whole study of autocnn in one thread: only data, processes, scores and pictures are not real.

`Simulation.run` takes it through the sessions of a scenario, and looks after each whether all that
was promised was kept.
"""

import contextlib
import functools
import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
from optuna.samplers import _random
from optuna.samplers._lazy_random_state import LazyRandomState
from pydantic_core import to_json

from autocnn.core.config import StudyConfig
from autocnn.core.errors import SearchError, SearchInterrupted, SpaceError, StudyError
from autocnn.core.events import Interruption, Observer
from autocnn.core.records import EpochScore, Params, TrialRecord, TrialState
from autocnn.data import Dataset
from autocnn.data.thumbnails import picture_data
from autocnn.execution.machine import Machine
from autocnn.execution.runner import MOST_ATTEMPTS
from autocnn.selection import judge as end_of_judging
from autocnn.selection.judge import judge
from autocnn.selection.plan import Finalist, FinalistsPlan, cut_folds
from autocnn.spaces.files import parse_space
from autocnn.spaces.space import SearchSpace
from autocnn.storage import StudyFolder
from autocnn.storage import folder as folder_of_study
from autocnn.storage import status as status_of_study
from autocnn.storage.files import Files
from autocnn.storage.status import Choice, StudyStatus
from autocnn.study import finish as end_of_study
from autocnn.study import prepare as start_of_study
from autocnn.study import run as study
from autocnn.study import trials as search_of_study
from autocnn.tuning import loop as loop_of_search
from autocnn.tuning.engines.base import Proposal
from autocnn.tuning.engines.optuna_engine import OptunaEngine
from tests.simulation.disk import ROOT, Died, Disk, File, replaced
from tests.simulation.judging import Judging
from tests.simulation.scenario import Scenario, Session
from tests.simulation.training import Broken
from tests.simulation.workers import VirtualExecutor, World

SPACES = {
    "two": """
description: "Two params"
epochs: 4
parameters:
  - {name: width, type: int, low: 4, high: 64, step: 4}
  - {name: learning_rate, type: float, low: 1e-3, high: 1e-1, log: true}
start:
  - {width: 8, learning_rate: 1e-2}
""",
    "few": """
description: "Six points"
epochs: 4
parameters:
  - {name: width, type: int, low: 8, high: 24, step: 8}
  - {name: flip, type: categorical, choices: [none, horizontal]}
start:
  - {width: 8, flip: none}
  - {width: 16, flip: none}
""",
    "nested": """
description: "A param that another one brings"
epochs: 4
parameters:
  - {name: family, type: categorical, choices: [resnet, plain]}
  - {name: dropout, type: float, low: 0.0, high: 0.5, when: {family: plain}}
start:
  - {family: resnet}
""",
}

MACHINE = Machine(64, 256.0, False, "simulated", "simulated")

TIMEOUT_S = 5000.0

RESULTS = Path(ROOT) / "results"

PROPOSALS = 5
"""Compared of an engine that was never stopped and of one that was resumed."""


@functools.cache
def space_of(name: str) -> SearchSpace:
    """The space of that name."""
    return parse_space(SPACES[name], source=name, name=name)


@functools.cache
def _pictures(dataset_id: int, dataset: "Hidden") -> Any:
    return picture_data(dataset.dataset, samples=0, seed=0)


@dataclass(frozen=True, eq=False)
class Hidden:
    """A data set as an argument that a cache takes."""

    dataset: Dataset


class PooledState(LazyRandomState):
    """What a sampler draws from: one that no sampler has any more is seeded anew.

    Each trial has a sampler of its own, and NumPy takes forty times as long to make a state as to
    seed it, which draws the same.
    """

    free: ClassVar[list[np.random.RandomState]] = []

    def _set_rng(self) -> None:
        self._rng = self.free.pop() if self.free else np.random.RandomState()

    def __del__(self) -> None:
        if self._rng is not None:
            self.free.append(self._rng)


class Unlocked:
    """In the place of the lock, which is the system's."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def acquire(self, *, force: bool, is_noted: bool) -> None:
        """Nobody else is there."""

    def release(self) -> None:
        """Nobody waits."""


class Watch(Observer):
    """Hears what a session tells, and notes what a later one must not forget."""

    def __init__(self) -> None:
        self.ended: dict[int, TrialRecord] = {}
        self.said: list[str] = []

    def trial_started(self, trial: int, params: Params, *, epochs: int) -> None:
        """Only a trial that has not ended."""
        if trial in self.ended:
            raise Broken(f"trial {trial} has ended in this session, and starts again")

    def trial_epoch(self, trial: int, score: EpochScore) -> None:
        """Only of a trial that has not ended."""
        if trial in self.ended:
            raise Broken(f"trial {trial} has ended, and trains")

    def trial_ended(self, record: TrialRecord, *, best: TrialRecord | None) -> None:
        """Once."""
        if record.is_open:
            return
        if record.trial in self.ended:
            raise Broken(f"trial {record.trial} ends twice")
        self.ended[record.trial] = record

    def note(self, text: str) -> None:
        """Kept."""
        self.said.append(text)

    def warn(self, text: str) -> None:
        """Kept."""
        self.said.append(text)


class Checked:
    """An engine, and whether it is asked and told in order."""

    def __init__(self, engine: OptunaEngine) -> None:
        self.engine = engine
        self.open: set[int] = set()
        self.known: set[int] = set()

    def ask(self, trial: int) -> Any:
        """Once a number."""
        if trial in self.known:
            raise Broken(f"the engine is asked twice for trial {trial}")
        proposal = self.engine.ask(trial)
        if isinstance(proposal, Proposal):
            self.known.add(trial)
            self.open.add(trial)
        return proposal

    def reopen(self, record: TrialRecord) -> None:
        """Once a number."""
        if record.trial in self.known:
            raise Broken(f"the engine is told twice of the start of trial {record.trial}")
        self.known.add(record.trial)
        self.open.add(record.trial)
        self.engine.reopen(record)

    def report(self, trial: int, score: EpochScore, *, epochs: int | None = None) -> bool:
        """Only of an open trial."""
        if trial not in self.open:
            raise Broken(f"the engine hears of an epoch of trial {trial}, which is not open")
        return self.engine.report(trial, score, epochs=epochs)

    def tell(self, record: TrialRecord) -> None:
        """Once of each."""
        if record.trial not in self.open or record.is_open:
            raise Broken(f"the engine is told of an end of trial {record.trial} that is none")
        self.open.remove(record.trial)
        self.engine.tell(record)

    def needed_models(self) -> set[int]:
        """As the engine says."""
        return self.engine.needed_models()

    def close(self) -> None:
        """As the engine does."""
        self.engine.close()


@dataclass
class Simulation:
    """A study on a disk in memory.

    Attributes:
        scenario: What happens to it.
        dataset: Its images, which are never looked at.
        disk: Where it stands.
        world: Clock and workers.
        ended: Trials that have ended, as their observers heard.
        engine: The last one.
        judging: What was judged.
        session, executor: The last ones.
        finalists: Of the last end.
        lost_s: Seconds that may have gone unnoted, since sessions died.
        said: What the observers heard.
        name: Of the study.
        is_untidy: Whether what was deleted may be there: the disk refused it, or forgot it.
        is_refused: Whether the disk refused something, perhaps to sync a name.
        taken_s: Seconds that the study had taken when the session began.
        is_kept: Whether the last end left a finished study as it was.
        num_adopted: Trials that it took over from another one.
    """

    scenario: Scenario
    dataset: Dataset
    disk: Disk = field(init=False)
    world: World = field(init=False)
    ended: dict[int, TrialRecord] = field(default_factory=dict)
    engine: Checked | None = None
    judging: Judging = field(init=False)
    session: Session = field(default_factory=Session)
    executor: VirtualExecutor = field(init=False)
    finalists: list[Finalist] = field(default_factory=list)
    lost_s: float = 0.0
    said: list[str] = field(default_factory=list)
    name: str = "study"
    is_untidy: bool = False
    is_refused: bool = False
    taken_s: float = 0.0
    is_kept: bool = False
    num_adopted: int = 0

    def __post_init__(self) -> None:
        rng = random.Random(self.scenario.seed)
        self.disk = Disk(rng, is_strict=self.scenario.is_strict, on_replaced=check_record)
        self.world = World(rng, self.scenario.trouble)
        self.judging = self._new_judging()

    @property
    def folder(self) -> StudyFolder:
        """The study."""
        return StudyFolder(RESULTS / self.name)

    def run(self) -> None:
        """All sessions, and one more if the last did not end well.

        Raises:
            Broken: When a promise was not kept.
        """
        with self._in_place():
            (Path(ROOT) / "space.yaml").write_text(SPACES[self.scenario.space])
            RESULTS.mkdir()
            self.disk.sync_all()
            sessions = self.scenario.sessions or (Session(),)
            is_done = False
            for session in sessions:
                is_done = self.run_session(session)
            if not is_done:
                last = sessions[-1]
                is_done = self.run_session(replace(last, stop="", trials=0, more_time=1.0))
            if not is_done and not self._is_hopeless():
                raise Broken("an undisturbed session did not end")
            if is_done and self.scenario.has_fork:
                self._fork()

    # -- one session ------------------------------------------------------------------------

    def run_session(self, session: Session) -> bool:
        """Search or resume; whether the study is done."""
        interruption = Interruption()
        self.executor = executor = VirtualExecutor(
            self.world, session.workers, interruption, judging=self.judging
        )
        self.session = session
        watch = Watch()
        options: dict[str, Any] = {
            "interruption": interruption,
            "make_executor": lambda resources: executor,
            "clock": self.world.clock,
            "finish": self._finish,
        }
        began = self.world.clock.now
        self.engine = None  # that of a process that died may not know how its last trial ended
        is_new = not (self.folder.path / "study.json").exists()
        if is_new and self.ended:
            raise Broken("the study is gone")
        before = None if is_new else self.folder.read_status()
        self.taken_s = 0.0 if before is None else before.seconds
        self.disk.num_writes = self.disk.num_calls = 0
        if not session.is_late:
            self._arm()
        self.is_untidy |= session.stop in ("error", "power")
        self.is_refused |= session.stop == "error"
        self.judging.is_durable = not self.is_refused
        is_done = False
        try:
            if is_new:
                study.search(self._config(session), watch, **options)
            else:
                study.resume(self.folder, watch, changes=self._changes(session), **options)
            is_done = True
        except Died:
            self.lost_s += 10.0 + self.world.longest_s
        except SearchInterrupted:
            if not session.presses:
                raise Broken("it was interrupted, though nobody pressed Ctrl-C") from None
        except SearchError:
            pass  # nothing finished: looked at by `_is_hopeless`
        except StudyError as error:
            if self.disk.fault is None:
                raise Broken(f"an error without a fault: {error}") from error
            if session.is_lasting:
                self.lost_s += self.world.clock.now - began
            self.lost_s += 10.0 + self.world.longest_s
        except SpaceError as error:
            if self.disk.fault is None:
                raise Broken(f"an error without a fault: {error}") from error
        self.disk.boot()
        self.ended |= watch.ended
        self.said += watch.said
        self.check(session, is_done=is_done)
        if before is not None and before.is_done:
            self._check_finished(before, session)
        return is_done

    def _arm(self) -> None:
        """From now on count towards what ends the session."""
        self.disk.num_writes = self.disk.num_calls = self.executor.num_polls = 0
        self.disk.fault, self.executor.presses = self.session.fault, self.session.presses

    def _config(self, session: Session) -> StudyConfig:
        scenario = self.scenario
        return StudyConfig(
            data="digits",
            name=self.name,
            results=RESULTS,
            space=f"{ROOT}/space.yaml",
            trials=session.trials or scenario.trials or None,
            budget_s=scenario.budget_s * session.more_time or session.budget_s or None,
            epochs=scenario.epochs,
            trial_timeout_s=TIMEOUT_S,
            objective=scenario.objective,
            max_gap=scenario.max_gap,
            sampler=scenario.sampler,
            pruner=scenario.pruner,
            finalists=scenario.finalists,
            folds=scenario.folds,
            members=scenario.members if scenario.is_judged else 1,
            seed=scenario.seed,
            workers=session.workers,
            threads=1,
        )

    def _changes(self, session: Session) -> dict[str, object]:
        changes: dict[str, object] = {"workers": session.workers}
        if session.trials:
            changes["trials"] = session.trials
        if session.more_time != 1.0:
            changes["budget_s"] = self.scenario.budget_s * session.more_time
        if session.budget_s:
            changes["budget_s"] = session.budget_s
        return changes

    def _finish(self, context: Any, progress: Any, prepared: Any, searched: Any) -> None:
        """As `study.finish`, with a look at what the search left."""
        self.check_engine(context, prepared)
        self.check_models(searched.ranked)
        self.judging.num_choices += progress.status.finalists is None
        self.is_kept = True
        end_of_study.finish(context, progress, prepared, searched)

    def _judge(
        self,
        plan: FinalistsPlan,
        finalists: Sequence[Finalist],
        *others: Any,
        open_test: Callable[[Choice], None],
    ) -> list[Any]:
        """The real one in some studies; in the others it only takes time."""
        self.is_kept, self.finalists, self.judging.contents = False, list(finalists), []
        if self.session.is_late:
            self._arm()
        number = self._config(Session()).members
        believed_s = plan.budget.judging_s([f.trial for f in finalists], len(plan.folds), number)
        if self.scenario.is_judged:
            judged: list[Any] = judge(plan, finalists, *others, open_test=open_test)
            for number, (contender, measured) in enumerate(judged, start=1):
                task = end_of_judging._candidate_task(plan, number, contender, self.folder)
                self.judging.check(task, measured)
        else:
            open_test(Choice(candidate=1, sentences=("the best",)))
            self.world.clock.now += believed_s
            judged = [(SimpleNamespace(finalists=()), None)]
        limit_s = max(plan.budget.total_s or float("inf"), self.taken_s)
        overrun_s = plan.budget.elapsed_s - limit_s
        # An epoch with the start of its process; one whose worker is lost is trained again.
        num_epochs = 2 if self.scenario.trouble == 0 else 2 * MOST_ATTEMPTS
        if overrun_s > self.world.longest_s * num_epochs + believed_s + self.lost_s:
            raise Broken(f"the budget is overrun by {overrun_s:.0f} s")
        return judged

    def _write_candidate(self, candidate: Any, *_: Any) -> None:
        """Its files; of one that was not judged, the model."""
        name = "predictions.csv" if self.scenario.is_judged else "model.keras"
        self.folder.write_candidate_image(candidate.record.candidate, name, b"of a candidate")

    def _new_judging(self) -> Judging:
        return Judging(self.scenario.seed, self.scenario.trouble, self._is_test_open)

    def _is_test_open(self) -> bool:
        """What stands on the disk says so, without a call to it."""
        found = self.disk.find(f"{self.folder.path}/study.json")
        assert isinstance(found, File)
        looks = json.loads(bytes(found.content))["test_looks"]
        return bool(looks) and not looks[-1]["is_over"]

    def _is_hopeless(self) -> bool:
        """Whether no trial can be chosen, so that nothing but an error can end the study."""
        records = self.folder.read_trials()
        return not any(r.may_win and r.objective is not None for r in records)

    def _fork(self) -> None:
        """Another study that takes over the trials of this one."""
        source = self.folder
        taken = [record for record in source.read_trials() if record.state.is_scored]
        last = self.scenario.sessions[-1] if self.scenario.sessions else Session()
        session = replace(last, stop="", trials=0, more_time=1.0, budget_s=0.0)
        self.name, self.ended = "fork", {}
        self.num_adopted = len(taken)
        self.judging = self._new_judging()
        self.session = session
        executor = VirtualExecutor(self.world, session.workers, judging=self.judging)
        config = self._config(session).model_copy(
            update={"fork": str(source.path), "budget_s": None, "trials": len(taken) + 1}
        )
        with contextlib.suppress(SearchError):
            study.search(
                config,
                Watch(),
                make_executor=lambda resources: executor,
                clock=self.world.clock,
                finish=self._finish,
            )
        adopted = self.folder.read_trials()[: len(taken)]
        for old, new in zip(taken, adopted, strict=True):
            if (old.params, old.history, old.state) != (new.params, new.history, new.state):
                if old.state == TrialState.CUT:
                    continue  # it went on
                raise Broken(f"trial {old.trial} is another one in the fork")

    def outcome(self) -> list[object]:
        """What a person would compare with the outcome of another run, times aside."""
        with self.disk.mounted():
            records = [
                record.model_copy(update={"seconds": 0.0, "num_ended_before": 0})
                for record in self.folder.read_trials()
            ]
            status = self.folder.read_status()
        finalists = [(f.number, f.is_retrained) for f in self.finalists]
        return [*records, status.finalists, status.choice, finalists, self.judging.contents]

    # -- promises ---------------------------------------------------------------------------

    def check(self, session: Session, *, is_done: bool) -> None:
        """Look at what stands on the disk after a session.

        Raises:
            Broken: When a promise was not kept.
        """
        path = self.folder.path
        if not (path / "study.json").exists():
            if self.ended:
                raise Broken("the study is gone")
            return
        status = self.folder.read_status()
        broken = [found for found in self.disk.paths_below(f"{path}/trials") if ".broken" in found]
        if broken:
            raise Broken(f"set aside as torn: {broken}")
        records = {record.trial: record for record in self.folder.read_trials()}
        for trial, record in self.ended.items():
            now = records.get(trial)
            if now is None or (now != record and record.state != TrialState.CUT):
                raise Broken(f"trial {trial} has ended, and that is lost: {now}")
        looks = len(status.test_looks)
        num_asked = 1 + sum(s.trials > 0 or s.more_time != 1 for s in self.scenario.sessions)
        if looks > num_asked:
            raise Broken(f"test was opened {looks} times, and more was asked for {num_asked} times")
        if is_done:
            self._check_end(status, records, session.trials)

    def _check_finished(self, before: StudyStatus, session: Session) -> None:
        """Whether a study that was done has lost nothing for want of time."""
        now = self.folder.read_status()
        limit_s = self._changes(session).get("budget_s", before.config.budget_s)
        if isinstance(limit_s, float) and limit_s <= before.seconds:
            kept = ("status", "finalists", "num_folds", "choice", "test_looks")
            changed = [name for name in kept if getattr(now, name) != getattr(before, name)]
            if changed or not self.folder.leaderboard_path.exists():
                raise Broken(f"a finished study without time lost its end: {changed}")
        found, known = now.finalists or (), before.finalists or ()
        is_new = not {f.trial for f in found} <= {f.trial for f in known}
        is_new |= any(facts.epochs and facts not in known for facts in found)
        is_new |= now.num_folds > before.num_folds
        retrained = [sum(f.epochs is not None for f in facts) for facts in (found, known)]
        is_less = len(found) < len(known) or retrained[0] < retrained[1]
        if len(now.test_looks) > len(before.test_looks) and is_less and not is_new:
            raise Broken(f"test was opened again for {found}, and there had been {known}")

    def _check_end(self, status: Any, records: dict[int, TrialRecord], asked: int) -> None:
        path = self.folder.path
        if status.status != "done" or not status.test_looks[-1].is_over:
            raise Broken(f"it ended well, and is noted as {status.status}")
        self._check_candidates()
        if self.folder.is_report_due:
            raise Broken("it ended well, and lacks its report, or has an old one")
        if list(records) != list(range(len(records))):
            raise Broken(f"there are trials {list(records)}")
        open_trials = [trial for trial, record in records.items() if record.is_open]
        if open_trials and not self.scenario.is_timed:
            raise Broken(f"trials {open_trials} have not ended")
        wanted = max(asked, status.config.num_trials or 0)
        may_be_fewer = self.scenario.is_timed or self._is_exhausted(records)
        if len(records) != wanted and not may_be_fewer:
            raise Broken(f"there are {len(records)} trials, not {wanted}")
        orders = [record.end_order for record in records.values() if not record.is_open]
        # One that the budget had cut, and that went on, ends again: its first place is free.
        places = sorted(order for order in orders if order is not None)
        expected = sorted(set(places)) if self.scenario.is_timed else list(range(len(orders)))
        if len(places) != len(orders) or places != expected:
            raise Broken(f"the trials ended in the order {orders}")
        lines = (path / "trials.csv").read_text().splitlines()
        if [int(line.split(",")[0]) for line in lines[1:]] != list(records):
            raise Broken(f"trials.csv has other lines: {lines}")
        for record in records.values():
            folder = path / "trials" / f"{record.trial:04d}"
            is_kept = record.state == TrialState.CUT or record.is_open or self.is_untidy
            if not is_kept and (folder / "checkpoint").exists():
                raise Broken(f"the checkpoint of trial {record.trial} was left")
        for finalist in () if self.is_kept else status.finalists:
            part = path / "finalists" / f"{finalist.trial:04d}" / "refit" / "model.keras"
            own = path / "trials" / f"{finalist.trial:04d}" / "model.keras"
            if not own.exists() or (finalist.epochs and not (part.exists() or own.exists())):
                raise Broken(f"finalist {finalist.trial} has no model")

    def _check_candidates(self) -> None:
        """Whether each on the leaderboard has its model and its files, and the board has all."""
        board = self.folder.leaderboard_path.read_text().split()
        if not self.is_kept and self.scenario.is_judged:
            wanted = [f"{n:02d}" for n in range(1, len(self.judging.contents) + 1)]
            if board != wanted:
                raise Broken(f"on the leaderboard are {board}, judged were {wanted}")
        names = ("model.keras", "predictions.csv") if self.scenario.is_judged else ("model.keras",)
        places = [self.folder.path / f"candidates/{number}/{n}" for number in board for n in names]
        lost = [str(place) for place in places if not place.exists()]
        if (lost and not self.is_refused) or not board:
            raise Broken(f"it ended well, and lacks {lost or 'candidates'}")

    def _is_exhausted(self, records: dict[int, TrialRecord]) -> bool:
        points = space_of(self.scenario.space).points(100)
        return points is not None and len(records) >= len(points)

    def check_models(self, ranked: tuple[TrialRecord, ...]) -> None:
        """Whether the best trials have their models, with the weights of their best epochs."""
        from autocnn.core.objective import distinct_trials
        from tests.simulation.training import model_of

        old = self.num_adopted  # of these, what has a model is as good as the other study was
        paths = {r.trial: self.folder.path / f"trials/{r.trial:04d}/model.keras" for r in ranked}
        possible = [r for r in ranked if r.trial >= old or paths[r.trial].exists()]
        best = distinct_trials(possible)[: self.scenario.finalists]
        for record in best:
            wanted = model_of((self.scenario.seed, record.trial), record.best_epoch or 0)
            if record.trial >= old and not _holds(paths[record.trial], wanted):
                raise Broken(f"trial {record.trial}, one of the best, lacks its model")

    def check_engine(self, context: Any, prepared: Any) -> None:
        """Whether an engine made of the records proposes what the one that searched does."""
        records = self.folder.read_trials()
        is_looked_at = self.scenario.seed % 3 == 0  # it is dear
        if not is_looked_at or self.engine is None or any(record.is_open for record in records):
            return
        live, self.engine = self.engine, None
        search_of_study._build_engine(context, prepared, records, self.folder.read_status().epochs)
        assert self.engine is not None
        number = len(records)
        for trial in range(number, number + PROPOSALS):
            proposals = live.engine.ask(trial), self.engine.engine.ask(trial)
            if proposals[0] != proposals[1]:
                raise Broken(f"a resumed engine proposes {proposals[1]}, not {proposals[0]}")
        self.engine = None

    # -- what is not real -------------------------------------------------------------------

    @contextlib.contextmanager
    def _in_place(self) -> Iterator[None]:
        """The disk, the data, the engine and the lock of the simulation."""
        hidden = _hidden(id(self.dataset), self.dataset)
        replacements: list[tuple[Any, str, Any]] = [
            (start_of_study, "prepare_data", lambda *_, **__: self.dataset),
            (start_of_study, "picture_data", lambda *_, **__: _pictures(0, hidden)),
            (start_of_study, "installed_versions", dict),
            (start_of_study, "cut_folds", lambda dataset, number, **_: _folds(number, hidden)),
            (start_of_study, "load_space", self._load_space),
            (end_of_study, "write_report", lambda folder: folder.write_report("")),
            (end_of_study, "judge", self._judge),
            (end_of_study, "score_candidates", lambda plan, judged, *_: _numbered(judged)),
            (end_of_study, "add_subgroups", lambda plan, candidates, *_: candidates),
            (
                end_of_study,
                "explain_candidates",
                lambda plan, candidates: [(c, {}) for c in candidates],
            ),
            (end_of_study, "picture_augmented", lambda plan, candidate: (candidate, {})),
            (end_of_study, "write_candidate_files", self._write_candidate),
            (end_of_study, "write_label_issues", lambda *_, **__: None),
            (end_of_study, "build_leaderboard", _leaderboard),
            (study, "load_space", self._load_space),
            (study, "inspect_machine", lambda observer: MACHINE),
            (search_of_study, "build_engine", self._build_engine),
            (loop_of_search, "FAILURES_AT_ONCE", 10**9),  # each is drawn by itself here
            (StudyFolder, "write_space", self._write_space),
            (Files, "_write_json", _write_json),
            (folder_of_study, "StudyLock", Unlocked),
            (_random, "LazyRandomState", PooledState),
            (status_of_study, "installed_versions", dict),
        ]
        with self.disk.mounted(), replaced(replacements):
            yield

    def _load_space(self, name: str, **_: Any) -> SearchSpace:
        try:
            Path(name).read_bytes()
        except OSError as error:
            raise SpaceError(f"{name} must be readable, got {error}") from error
        return space_of(self.scenario.space)

    def _write_space(self, space: SearchSpace) -> None:
        """As it is: the YAML of a thousand studies takes a minute."""
        self.folder._write_text("space.yaml", SPACES[self.scenario.space])

    def _build_engine(
        self,
        config: StudyConfig,
        space: SearchSpace,
        goal: Any,
        folder: Any,
        *,
        epochs: int,
        warn: Callable[[str], None],
    ) -> Checked:
        assert config.sampler is not None and config.pruner is not None
        self.engine = Checked(
            OptunaEngine(
                space,
                goal,
                sampler=config.sampler,
                pruner=config.pruner,
                seed=config.seed,
                epochs=epochs,
                num_trials=config.num_trials,
            )
        )
        return self.engine


def _write_json(folder: StudyFolder, name: str, data: dict[str, Any]) -> None:
    """In one line, and not by Python, which takes a hundred times as long."""
    folder._write_text(name, to_json(data).decode())


def _numbered(judged: Sequence[Any]) -> list[Any]:
    """In the place of scored candidates."""
    records = (SimpleNamespace(candidate=n, folds=None) for n in range(1, len(judged) + 1))
    return [SimpleNamespace(record=record) for record in records]


def _leaderboard(records: Sequence[Any], **_: Any) -> Any:
    """A line for each candidate: the name of its folder."""
    text = "".join(f"{record.candidate:02d}\n" for record in records)
    return SimpleNamespace(to_csv=lambda: text)


def _holds(path: Path, content: bytes) -> bool:
    """Whether a file is there, and is this."""
    return path.exists() and path.read_bytes() == content


@functools.cache
def _hidden(number: int, dataset: Any) -> Hidden:
    return Hidden(dataset)


@functools.cache
def _folds(number: int, hidden: Hidden) -> Any:
    return cut_folds(hidden.dataset, number, repeats=1, seed=0)


def check_record(path: str, content: bytes) -> None:
    """Whether a record that has just been put in place can be read."""
    if path.endswith("/trial.json"):
        TrialRecord.model_validate_json(content)


def run(scenario: Scenario, dataset: Dataset) -> Simulation:
    """A simulation, run to its end; of one worker and no clock, twice: also undisturbed.

    Raises:
        Broken: When a promise was not kept.
    """
    simulation = Simulation(scenario, dataset)
    simulation.run()
    sessions = scenario.sessions
    is_one_study = all(not session.trials for session in sessions) and not scenario.has_fork
    if scenario.is_alone and not scenario.is_timed and is_one_study and scenario.seed % 2:
        undisturbed = Simulation(replace(scenario, sessions=(Session(),)), dataset)
        undisturbed.run()
        found, expected = simulation.outcome(), undisturbed.outcome()
        if any(getattr(end, "reason", "").startswith("its worker was lost") for end in expected):
            return simulation  # a resumed study gives the worker as many tries again
        for one, other in zip(found, expected, strict=True):
            if one != other:
                raise Broken(f"it did not end as if nothing had happened: {one}, not {other}")
    return simulation
