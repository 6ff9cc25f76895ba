"""What is refused before any work, and a folder that appears whole or not at all."""

import os
from pathlib import Path

import pytest

from autocnn.core.errors import DiskFullError, ExportError, StudyError, UsageError
from autocnn.core.events import Observer
from autocnn.core.own_model import OwnModel
from autocnn.core.records import ExportMetadata
from autocnn.inference.export import export_model, exporter
from autocnn.inference.metadata import read_metadata
from autocnn.storage import StudyFolder
from autocnn.storage.status import DataFacts, StudyStatus
from tests.samples import candidate, fail_disk_full


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StudyFolder:
    """A finished study by hand; no process is started: the export is two small files."""
    from autocnn.core.config import resolve_config

    status = StudyStatus.new("mine", resolve_config({"name": "mine"}), epochs=1)
    data = DataFacts(
        fingerprint="",
        class_names=("a", "b"),
        image_shape=(8, 8, 1),
        split={"train": 1, "val": 1, "test": 1},
    )
    status = status.model_copy(update={"data": data, "status": "done"})
    folder = StudyFolder.create(tmp_path / "results", "mine", status.to_json())
    folder.write_candidate(candidate(1))
    folder.write_candidate(candidate(2))
    folder.write_leaderboard("rank\n")
    folder.candidate_model_path(1).write_bytes(b"model")

    def write_model(
        folder: StudyFolder,
        status: StudyStatus,
        described: ExportMetadata,
        own_model: OwnModel | None,
        target: Path,
        observer: Observer,
    ) -> ExportMetadata:
        (target / "model.keras").write_bytes(b"exported")
        return described

    monkeypatch.setattr(exporter, "write_model", write_model)
    return folder


def entries(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_default_place_is_in_the_study(study: StudyFolder) -> None:
    path = export_model(study, "keras")
    assert path == study.path / "exports" / "keras"
    assert entries(study.path / "exports") == ["keras"]
    assert read_metadata(path).study == "mine"


def test_a_study_without_a_finished_model_is_refused(study: StudyFolder) -> None:
    with pytest.raises(ExportError, match=r"02/model\.keras: must be there"):
        export_model(study, "keras", candidate=2)
    study.leaderboard_path.unlink()
    with pytest.raises(ExportError, match="without candidates") as caught:
        export_model(study, "keras")
    assert caught.value.exit_code == 6
    assert f"autocnn resume {study.path}" in caught.value.remedy


def test_a_candidate_that_is_not_there_is_refused(study: StudyFolder) -> None:
    with pytest.raises(StudyError, match="candidate must be one of 1, 2, got 3"):
        export_model(study, "keras", candidate=3)


def test_an_export_is_replaced_only_by_force(study: StudyFolder) -> None:
    path = export_model(study, "keras")
    (path / "model.keras").write_bytes(b"old")
    with pytest.raises(UsageError, match="got an export") as caught:
        export_model(study, "keras")
    assert "force=True" in caught.value.remedy
    assert (path / "model.keras").read_bytes() == b"old"
    export_model(study, "keras", force=True)
    assert (path / "model.keras").read_bytes() == b"exported"
    assert entries(path.parent) == ["keras"]


def test_force_never_deletes_what_is_no_export(study: StudyFolder, tmp_path: Path) -> None:
    holiday = tmp_path / "photos"
    holiday.mkdir()
    (holiday / "sea.jpg").write_bytes(b"x")
    with pytest.raises(UsageError, match="a folder of other files"):
        export_model(study, "keras", to=holiday, force=True)
    with pytest.raises(UsageError, match="got a file"):
        export_model(study, "keras", to=holiday / "sea.jpg", force=True)
    assert entries(holiday) == ["sea.jpg"]
    (holiday / "metadata.json").write_text('{"camera": "old"}')
    for force in (False, True):
        with pytest.raises(UsageError, match="a folder of other files") as caught:
            export_model(study, "keras", to=holiday, force=force)
        assert "force" not in caught.value.remedy
    assert entries(holiday) == ["metadata.json", "sea.jpg"]
    (tmp_path / "link").symlink_to(export_model(study, "keras"))
    with pytest.raises(UsageError, match="must be a new folder"):
        export_model(study, "keras", to=tmp_path / "link", force=True)


def test_force_never_deletes_what_lies_beside_an_export(study: StudyFolder) -> None:
    path = export_model(study, "keras")
    (path / "image.png").write_bytes(b"mine")
    with pytest.raises(UsageError, match=r"an export with 'image\.png' beside it"):
        export_model(study, "keras", force=True)
    assert (path / "image.png").read_bytes() == b"mine"


def test_what_a_file_manager_left_beside_an_export_goes_with_it(
    study: StudyFolder, tmp_path: Path
) -> None:
    path = export_model(study, "keras")
    (path / ".DS_Store").write_bytes(b"x")
    export_model(study, "keras", force=True)
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "Thumbs.db").write_bytes(b"x")
    export_model(study, "keras", to=tmp_path / "new")
    for place in (path, tmp_path / "new"):
        assert (place / "model.keras").read_bytes() == b"exported"
        assert not {".DS_Store", "Thumbs.db"} & set(entries(place))


def test_an_empty_folder_and_a_new_path_are_filled(study: StudyFolder, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for name in ("empty", "new/deep"):
        export_model(study, "keras", to=tmp_path / name)
        assert (tmp_path / name / "model.keras").read_bytes() == b"exported"


def test_a_full_disk_leaves_nothing_and_the_old_export(
    study: StudyFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = export_model(study, "keras")
    (path / "model.keras").write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", fail_disk_full)
    with pytest.raises(DiskFullError, match="it is full") as caught:
        export_model(study, "keras", force=True)
    assert "with to" in caught.value.remedy
    assert (path / "model.keras").read_bytes() == b"old"
    assert entries(path.parent) == ["keras"]


def test_what_a_killed_export_left_goes_with_the_next(
    study: StudyFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = study.path / "exports"
    dead, alive = folder / ".keras.partial-999999999", folder / f".keras.partial-{os.getppid()}"
    for path in (dead, alive):
        path.mkdir(parents=True)
    export_model(study, "keras")
    assert entries(folder) == [alive.name, "keras"]


def test_metadata_that_are_none_are_told(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="must describe an exported model"):
        read_metadata(tmp_path)
    (tmp_path / "metadata.json").write_text("{}")
    with pytest.raises(ExportError, match="must describe an exported model"):
        read_metadata(tmp_path)
