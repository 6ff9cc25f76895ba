"""Where exports stand."""

from autocnn.storage import StudyFolder


def test_every_format_and_precision_has_its_own_place(folder: StudyFolder) -> None:
    assert folder.export_dir("onnx", "float32") == folder.path / "exports" / "onnx"
    assert folder.export_dir("litert", "int8") == folder.path / "exports" / "litert-int8"
    assert not (folder.path / "exports").exists()
