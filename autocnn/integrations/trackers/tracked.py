"""An observer that tells trackers too, and does not let their errors through."""

import contextlib
import importlib.util
from collections.abc import Callable, Iterator, Sequence

from autocnn.core.config import MLFLOW_DEFAULT, StudyConfig
from autocnn.core.errors import MissingExtraError, Text
from autocnn.core.events import Observer
from autocnn.core.extras import install_line
from autocnn.core.records import EpochScore, Params, TrialRecord
from autocnn.integrations.trackers.base import Background, Tracker
from autocnn.storage import StudyFolder


def check_extras(config: StudyConfig) -> None:
    """See that what the config asks for is installed.

    Raises:
        MissingExtraError: When it is not.
    """
    for is_asked, package in ((config.tensorboard, "tensorboard"), (config.mlflow, "mlflow")):
        if is_asked and importlib.util.find_spec(package) is None:
            raise MissingExtraError(
                Text(f"{{{package}}}: needs the package {package}, got none."),
                remedy=install_line(package),
            )


@contextlib.contextmanager
def tracked(config: StudyConfig, folder: StudyFolder, observer: Observer) -> Iterator[Observer]:
    """An observer that also tells the trackers that the config asks for.

    When the block ends well they hear that the study is done; they are closed however it ends.

    Args:
        config: `tensorboard` and `mlflow` count.
        folder: The study's.
        observer: Hears everything as before, and a warning when a tracker fails.
    """
    makers = list(_makers(config, folder, observer))
    if not makers:
        yield observer
        return
    watch = TrackedObserver(observer, makers)
    try:
        yield watch
        watch.finish(folder)
    finally:
        watch.release()


def _makers(
    config: StudyConfig, folder: StudyFolder, observer: Observer
) -> Iterator[Callable[[], Tracker]]:
    """What makes each tracker that is asked for; the packages are imported by then."""
    if config.tensorboard:
        observer.note(f"For the curves: tensorboard --logdir {folder.tensorboard_dir}")

        def make_tensorboard() -> Tracker:
            from autocnn.integrations.trackers.tensorboard import TensorBoardTracker

            return TensorBoardTracker(folder.tensorboard_dir)

        yield make_tensorboard
    address = config.mlflow
    if address is not None:

        def make_mlflow() -> Tracker:
            from autocnn.integrations.trackers.mlflow import MlflowTracker, connect

            return MlflowTracker(connect(None if address == MLFLOW_DEFAULT else address), folder)

        yield lambda: Background("MLflow", make_mlflow)


class TrackedObserver(Observer):
    """Passes everything on to an observer, and the trials to trackers.

    Args:
        observer: The one that was there.
        makers: Each makes a tracker; one that cannot is as good as one that fails later.
    """

    def __init__(self, observer: Observer, makers: Sequence[Callable[[], Tracker]]) -> None:
        self._observer = observer
        self._trackers: list[Tracker] = []
        for make in makers:
            try:
                self._trackers.append(make())
            except Exception as error:  # noqa: BLE001 - the study goes on, whatever it is
                self._say_lost("A tracker", error)

    def stage(self, name: str, *, total: int | None = None, unit: str = "") -> None:
        """Passed on."""
        self._observer.stage(name, total=total, unit=unit)

    def advance(self, steps: int = 1) -> None:
        """Passed on."""
        self._observer.advance(steps)

    def note(self, text: str) -> None:
        """Passed on."""
        self._observer.note(text)

    def warn(self, text: str) -> None:
        """Passed on."""
        self._observer.warn(text)

    def trials_found(self, records: Sequence[TrialRecord]) -> None:
        """Passed on; trackers begin."""
        self._observer.trials_found(records)
        self._tell(lambda tracker: tracker.begin(records))

    def trial_started(self, trial: int, params: Params, *, epochs: int) -> None:
        """Passed on, and tracked."""
        self._observer.trial_started(trial, params, epochs=epochs)
        self._tell(lambda tracker: tracker.start(trial, params))

    def trial_epoch(self, trial: int, score: EpochScore) -> None:
        """Passed on, and tracked."""
        self._observer.trial_epoch(trial, score)
        self._tell(lambda tracker: tracker.add(trial, score))

    def trial_ended(self, record: TrialRecord, *, best: TrialRecord | None) -> None:
        """Passed on, and tracked."""
        self._observer.trial_ended(record, best=best)
        self._tell(lambda tracker: tracker.end(record))

    def time_left(self, seconds: float | None, *, finalists_s: float = 0.0) -> None:
        """Passed on."""
        self._observer.time_left(seconds, finalists_s=finalists_s)

    def close(self) -> None:
        """Passed on."""
        self._observer.close()

    def finish(self, folder: StudyFolder) -> None:
        """Tell the trackers that the study is done."""
        self._tell(lambda tracker: tracker.finish(folder))

    def release(self) -> None:
        """Close the trackers; the observer stays open."""
        self._tell(lambda tracker: tracker.close())
        self._trackers.clear()

    def _tell(self, call: Callable[[Tracker], None]) -> None:
        for tracker in tuple(self._trackers):
            try:
                call(tracker)
            except Exception as error:  # noqa: BLE001 - the study goes on, whatever it is
                self._trackers.remove(tracker)
                self._say_lost(tracker.name, error)

    def _say_lost(self, name: str, error: Exception) -> None:
        reason = (str(error) or type(error).__name__).strip().splitlines()[0][:300]
        self._observer.warn(
            f"{name} must take the numbers of the trials, got: {reason.rstrip('.')}. The study "
            "goes on without it; nothing is missing in its folder."
        )
