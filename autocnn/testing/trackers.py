"""What a study relies on, whatever its trials are logged to."""

import math
from abc import ABC, abstractmethod
from pathlib import Path

from autocnn.core.records import EpochScore, ParamValue, Scores, TrialRecord, TrialState
from autocnn.integrations.trackers.base import Tracker
from autocnn.storage import StudyFolder

PARAMS: dict[str, ParamValue] = {
    "family": "resnet",
    "dropout": 0.1,
    "squeeze_excitation": True,
    "width": 16,
}


def _epoch(number: int) -> EpochScore:
    scores = Scores(accuracy=0.5, log_loss=0.7)
    return EpochScore(
        epoch=number, train_loss=1.0, train=scores, val=scores, learning_rate=1e-3, seconds=1.0
    )


def _ended(trial: int, state: TrialState = TrialState.COMPLETE, num_epochs: int = 2) -> TrialRecord:
    return TrialRecord(
        trial=trial,
        state=state,
        params=PARAMS,
        objective=0.5 if num_epochs else None,
        best_epoch=1 if num_epochs else None,
        history=tuple(_epoch(number) for number in range(1, num_epochs + 1)),
        end_order=trial,
    )


class TrackerContract(ABC):
    """The tests of a tracker; see `autocnn.testing`."""

    @abstractmethod
    def make_tracker(self, folder: StudyFolder) -> Tracker:
        """A tracker of the study in this folder; called again for each session."""

    def count_epochs(self, folder: StudyFolder, trial: int) -> int | None:
        """Epochs of a trial that are kept; None where nobody can look."""
        return None

    def make_study(self, place: Path) -> StudyFolder:
        """A study without trials."""
        return StudyFolder.create(place, "contract", {})

    def test_trials_are_kept_with_their_epochs(self, tmp_path: Path) -> None:
        """Two at once, one of which diverges."""
        folder = self.make_study(tmp_path)
        tracker = self.make_tracker(folder)
        assert tracker.name
        tracker.begin([])
        for trial in (0, 1):
            tracker.start(trial, PARAMS)
        for number in (1, 2):
            tracker.add(0, _epoch(number))
        tracker.add(1, _epoch(1).model_copy(update={"train_loss": math.nan}))
        tracker.end(_ended(0))
        tracker.end(_ended(1, TrialState.FAILED, 1))
        tracker.close()
        assert self.count_epochs(folder, 0) in (None, 2)

    def test_a_second_session_adds_what_is_missing_and_nothing_twice(self, tmp_path: Path) -> None:
        """Also a trial that ended while nobody listened, and one that goes on."""
        folder = self.make_study(tmp_path)
        first = self.make_tracker(folder)
        first.begin([])
        first.start(0, PARAMS)
        first.add(0, _epoch(1))
        first.end(_ended(0, TrialState.INTERRUPTED, 1))
        first.close()
        second = self.make_tracker(folder)
        second.begin([_ended(0, TrialState.INTERRUPTED, 1), _ended(1)])
        second.start(0, PARAMS)
        second.add(0, _epoch(2))
        second.end(_ended(0))
        second.close()
        assert self.count_epochs(folder, 0) in (None, 2)
        assert self.count_epochs(folder, 1) in (None, 2)

    def test_a_study_may_end_without_trials(self, tmp_path: Path) -> None:
        """And a tracker may be closed at any time."""
        tracker = self.make_tracker(self.make_study(tmp_path))
        tracker.begin([])
        tracker.close()
