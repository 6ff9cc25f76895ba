"""Finished studies, and a display that counts."""

from pathlib import Path
from typing import Any

from autocnn.api import display
from autocnn.core.config import resolve_config
from autocnn.core.records import CandidateRecord, Interval, Scores, SplitName, SplitScores
from autocnn.reporting.leaderboard import build_leaderboard
from autocnn.storage import StudyFolder
from autocnn.storage.status import StudyStatus


def split(name: SplitName, accuracy: float) -> SplitScores:
    return SplitScores(
        split=name,
        num_images=100,
        scores=Scores(accuracy=accuracy, macro_auc=0.99),
        intervals={"accuracy": Interval(value=accuracy, low=accuracy - 0.02, high=1.0)},
        classes=(),
    )


def candidate(rank: int) -> CandidateRecord:
    return CandidateRecord(
        candidate=rank,
        rank=rank,
        kind="refit",
        trial=10 + rank,
        params={"family": "resnet", "width": 8},
        objective=0.95 - rank / 100,
        train=split("train", 0.97),
        val=split("val", 0.94),
        test=split("test", 0.9312),
        num_weights=312_345,
        flops=None,
        latency_ms=1.5,
        size_mb=1.25,
        epochs=12,
        train_seconds=61.5,
        seed=3,
    )


def make_study(name: str = "mine", **asked: Any) -> StudyFolder:
    """A finished study under results/, written by hand."""
    status = StudyStatus.new(name, resolve_config({"name": name, **asked}), epochs=3)
    status = status.model_copy(update={"status": "done"})
    folder = StudyFolder.create(Path("results"), name, status.to_json())
    records = [candidate(1), candidate(2)]
    for record in records:
        folder.write_candidate(record)
    folder.write_leaderboard(build_leaderboard(records).to_csv())
    return folder


class Closing(display.QuietDisplay):
    """Counts how often it was closed."""

    num_closed = 0

    def close(self) -> None:
        self.num_closed += 1
