"""A study's folder as a machine with states, beside a plain model of it."""

import shutil
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from autocnn.core.records import TrialRecord, TrialState
from autocnn.storage import StudyFolder
from autocnn.storage.checkpoint import write_checkpoint
from autocnn.storage.trials import TrialsTable
from tests.samples import checkpoint, open_trial, read_rows, trial

NUMBERS = st.integers(0, 5)

ENDS = st.sampled_from([TrialState.COMPLETE, TrialState.PRUNED, TrialState.CUT, TrialState.FAILED])


class FolderMachine(RuleBasedStateMachine):
    """Trials begin, train, end, are torn; the study is recovered, extended and forked."""

    def __init__(self) -> None:
        super().__init__()
        self.place = Path(tempfile.mkdtemp())
        self.folder = StudyFolder.create(self.place, "mine", {"name": "mine"})
        self.records: dict[int, TrialRecord] = {}
        self.epochs: dict[int, int] = {}
        self.models: set[int] = set()
        self.torn: set[int] = set()

    def teardown(self) -> None:
        shutil.rmtree(self.place)

    @rule(number=NUMBERS)
    def begin(self, number: int) -> None:
        if number not in self.records and number not in self.torn:
            self.records[number] = open_trial(number)
            self.folder.write_trial(self.records[number])

    @precondition(lambda self: any(record.is_open for record in self.records.values()))
    @rule(data=st.data())
    def train(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(self._open()))
        self.epochs[number] = self.epochs.get(number, 0) + 1
        write_checkpoint(self.folder.trial_checkpoint_path(number), checkpoint(self.epochs[number]))

    @precondition(lambda self: any(record.is_open for record in self.records.values()))
    @rule(data=st.data(), state=ENDS, has_model=st.booleans())
    def end(self, data: st.DataObject, state: TrialState, has_model: bool) -> None:
        number = data.draw(st.sampled_from(self._open()))
        if has_model:
            self.folder.trial_model_path(number).write_bytes(b"model")
            self.models.add(number)
        self.records[number] = trial(number, state=state)
        self.folder.write_trial(self.records[number])
        if state != TrialState.CUT:
            self.folder.remove_checkpoint(number)
            self.epochs.pop(number, None)

    @rule(keep=st.sets(NUMBERS))
    def keep_models(self, keep: set[int]) -> None:
        self.folder.keep_models(keep)
        self.models &= keep

    @rule(number=NUMBERS)
    def remove_model(self, number: int) -> None:
        self.folder.remove_models([number])
        self.models.discard(number)

    @precondition(lambda self: self.records)
    @rule(data=st.data(), content=st.binary(max_size=20))
    def tear_record(self, data: st.DataObject, content: bytes) -> None:
        number = data.draw(st.sampled_from(sorted(self.records)))
        (self.folder.path / f"trials/{number:04d}/trial.json").write_bytes(content)
        del self.records[number]
        self.torn.add(number)

    @precondition(lambda self: self._open_with_epochs())
    @rule(data=st.data(), size=st.integers(0, 200))
    def tear_checkpoint(self, data: st.DataObject, size: int) -> None:
        number = data.draw(st.sampled_from(self._open_with_epochs()))
        path = self.folder.trial_checkpoint_path(number)
        path.write_bytes(path.read_bytes()[:size])
        self.epochs[number] = 0

    @rule()
    def recover(self) -> None:
        num_torn = len(self.torn) + sum(self.epochs.get(n) == 0 for n in self._open())
        records, sentences = self.folder.recover_trials()
        assert len(sentences) == num_torn
        for number in self.torn:
            self.epochs.pop(number, None)
        self.torn.clear()
        self.epochs = {number: epochs for number, epochs in self.epochs.items() if epochs}
        assert [record.trial for record in records] == sorted(self.records)
        for record in records:
            kept = self.records[record.trial]
            if record.is_open:
                assert len(record.history) == self.epochs.get(record.trial, 0)
                record = record.model_copy(update={"history": ()})
            assert record == kept

    @rule()
    def write_table(self) -> None:
        if self.torn:
            return
        ended = [record for record in self.records.values() if not record.is_open]
        table = TrialsTable(self.folder, ended[:-1])
        for record in ended[-1:]:
            table.add(record)
        table.open += [record for record in self.records.values() if record.is_open]
        table.rewrite()
        rows = read_rows(self.folder.trials_path)
        assert [int(row["trial"]) for row in rows] == sorted(self.records)

    @rule()
    def fork(self) -> None:
        other = StudyFolder.create(self.place, f"fork-{len(list(self.place.iterdir()))}", {})
        ended = [record for record in self.records.values() if not record.is_open]
        for place, record in enumerate(ended):
            adopted = record.model_copy(update={"trial": place})
            other.adopt_trial(self.folder, record.trial, adopted)
            assert other.read_trials()[place] == adopted
            has_model = other.trial_model_path(place).exists()
            assert has_model == (record.trial in self.models)

    @rule(facts=st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5)))
    def note(self, facts: dict[str, Any]) -> None:
        self.folder.write_study(facts)
        assert self.folder.read_study() == facts

    @invariant()
    def models_are_where_they_are_kept(self) -> None:
        trials = self.folder.path / "trials"
        assert {int(path.parent.name) for path in trials.glob("*/model.keras")} == self.models

    @invariant()
    def nothing_is_left_of_writing(self) -> None:
        assert not list(self.folder.path.rglob(".*.json.*"))

    def _open(self) -> list[int]:
        return sorted(number for number, record in self.records.items() if record.is_open)

    def _open_with_epochs(self) -> list[int]:
        return [number for number in self._open() if self.epochs.get(number, 0) > 0]


TestFolder = FolderMachine.TestCase
