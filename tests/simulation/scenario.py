"""What happens to a study, drawn from a seed: sessions, what ends each, and what is asked next."""

import errno
import math
import random
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

from autocnn.core.config import PrunerName, SamplerName
from tests.simulation.disk import Fault

Stop = Literal["", "ctrl-c", "ctrl-c twice", "full", "error", "torn", "kill", "power"]

STOPS: tuple[Stop, ...] = (
    "",
    "ctrl-c",
    "ctrl-c twice",
    "full",
    "full",
    "error",
    "torn",
    "kill",
    "power",
    "power",
    "power",
)

CODES = (errno.EIO, errno.EACCES)

MOST_POLLS = 30

MOST_WRITES = 400

JUDGED_SHARE = 1 / 16
"""To compare finalists takes as long as the rest of a small study."""

MOST_JUDGING_WRITES = 100


@dataclass(frozen=True)
class Session:
    """One process.

    Attributes:
        stop: What ends it; empty: nothing does.
        at: The poll, or the write, at which.
        is_lasting: Whether a full disk stays full.
        workers: Trials at once.
        trials: Trials in the study, in all, from now on; 0: as many as before.
        more_time: The budget from now on, over what was asked for first; 1 changes nothing.
        budget_s: The budget from now on of a study that was asked for without; 0: as before.
        code: Of the error; 0: one of `CODES`.
        counts_reads: Whether `at` counts calls that only read, too.
        is_late: Whether `at` counts from the judging on.
    """

    stop: Stop = ""
    at: int = 1
    is_lasting: bool = False
    workers: int = 1
    trials: int = 0
    more_time: float = 1.0
    budget_s: float = 0.0
    code: int = 0
    counts_reads: bool = False
    is_late: bool = False

    @property
    def fault(self) -> Fault | None:
        """What the disk does."""
        match self.stop:
            case "full":
                return Fault(self.at, "error", errno.ENOSPC, self.is_lasting)
            case "error":
                code = self.code or CODES[self.at % len(CODES)]
                return Fault(self.at, "error", code, self.is_lasting, self.counts_reads)
            case "torn" | "kill" | "power":
                return Fault(self.at, self.stop, counts_reads=self.counts_reads)
        return None

    @property
    def presses(self) -> tuple[int, ...]:
        """Polls at which Ctrl-C is pressed."""
        return {"ctrl-c": (self.at,), "ctrl-c twice": (self.at, self.at + 1)}.get(self.stop, ())


@dataclass(frozen=True)
class Scenario:
    """A study and what happens to it.

    Attributes:
        seed: Of all that is drawn later: order of events, what a power cut leaves.
        sessions: One after another, until one ends well after the last of them.
        space: Name of the space.
        sampler, pruner: Of the engine.
        objective: What is searched on.
        max_gap: As in the config.
        trials, epochs: As in the config; 0 trials: as many as there is time for.
        budget_s: As in the config; 0: none.
        finalists, folds: As in the config.
        trouble: Share of trainings that end in a fault.
        is_strict: Whether the disk keeps only what POSIX promises.
        has_fork: Whether another study takes over the trials at the end.
        is_judged: Whether the finalists are compared and judged; else that only takes time.
        members: As in the config, where they are.
    """

    seed: int
    sessions: tuple[Session, ...] = ()
    space: str = "two"
    sampler: SamplerName = "random"
    pruner: PrunerName = "none"
    objective: str = "accuracy"
    max_gap: float | None = None
    trials: int = 4
    epochs: int = 3
    budget_s: float = 0.0
    finalists: int = 1
    folds: int = 0
    trouble: float = 0.0
    is_strict: bool = True
    has_fork: bool = False
    is_judged: bool = False
    members: int = 1

    @property
    def is_timed(self) -> bool:
        """Whether the clock decides anything."""
        return self.budget_s > 0 or any(session.budget_s for session in self.sessions)

    @property
    def is_alone(self) -> bool:
        """Whether it never has more than one worker."""
        return all(session.workers == 1 for session in self.sessions)


def draw(seed: int) -> Scenario:
    """The scenario of a seed: most are small, as what can break does so there too."""
    rng = random.Random(seed)
    is_large = rng.random() < 0.03
    is_alone = rng.random() < 0.4
    trials = rng.randint(3, 30) if is_large else rng.choice((1, 1, 1, 2, 2, 3))
    budget_s = 0.0
    if rng.random() < 0.25:
        budget_s = round(math.exp(rng.uniform(math.log(10), math.log(400 if is_large else 100))), 1)
        if seed % 3 == 2 and rng.random() < 0.5:  # epochs of 1 to 20 s
            trials, is_alone = 0, True
    num_first = rng.choice((1, 2, 3) if is_large else (1, 1, 1, 1, 1, 2))
    sessions = [_draw_session(rng, is_alone) for _ in range(num_first)]
    for _ in range(rng.choice((0, 1, 2) if is_large else (0, 0, 0, 0, 0, 1))):
        more: dict[str, float] = {"trials": rng.randint(0, 2) + trials}
        if budget_s:
            more["more_time"] = rng.choice((0.5, 1.0, 1.1, 1.5))
        else:
            more["budget_s"] = rng.choice((0.0, 0.0, 5.0, 100.0))
        if not trials:
            more["trials"] = 0
        sessions.append(replace(_draw_session(rng, is_alone), **more))  # type: ignore[arg-type]
    scenario = Scenario(
        seed=seed,
        sessions=tuple(sessions),
        space=rng.choice(("two", "two", "few", "nested")),
        sampler=rng.choice(("random",) * 12 + ("tpe", "qmc")),
        pruner=rng.choice(("none", "asha", "asha", "median")),
        objective=rng.choice(("accuracy", "log_loss")),
        max_gap=rng.choice((None, None, 0.05)),
        trials=trials,
        epochs=rng.choice((2, 3, 5) if is_large else (1, 1, 1, 2, 2, 3)),
        budget_s=budget_s,
        finalists=rng.choice((1, 2, 3) if is_large else (1, 1, 1, 1, 2)),
        folds=rng.choice((0, 0, 2) if is_large else (0, 0, 0, 0, 0, 2)),
        trouble=rng.choice((0.0, 0.0, 0.2, 0.5)),
        is_strict=rng.random() < 0.6,
        has_fork=rng.random() < 0.05,
        is_judged=rng.random() < JUDGED_SHARE,
    )
    return _draw_judged(rng, scenario) if scenario.is_judged else scenario


def _draw_judged(rng: random.Random, scenario: Scenario) -> Scenario:
    """With more finalists, as one is hardly compared, and more that happens in the judging."""
    sessions = []
    for session in scenario.sessions:
        if session.stop and rng.random() < 0.7:
            most = 6 if session.presses else MOST_JUDGING_WRITES
            at = max(1, int(math.exp(rng.uniform(0, math.log(most)))))
            session = replace(session, at=at, is_late=True)
        sessions.append(session)
    return replace(
        scenario,
        sessions=tuple(sessions),
        finalists=rng.choice((1, 2, 3)),
        folds=rng.choice((0, 0, 2)),
        members=rng.choice((1, 1, 2)),
    )


def _draw_session(rng: random.Random, is_alone: bool) -> Session:
    stop = rng.choice(STOPS)
    most = MOST_POLLS if stop.startswith("ctrl") else MOST_WRITES
    workers = 1 if is_alone else rng.choice((1, 2, 2, 3, 4, 8, 64))
    return Session(
        stop=stop,
        at=max(1, int(math.exp(rng.uniform(0, math.log(most))))),
        is_lasting=rng.random() < 0.5,
        workers=workers,
    )


def simpler(scenario: Scenario) -> list[Scenario]:
    """Scenarios with one thing less each, the largest steps first."""
    found = []
    sessions = scenario.sessions
    for index in range(len(sessions)):
        found.append(replace(scenario, sessions=sessions[:index] + sessions[index + 1 :]))
    plain = Scenario(scenario.seed)
    for field in fields(Scenario):
        value, now = getattr(plain, field.name), getattr(scenario, field.name)
        is_more = field.name in ("trials", "epochs") and 0 < now < value
        if field.name not in ("seed", "sessions") and now != value and not is_more:
            found.append(replace(scenario, **{field.name: value}))
    for number in range(1, scenario.trials):
        found.append(replace(scenario, trials=number))
    for number in range(1, scenario.epochs):
        found.append(replace(scenario, epochs=number))
    for index, session in enumerate(sessions):
        for field in fields(Session):
            value = getattr(Session(), field.name)
            if field.name != "at" and getattr(session, field.name) != value:
                less = replace(session, **{field.name: value})
                found.append(
                    replace(scenario, sessions=(*sessions[:index], less, *sessions[index + 1 :]))
                )
    return found


def to_json(scenario: Scenario) -> dict[str, Any]:
    """What differs from the scenario that its seed draws."""
    drawn = draw(scenario.seed)
    changes: dict[str, Any] = {
        field.name: getattr(scenario, field.name)
        for field in fields(Scenario)
        if field.name != "sessions" and getattr(scenario, field.name) != getattr(drawn, field.name)
    }
    if scenario.sessions != drawn.sessions:
        changes["sessions"] = [
            {
                field.name: getattr(session, field.name)
                for field in fields(Session)
                if getattr(session, field.name) != getattr(Session(), field.name)
            }
            for session in scenario.sessions
        ]
    return changes


def from_json(seed: int, changes: dict[str, Any]) -> Scenario:
    """The scenario of a seed with the changes that `to_json` gave."""
    sessions = changes.pop("sessions", None)
    scenario = replace(draw(seed), **changes)
    if sessions is None:
        return scenario
    return replace(scenario, sessions=tuple(Session(**facts) for facts in sessions))
