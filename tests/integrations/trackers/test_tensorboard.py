"""Event files: what TensorBoard finds in them, also after a kill."""

import math
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from autocnn.core.records import TrialState
from autocnn.storage import StudyFolder
from tests.samples import epoch, open_trial, trial

pytest.importorskip("tensorboard")

from autocnn.integrations.trackers.tensorboard import TensorBoardTracker


def read_events(folder: Path) -> Iterator[Any]:
    """All events of a run, of all its files in the order of their names."""
    from tensorboard.compat.proto.event_pb2 import Event

    for path in sorted(folder.glob("*tfevents*")):
        data = path.read_bytes()
        while data:
            (length,) = struct.unpack("<Q", data[:8])
            yield Event.FromString(data[12 : 12 + length])
            data = data[16 + length :]


def read_curve(folder: Path, tag: str) -> list[tuple[int, float]]:
    return [
        (event.step, round(value.simple_value, 6))
        for event in read_events(folder)
        for value in event.summary.value
        if value.tag == tag and value.HasField("simple_value")
    ]


def test_a_trial_is_a_run_with_a_curve_per_split(tmp_path: Path) -> None:
    tracker = TensorBoardTracker(tmp_path)
    tracker.begin([])
    tracker.start(7, {"width": 8})
    tracker.add(7, epoch(1))
    train, val = tmp_path / "trial-0007/train", tmp_path / "trial-0007/val"
    assert read_curve(val, "accuracy") == [(1, 0.5)], "it is there while the trial runs"
    tracker.add(7, epoch(2).model_copy(update={"train_loss": math.nan}))
    tracker.end(trial(7, history=(epoch(1), epoch(2))))
    tracker.finish(StudyFolder(tmp_path))
    tracker.close()
    assert read_curve(train, "accuracy") == [(1, 0.75), (2, 0.75)]
    assert read_curve(train, "learning_rate") == [(1, 0.001), (2, 0.001)]
    (_, first), (_, second) = read_curve(train, "loss")
    assert first == 0.5
    assert math.isnan(second)
    assert read_curve(val, "accuracy") == [(1, 0.5), (2, 0.5)]
    assert read_curve(val, "macro_auc") == [], "it was not measured"
    assert next(read_events(train)).file_version == "brain.Event:2"


def test_an_ended_trial_has_params_and_objective(tmp_path: Path) -> None:
    from tensorboard.plugins.hparams import api_pb2
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    tracker = TensorBoardTracker(tmp_path)
    for number, state in enumerate((TrialState.PRUNED, TrialState.OUT_OF_MEMORY)):
        tracker.start(number, {})
        tracker.end(trial(number, state=state))
    assert read_curve(tmp_path / "trial-0000", "objective") == [(1, 0.5)]
    ends = []
    for number in (0, 1):
        values = [
            value
            for event in read_events(tmp_path / f"trial-000{number}")
            for value in event.summary.value
            if value.HasField("metadata")
        ]
        start, end = (
            HParamsPluginData.FromString(value.metadata.plugin_data.content) for value in values
        )
        ends.append(end.session_end_info.status)
        params = start.session_start_info.hparams
        assert params["family"].string_value == "resnet"
        assert params["dropout"].number_value == 0.1
        assert params["weight_averaging"].bool_value is True
    assert ends == [api_pb2.STATUS_SUCCESS, api_pb2.STATUS_FAILURE]


def test_a_resumed_study_neither_doubles_nor_loses_a_point(tmp_path: Path) -> None:
    killed = TensorBoardTracker(tmp_path)
    killed.begin([])
    killed.start(0, {})
    killed.add(0, epoch(1))
    killed.end(trial(0))
    kept = (tmp_path / "trial-0000/train").stat().st_mtime_ns
    killed.start(1, {})
    killed.add(1, epoch(1))
    killed.add(1, epoch(2))  # its checkpoint was not written any more
    killed.start(2, {})
    killed.add(2, epoch(1))  # it ended, and that was not written any more
    killed.close()

    ended = trial(2, history=(epoch(1), epoch(2), epoch(3)))
    resumed = TensorBoardTracker(tmp_path)
    resumed.begin([trial(0), open_trial(1).model_copy(update={"history": (epoch(1),)}), ended])
    resumed.start(1, {})
    resumed.add(1, epoch(2))
    resumed.add(1, epoch(3))
    resumed.end(open_trial(1, TrialState.INTERRUPTED))
    resumed.close()
    assert (tmp_path / "trial-0000/train").stat().st_mtime_ns == kept
    for number in (1, 2):
        curve = read_curve(tmp_path / f"trial-000{number}/val", "accuracy")
        assert [step for step, _ in curve] == [1, 2, 3]
    assert list((tmp_path / "trial-0001").glob("*tfevents*")) == [], "it is not complete"


def test_a_trial_that_is_repeated_begins_anew(tmp_path: Path) -> None:
    tracker = TensorBoardTracker(tmp_path)
    tracker.begin([])
    for _ in range(2):  # the second time with half its batch
        tracker.start(0, {})
        tracker.add(0, epoch(1))
    tracker.end(trial(0))
    assert [step for step, _ in read_curve(tmp_path / "trial-0000/val", "accuracy")] == [1]
