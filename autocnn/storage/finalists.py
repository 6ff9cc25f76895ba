"""The finalists of a study: models that were retrained, each with its record."""

import shutil
from collections.abc import Iterable
from pathlib import Path

from autocnn.core.atomic import make_folder, remove, replace_file
from autocnn.core.errors import TornRecordError
from autocnn.core.records import Part, RetrainedRecord
from autocnn.storage.files import CHECKPOINT, Files


class FinalistFiles(Files):
    """What stands under `finalists/` of a study: `0007/refit`, `0007/fold-1`, ..."""

    def retrained_dir(self, trial: int, part: Part) -> Path:
        """Folder of one retrained model, made if need be."""
        path = self.path / "finalists" / f"{trial:04d}" / part.name
        make_folder(path)
        return path

    def retrained_model_path(self, trial: int, part: Part) -> Path:
        """Where a retrained model stands."""
        return self.retrained_dir(trial, part) / "model.keras"

    def retrained_log_path(self, trial: int, part: Part) -> Path:
        """Where the process that retrains it writes what it prints."""
        return self.retrained_dir(trial, part) / "log.txt"

    def retrained_checkpoint_path(self, trial: int, part: Part) -> Path:
        """Where its training keeps the last whole epoch; the folder is made."""
        path = self.retrained_dir(trial, part) / CHECKPOINT
        make_folder(path.parent)
        return path

    def note_half_batch(self, trial: int, part: Part) -> None:
        """Note, beside its checkpoint, that a training goes on with half its batch."""
        replace_file(self._half_batch_path(trial, part), b"")

    def has_half_batch(self, trial: int, part: Part) -> bool:
        """Whether a training that was stopped ran with half its batch."""
        return self._half_batch_path(trial, part).exists()

    def _half_batch_path(self, trial: int, part: Part) -> Path:
        return self.retrained_checkpoint_path(trial, part).with_name("half-batch")

    def write_retrained(self, record: RetrainedRecord) -> None:
        """Write retrained.json: the model is whole, and need not be made again."""
        folder = self.retrained_dir(record.trial, record.part)
        self._write_text(
            str(folder.relative_to(self.path) / "retrained.json"), record.model_dump_json(indent=1)
        )
        self.remove_retrained_checkpoint(record.trial, record.part)

    def remove_retrained_checkpoint(self, trial: int, part: Part) -> None:
        """Delete the checkpoint of a model that is finished; none is no error."""
        path = self.retrained_dir(trial, part) / CHECKPOINT
        shutil.rmtree(path.parent, ignore_errors=True)

    def remove_retrained_checkpoints(self) -> None:
        """Delete the checkpoints of all models that are not finished: they begin anew.

        The epochs of finalists that are chosen anew may be others, and with them the schedule.
        """
        for path in self._find(f"finalists/*/*/{CHECKPOINT}"):
            shutil.rmtree(path.parent, ignore_errors=True)

    def read_retrained(self, trial: int, part: Part) -> RetrainedRecord | None:
        """What `write_retrained` wrote; None when the model has to be made."""
        path = self.retrained_dir(trial, part) / "retrained.json"
        if not path.exists() or not self.retrained_model_path(trial, part).exists():
            return None
        try:
            return self._parse(path, RetrainedRecord.model_validate_json)
        except TornRecordError:
            return None

    def recover_finalists(self) -> list[str]:
        """Set torn checkpoints aside; a sentence for each."""
        paths = self._find(f"finalists/*/*/{CHECKPOINT}")
        return [sentence for path in paths for sentence in self._recover_checkpoint(path)[1]]

    def keep_finalists(self, trials: Iterable[int]) -> None:
        """Delete the retrained models of every trial but these."""
        keep = {f"{trial:04d}" for trial in trials}
        for path in self._find("finalists/[0-9]*"):
            if path.name not in keep:
                remove(path)
