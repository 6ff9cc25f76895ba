"""The curves of trials as TensorBoard's event files, written without TensorFlow.

One run per trial: `trial-0007/train` and `trial-0007/val` hold its scalars, so that both lie in
one chart, and `trial-0007` itself its params and its objective, for the HParams tab.
"""

import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.hparams import api_pb2, metadata
from tensorboard.plugins.hparams.plugin_data_pb2 import (
    HParamsPluginData,
    SessionEndInfo,
    SessionStartInfo,
)
from tensorboard.summary.writer.record_writer import RecordWriter

from autocnn.core.atomic import replacing
from autocnn.core.records import EpochScore, Params, TrialRecord
from autocnn.integrations.trackers.base import points_of
from autocnn.storage import StudyFolder

FILE_VERSION = "brain.Event:2"
"""The first event of every file says this, or TensorBoard does not read it."""

EVENTS = "events.out.tfevents.0.autocnn"
"""The file of an ended trial's params. TensorBoard knows event files by `tfevents`."""


class TensorBoardTracker:
    """Writes event files; see `base.Tracker`.

    A trial's file of params is its last one and written whole: where it stands, the trial is
    complete. A trial without it is written anew from its record.

    Args:
        path: The folder for `tensorboard --logdir`.
    """

    name = "TensorBoard"

    def __init__(self, path: Path) -> None:
        self._path = path
        self._open: dict[int, _Curves] = {}
        self._restored: dict[int, tuple[EpochScore, ...]] = {}

    def begin(self, earlier: Sequence[TrialRecord]) -> None:
        """Write the ended trials that are not there yet; see `base.Tracker`."""
        self._restored = {record.trial: record.history for record in earlier if record.is_open}
        for record in earlier:
            if not record.is_open and not (self._trial_dir(record.trial) / EVENTS).exists():
                self._begin_trial(record.trial, record.history)
                self.end(record)

    def start(self, trial: int, params: Params) -> None:
        """A fresh folder, with the epochs that the trial goes on from; see `base.Tracker`."""
        self._begin_trial(trial, self._restored.pop(trial, ()))

    def add(self, trial: int, score: EpochScore) -> None:
        """Append an epoch; see `base.Tracker`."""
        self._open[trial].add(score, time.time())

    def end(self, record: TrialRecord) -> None:
        """Close the curves and write the params; see `base.Tracker`."""
        self._open.pop(record.trial).close()
        if not record.is_open:
            with replacing(self._trial_dir(record.trial) / EVENTS) as file:
                _write_end(file, record)

    def finish(self, folder: StudyFolder) -> None:
        """Nothing: candidates have no curves of their own; see `base.Tracker`."""

    def close(self) -> None:
        """Close what is open; see `base.Tracker`."""
        for curves in self._open.values():
            curves.close()
        self._open.clear()

    def _begin_trial(self, trial: int, history: Sequence[EpochScore]) -> None:
        if trial in self._open:
            self._open.pop(trial).close()
        folder = self._trial_dir(trial)
        if folder.exists():
            shutil.rmtree(folder)
        self._open[trial] = curves = _Curves(folder)
        ended = time.time() - sum(score.seconds for score in history)
        for score in history:
            ended += score.seconds
            curves.add(score, ended)

    def _trial_dir(self, trial: int) -> Path:
        return self._path / f"trial-{trial:04d}"


class _Curves:
    """The open event files of a trial, one per split.

    Args:
        folder: Of the trial; made here.
    """

    def __init__(self, folder: Path) -> None:
        self._files: dict[str, BinaryIO] = {}
        for split in ("train", "val"):
            (folder / split).mkdir(parents=True)
            # A running TensorBoard goes on to a file of a later name.
            name = f"events.out.tfevents.{int(time.time()):010d}.autocnn"
            file = (folder / split / name).open("wb")
            self._files[split] = file
            _write(file, Event(wall_time=time.time(), file_version=FILE_VERSION))

    def add(self, score: EpochScore, ended: float) -> None:
        """Append an epoch that ended at `ended`, in seconds since 1970."""
        for split, file in self._files.items():
            values = [
                Summary.Value(tag=point.name, simple_value=point.value)
                for point in points_of(score)
                if point.split == split
            ]
            _write(file, Event(wall_time=ended, step=score.epoch, summary=Summary(value=values)))
            file.flush()

    def close(self) -> None:
        for file in self._files.values():
            file.close()


def _write_end(file: BinaryIO, record: TrialRecord) -> None:
    """The params of an ended trial, its objective, and how it ended."""
    now = time.time()
    is_well = record.state.is_scored
    start = SessionStartInfo(start_time_secs=now - record.seconds)
    for name, value in record.params.items():
        if isinstance(value, bool):
            start.hparams[name].bool_value = value
        elif isinstance(value, str):
            start.hparams[name].string_value = value
        else:
            start.hparams[name].number_value = value
    status = api_pb2.STATUS_SUCCESS if is_well else api_pb2.STATUS_FAILURE
    end = SessionEndInfo(status=status, end_time_secs=now)
    values = [
        _hparams(metadata.SESSION_START_INFO_TAG, HParamsPluginData(session_start_info=start)),
        _hparams(metadata.SESSION_END_INFO_TAG, HParamsPluginData(session_end_info=end)),
    ]
    _write(file, Event(wall_time=now, file_version=FILE_VERSION))
    _write(file, Event(wall_time=now, summary=Summary(value=values)))
    if record.objective is not None:
        value = Summary.Value(tag="objective", simple_value=record.objective)
        step = record.best_epoch or 0
        _write(file, Event(wall_time=now, step=step, summary=Summary(value=[value])))


def _hparams(tag: str, data: HParamsPluginData) -> Summary.Value:
    return Summary.Value(
        tag=tag, metadata=metadata.create_summary_metadata(data), tensor=metadata.NULL_TENSOR
    )


def _write(file: BinaryIO, event: Event) -> None:
    RecordWriter(file).write(event.SerializeToString())
