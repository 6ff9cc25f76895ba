"""The stages of a study, each of which takes up what an earlier session left."""

import time
from collections.abc import Callable, Sequence

from autocnn.budget import Budget
from autocnn.config import StudyConfig
from autocnn.disk import DiskGuard
from autocnn.drift import data_changes, machine_changes, version_changes
from autocnn.engines.base import Engine, restore
from autocnn.errors import ConfigError, StudyChangedError
from autocnn.events import Interruption, Observer
from autocnn.executors.base import EndEvent, Event, Executor
from autocnn.fork import adopt_trials
from autocnn.machine import Machine, Resources
from autocnn.objective import Goal
from autocnn.records import TrialRecord
from autocnn.space import SearchSpace
from autocnn.space_files import load_space
from autocnn.status import (
    DataFacts,
    FinalistFacts,
    Stage,
    StudyStatus,
    installed_versions,
    timestamp,
)
from autocnn.store import StudyFolder
from autocnn.tasks import FIND_WEIGHTS, TrainingTask, WeightsResult, WeightsTask

IMAGENET = "imagenet"

SAVE_EVERY_S = 10.0


class Stages:
    """A study under way, in a locked folder.

    Args:
        config: What is asked, resolved.
        space: The space as it is now.
        folder: The study's.
        status: What study.json says.
        executor: Runs trials.
        observer: Hears of progress.
        machine: What there is.
        resources: How trials share it.
        interruption: Asks to stop.
        clock: Seconds now.
    """

    def __init__(
        self,
        config: StudyConfig,
        space: SearchSpace,
        folder: StudyFolder,
        status: StudyStatus,
        executor: Executor,
        observer: Observer,
        *,
        machine: Machine,
        resources: Resources,
        interruption: Interruption,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if config.image_size is not None:
            space = space.narrow("image_size", [config.image_size])
        self.config = config
        self.space = space
        self.folder = folder
        self.status = status
        self.executor = executor
        self.observer = observer
        self.machine = machine
        self.resources = resources
        self.interruption = interruption
        self.clock = clock
        self.started = clock() - status.seconds
        self.saved = clock()
        self.goal = Goal(config.objective, config.max_gap)
        self.weights = str(config.weights) if config.weights else IMAGENET

    # -- before the first trial -------------------------------------------------------

    def prepare(self) -> None:
        """Data, weights, trials so far: everything that can be wrong before a trial starts.

        Raises:
            DataError: When the data cannot be used.
            StudyChangedError: When data or space are others than they were.
        """
        from autocnn.data import prepare_data

        self.dataset = prepare_data(
            self.config, image_sizes=_image_sizes(self.space), observer=self.observer
        )
        if "pretrained" in self.space.values_of("family"):
            self._find_weights()
        rows = self.dataset.table_rows()
        if self.status.is_prepared:
            self._check_drift(rows)
        else:
            self.folder.write_space(self.space)
            self.folder.write_split(rows)
            self.folder.write_audit(self.dataset.audit.model_dump_json(indent=1))
            if self.config.fork is not None:
                adopt_trials(self.config, self.space, self.dataset.fingerprint, rows,
                             self.folder, self.observer)  # fmt: skip
        self.trials, sentences = self.folder.recover_trials()
        for sentence in sentences:
            self.observer.warn(sentence)
        ended = {trial.trial for trial in self.trials if not trial.is_open}
        if not {finalist.trial for finalist in self.status.finalists or ()} <= ended:
            self._update(finalists=None)  # the record of one was torn
        # It never shrinks below what has begun.
        total = max(self.config.trials, 1 + max((t.trial for t in self.trials), default=-1))
        self.config = self.config.model_copy(update={"trials": total})
        if self.status.is_prepared:
            self._update(resumed=(*self.status.resumed, timestamp()))
        else:
            self._update(versions=installed_versions(), machine=self.machine.to_json())
        self._update(
            config=self.config,
            resources=self.resources.to_json(),
            data=DataFacts(
                fingerprint=self.dataset.fingerprint,
                class_names=self.dataset.class_names,
                image_shape=self.dataset.images(0).image_shape,
                split={s: len(self.dataset.indices(s)) for s in ("train", "val", "test")},
            ),
            space_fingerprint=self.space.fingerprint,
        )
        self._say_plan()

    def _check_drift(self, rows: Sequence[Sequence[str]]) -> None:
        """Stop when the numbers would not be comparable; say what else is different."""
        status = self.status
        changes = []
        if status.data is not None and status.data.fingerprint != self.dataset.fingerprint:
            before = self.folder.read_split()
            changes += data_changes(before, rows) or ["The images are read differently."]
        if status.space_fingerprint != self.space.fingerprint:
            changes += [f"Space: {line}" for line in
                        load_space(str(self.folder.space_path)).diff(self.space)]  # fmt: skip
        if changes:
            raise StudyChangedError(
                f"{self.folder.path}: must find its data and its space as they were, got: "
                + " ".join(changes),
                remedy="Put them back, or start a new study that takes over the trials that "
                f"are still valid: autocnn search ... --name NEW --fork {self.folder.path}",
            )
        versions = version_changes(status.versions, installed_versions())
        if versions:
            self.observer.warn(f"Since this study began: {'; '.join(versions)}.")
        machine = machine_changes(status.machine or {}, self.machine.to_json())
        if machine:
            self.observer.note(f"Another machine: {'; '.join(machine)}.")

    def _say_plan(self) -> None:
        config, resources = self.config, self.resources
        limit = f", {config.budget_s / 60:.0f} min in all" if config.budget_s else ""
        ended = sum(not trial.is_open for trial in self.trials)
        so_far = f", {ended} of them ended" if self.trials else ""
        self.observer.note(
            f"Study {self.folder.name}: {config.trials} trials of at most {self.status.epochs} "
            f"epochs{so_far}{limit}, space {self.space.name}, {resources.workers} at once with "
            f"{resources.threads} thread(s) each in {resources.precision}."
        )

    def _find_weights(self) -> None:
        """Get the pretrained weights now, and keep only the backbones that they fit."""
        names = self.space.values_of("backbone")
        side = self.dataset.images(_image_sizes(self.space)[0]).image_shape[0]
        self.observer.stage("load pretrained weights")
        task = WeightsTask(tuple(str(name) for name in names), side, self.weights)
        self.executor.submit(0, FIND_WEIGHTS, task,
                             log_path=self.folder.path / "weights.txt", timeout_s=None)  # fmt: skip
        events: list[Event] = []
        while not events:
            events = self.executor.poll(1.0)
        assert isinstance(events[0], EndEvent)
        outcome = events[0].outcome
        if outcome.error is not None:
            raise outcome.error
        if not isinstance(outcome.result, WeightsResult):
            raise ConfigError(f"The pretrained weights could not be loaded: {outcome.reason}.")
        self.space = self.space.narrow("backbone", outcome.result.backbones)

    # -- search, finalists, leaderboard -----------------------------------------------

    def search_and_judge(self) -> None:
        """The trials that are left, then the finalists and the leaderboard.

        Raises:
            SearchError: When nothing finished.
            DiskFullError: When there is no room to go on.
            KeyboardInterrupt: When stopping was asked for.
        """
        from autocnn.loop import SearchPlan, rank_trials, run_search

        num_train, num_val = (len(self.dataset.indices(s)) for s in ("train", "val"))
        budget = Budget(
            total_s=self.config.budget_s,
            workers=self.resources.workers,
            finalists=self.config.finalists,
            refit_factor=(num_train + num_val) / num_train,
            clock=self.clock,
            started=self.started,
        )
        disk = DiskGuard(self.folder, self.config.disk_limit_gb, clock=self.clock)
        disk.check()
        records = [trial for trial in self.trials if not trial.is_open]
        if len(records) < self.config.trials and self.status.finalists is None:
            self._enter("searching")
            plan = SearchPlan(
                goal=self.goal,
                trials=self.config.trials,
                epochs=self.status.epochs,
                workers=self.resources.workers,
                keep=self.config.finalists,
                trial_timeout_s=self.config.trial_timeout_s,
                make_task=self._make_task,
                save_progress=self.save,
            )
            engine = self._build_engine()
            try:
                records = run_search(
                    plan, engine, self.executor, self.folder, budget, self.observer,
                    earlier=self.trials, interruption=self.interruption, disk=disk,
                )  # fmt: skip
            finally:
                engine.close()
        else:
            self.folder.write_trials_table(records)
        ranked = rank_trials(self.goal, records)
        self._judge(budget, ranked)

    def _judge(self, budget: Budget, ranked: Sequence[TrialRecord]) -> None:
        from autocnn.candidate_files import write_candidate_files
        from autocnn.finalists import Finalist, FinalistsPlan, judge_finalists
        from autocnn.leaderboard import build_leaderboard, to_csv

        by_number = {record.trial: record for record in ranked}
        chosen = self.status.finalists
        if chosen is None:
            chosen = self._choose_finalists(budget, ranked)
            self.folder.place_candidates([finalist.trial for finalist in chosen])
            self._update(finalists=chosen)
        self._enter("finalists")
        workers = min(self.resources.workers, len(chosen))
        threads = max(self.resources.threads, self.machine.num_cpus // workers)
        candidates = judge_finalists(
            FinalistsPlan(
                dataset=self.dataset,
                goal=self.goal,
                seed=self.config.seed,
                workers=workers,
                threads=1 if self.config.deterministic else threads,
                precision=self.resources.precision,
                weights=self.weights,
                deterministic=self.config.deterministic,
                budget=budget,
                interruption=self.interruption,
                save_progress=self.save,
            ),
            [Finalist(by_number[facts.trial], facts.epochs) for facts in chosen],
            self.executor,
            self.folder,
            self.observer,
        )
        self.observer.stage("draw", total=len(candidates), unit="candidates")
        for candidate in candidates:
            write_candidate_files(candidate, self.dataset, self.folder)
            self.observer.advance()
        leaderboard = build_leaderboard([candidate.record for candidate in candidates])
        self.folder.write_leaderboard(to_csv(leaderboard))
        self._enter("done")

    def _choose_finalists(
        self, budget: Budget, ranked: Sequence[TrialRecord]
    ) -> tuple[FinalistFacts, ...]:
        """The best trials that there is time for: different params, and models that were kept."""
        kept: list[TrialRecord] = []
        for record in ranked:
            has_model = self.folder.trial_model_path(record.trial).exists()
            is_new = all(record.params != other.params for other in kept)
            if has_model and is_new:  # Hyperband trains the same params for longer
                kept.append(record)
        best = kept[: budget.num_finalists(kept)]
        wanted = min(self.config.finalists, len(kept))
        if len(best) < wanted:
            self.observer.warn(f"There is time to retrain {len(best)} of {wanted} finalists.")
        epochs = budget.refit_epochs(best)
        pairs = zip(best, epochs, strict=True)
        return tuple(FinalistFacts(trial=r.trial, epochs=number) for r, number in pairs)

    def _build_engine(self) -> Engine:
        """The engine, brought to where it was."""
        from autocnn.engines.choose import build_engine

        self.folder.remove_engine_files()
        engine = build_engine(self.config, self.space, self.goal, self.folder,
                              epochs=self.status.epochs)  # fmt: skip
        restore(engine, self.trials)
        return engine

    def _make_task(self, record: TrialRecord) -> TrainingTask:
        from autocnn.finalists import study_images

        parent = record.parent
        return TrainingTask(
            images=study_images(self.dataset, int(record.params.get("image_size", 0))),
            train_rows=self.dataset.indices("train"),
            val_rows=self.dataset.indices("val"),
            params=dict(record.params),
            epochs=record.epochs or self.status.epochs,
            seed=(self.config.seed, record.trial),
            goal=self.goal,
            model_path=self.folder.trial_model_path(record.trial),
            threads=self.resources.threads,
            precision=self.resources.precision,
            weights=self.weights,
            checkpoint_path=self.folder.trial_checkpoint_path(record.trial),
            start_path=None if parent is None else self.folder.trial_model_path(parent),
            first_epoch=record.first_epoch,
            half_batch=record.half_batch,
            deterministic=self.config.deterministic,
        )

    # -- study.json -------------------------------------------------------------------

    def save(self, stage: Stage | None = None) -> None:
        """Note the time that was taken, now and then; or at once, with a stage."""
        if stage is None and self.clock() - self.saved < SAVE_EVERY_S:
            return
        self.saved = self.clock()
        self._update(status=stage or self.status.status)

    def _enter(self, stage: Stage) -> None:
        self.save(stage)

    def _update(self, **facts: object) -> None:
        seconds = round(self.clock() - self.started, 1)
        self.status = self.status.model_copy(update={**facts, "seconds": seconds})
        self.folder.write_study(self.status.to_json())


def _image_sizes(space: SearchSpace) -> list[int]:
    """All sides at which images are needed; 0 is the one chosen from the data."""
    return [int(size) for size in space.values_of("image_size")]
