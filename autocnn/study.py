"""A study from start to end: data, search, finalists, leaderboard."""

import datetime
import re
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

from autocnn.budget import Budget
from autocnn.config import StudyConfig
from autocnn.errors import AutocnnError, ConfigError, SearchInterrupted
from autocnn.events import Observer
from autocnn.executors.base import EndEvent, Event, Executor
from autocnn.executors.local import LocalExecutor
from autocnn.machine import Machine, share_machine
from autocnn.objective import Goal
from autocnn.records import ParamValue, TrialState
from autocnn.space import SearchSpace
from autocnn.space_files import load_space
from autocnn.store import StudyFolder
from autocnn.tasks import FIND_WEIGHTS, TrainingTask, WeightsResult, WeightsTask

VERSIONS_OF = ("autocnn", "tensorflow", "keras", "optuna", "scikit-learn", "numpy", "pillow")

IMAGENET = "imagenet"


def search(
    config: StudyConfig,
    observer: Observer | None = None,
    *,
    clock: Callable[[], float] = time.monotonic,
) -> StudyFolder:
    """Run a new study.

    Args:
        config: What is asked.
        observer: Hears of progress.
        clock: Seconds now, for the budget.

    Returns:
        The study's folder, with its leaderboard.

    Raises:
        SpaceError: When the space breaks a rule; nothing was written.
        DataError: When the data cannot be used; nothing was written.
        StudyError: When the folder is there already or cannot be written.
        SearchError: When no trial finished.
        SearchInterrupted: On Ctrl-C; what had finished is kept.
    """
    started = clock()
    observer = observer or Observer()
    try:
        space = _narrow(load_space(config.space), config)
        if config.weights is not None and not config.weights.is_file():
            raise ConfigError(f"--weights must be a file, got {str(config.weights)!r}.")
        config = config.model_copy(update={"channels": config.channels or space.channels})
        folder = StudyFolder.create(config.results, config.name or _default_name(config.data))
        folder.lock()
        try:
            _Study(config, space, folder, observer, clock=clock, started=started).run()
        finally:
            folder.unlock()
    finally:
        observer.close()
    return folder


class _Study:
    """A study under way; `search` is its front door."""

    def __init__(
        self,
        config: StudyConfig,
        space: SearchSpace,
        folder: StudyFolder,
        observer: Observer,
        *,
        clock: Callable[[], float],
        started: float,
    ) -> None:
        self.config = config
        self.space = space
        self.folder = folder
        self.observer = observer
        self.clock = clock
        self.started = started
        self.goal = Goal(config.objective, config.max_gap)
        self.epochs = config.epochs or space.epochs
        self.weights = str(config.weights.resolve()) if config.weights else IMAGENET
        machine = Machine.inspect()
        self.machine = machine
        self.resources = share_machine(
            machine,
            trials=config.trials,
            workers=config.workers,
            threads=config.threads,
            precision=config.precision,
        )
        self.facts: dict[str, Any] = {}

    def run(self) -> None:
        """All stages, each in its order; the state in study.json follows."""
        executor: Executor = LocalExecutor()  # imports TensorFlow while the data are decoded
        try:
            self._prepare(executor)
        except BaseException:
            executor.close()
            self.folder.remove()
            raise
        try:
            self._write_facts("running")
            self._search_and_judge(executor)
            self._write_facts("done")
        except KeyboardInterrupt as error:
            self._write_facts("interrupted")
            ended = sum(r.state != TrialState.INTERRUPTED for r in self.folder.read_trials())
            raise SearchInterrupted(
                f"{self.folder.path}: interrupted; {ended} ended trials are kept.",
                remedy=f"See them in {self.folder.path / 'trials.csv'}.",
            ) from error
        except AutocnnError:
            self._write_facts("failed")
            raise
        finally:
            executor.close()

    def _prepare(self, executor: Executor) -> None:
        """Data, weights and plan: everything that can be wrong before the first trial."""
        from autocnn.data import prepare_data

        self.dataset = prepare_data(
            self.config, image_sizes=_image_sizes(self.space), observer=self.observer
        )
        if "pretrained" in self.space.values_of("family"):
            self._find_weights(executor)
        num_train = len(self.dataset.indices("train"))
        num_val = len(self.dataset.indices("val"))
        self.budget = Budget(
            total_s=self.config.budget_s,
            workers=self.resources.workers,
            finalists=self.config.finalists,
            refit_factor=(num_train + num_val) / num_train,
            clock=self.clock,
            started=self.started,
        )
        limit = f", {self.config.budget_s / 60:.0f} min" if self.config.budget_s else ""
        self.observer.note(
            f"Study {self.folder.name}: {self.config.trials} trials of at most {self.epochs} "
            f"epochs{limit}, space {self.space.name}, {self.resources.workers} at once with "
            f"{self.resources.threads} thread(s) each in {self.resources.precision}."
        )

    def _search_and_judge(self, executor: Executor) -> None:
        from autocnn.candidate_files import write_candidate_files
        from autocnn.engines.optuna_engine import OptunaEngine
        from autocnn.finalists import FinalistsPlan, judge_finalists
        from autocnn.leaderboard import build_leaderboard, to_csv
        from autocnn.loop import SearchPlan, rank_trials, run_search

        config, dataset = self.config, self.dataset
        engine = OptunaEngine(
            self.space,
            self.goal,
            sampler=config.sampler,
            pruner=config.pruner,
            seed=config.seed,
            epochs=self.epochs,
            num_trials=config.trials,
            storage=self.folder.optuna_url,
            name=self.folder.name,
        )
        plan = SearchPlan(
            goal=self.goal,
            trials=config.trials,
            epochs=self.epochs,
            workers=self.resources.workers,
            keep=config.finalists,
            trial_timeout_s=config.trial_timeout_s,
            make_task=self._make_task,
        )
        records = run_search(plan, engine, executor, self.folder, self.budget, self.observer)
        ranked = rank_trials(self.goal, records)
        finalists = ranked[: self.budget.num_finalists(ranked)]
        wanted = min(config.finalists, len(ranked))
        if len(finalists) < wanted:
            self.observer.warn(f"There is time to retrain {len(finalists)} of {wanted} finalists.")
        workers = min(self.resources.workers, len(finalists))
        candidates = judge_finalists(
            FinalistsPlan(
                dataset=dataset,
                goal=self.goal,
                seed=config.seed,
                workers=workers,
                threads=max(self.resources.threads, self.machine.num_cpus // workers),
                precision=self.resources.precision,
                weights=self.weights,
            ),
            finalists,
            executor,
            self.folder,
            self.observer,
        )
        self.observer.stage("draw", total=len(candidates), unit="candidates")
        for candidate in candidates:
            write_candidate_files(candidate, dataset, self.folder)
            self.observer.advance()
        leaderboard = build_leaderboard([candidate.record for candidate in candidates])
        self.folder.write_leaderboard(to_csv(leaderboard))

    def _make_task(self, trial: int, params: dict[str, ParamValue], epochs: int) -> TrainingTask:
        from autocnn.finalists import study_images

        return TrainingTask(
            images=study_images(self.dataset, int(params.get("image_size", 0))),
            train_rows=self.dataset.indices("train"),
            val_rows=self.dataset.indices("val"),
            params=params,
            epochs=epochs,
            seed=(self.config.seed, trial),
            goal=self.goal,
            model_path=self.folder.trial_model_path(trial),
            threads=self.resources.threads,
            precision=self.resources.precision,
            weights=self.weights,
        )

    def _find_weights(self, executor: Executor) -> None:
        """Get the pretrained weights now, and keep only the backbones that they fit."""
        names = self.space.values_of("backbone")
        side = self.dataset.images(_image_sizes(self.space)[0]).image_shape[0]
        self.observer.stage("load pretrained weights")
        task = WeightsTask(tuple(str(name) for name in names), side, self.weights)
        executor.submit(0, FIND_WEIGHTS, task,
                        log_path=self.folder.path / "weights.txt", timeout_s=None)  # fmt: skip
        events: list[Event] = []
        while not events:
            events = executor.poll(1.0)
        assert isinstance(events[0], EndEvent)
        outcome = events[0].outcome
        if outcome.error is not None:
            raise outcome.error
        if not isinstance(outcome.result, WeightsResult):
            raise ConfigError(f"The pretrained weights could not be loaded: {outcome.reason}.")
        self.space = self.space.narrow("backbone", outcome.result.backbones)

    def _write_facts(self, status: str) -> None:
        """Write study.json, and at the start what else belongs to the whole study."""
        if not self.facts:
            self.facts = self._facts()
            table, names = self.dataset.table, self.dataset.split_names
            rows = [
                (path, table.class_names[label], group or "", split, sha256)
                for path, label, group, split, sha256 in zip(
                    table.paths, table.labels, table.groups, names, table.sha256, strict=True
                )
            ]
            self.folder.write_space(self.space)
            self.folder.write_split(rows)
            self.folder.write_audit(self.dataset.audit.model_dump_json(indent=1))
        self.facts["status"] = status
        self.facts["seconds"] = round(self.clock() - self.started, 1)
        self.folder.write_study(self.facts)

    def _facts(self) -> dict[str, Any]:
        dataset = self.dataset
        return {
            "schema_version": 1,
            "name": self.folder.name,
            "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "config": self.config.model_dump(mode="json"),
            "epochs": self.epochs,
            "versions": {name: _version_of(name) for name in VERSIONS_OF},
            "machine": self.machine.to_json(),
            "resources": self.resources.to_json(),
            "data": {
                "fingerprint": dataset.fingerprint,
                "class_names": list(dataset.class_names),
                "image_shape": list(dataset.images(0).image_shape),
                "split": {s: len(dataset.indices(s)) for s in ("train", "val", "test")},
            },
            "space_fingerprint": self.space.fingerprint,
        }


def _narrow(space: SearchSpace, config: StudyConfig) -> SearchSpace:
    """The space with what the config fixes."""
    return space if config.image_size is None else space.narrow("image_size", [config.image_size])


def _image_sizes(space: SearchSpace) -> list[int]:
    """All sides at which images are needed; 0 is the one chosen from the data."""
    return [int(size) for size in space.values_of("image_size")]


def _default_name(data: str) -> str:
    """Name of a study that was given none: its data and the time."""
    stem = re.sub(r"[^A-Za-z0-9_-]+", "-", Path(data).resolve().stem).strip("-") or "study"
    return f"{stem[:60]}-{datetime.datetime.now():%Y%m%d-%H%M%S}"


def _version_of(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
