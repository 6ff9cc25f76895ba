"""`autocnn.predict`: many files into a file. The network is a formula."""

import io
from pathlib import Path

import pytest
from PIL import Image

import autocnn
from autocnn.core.errors import UsageError
from autocnn.inference.predict.study_facts import describe_candidate
from tests.inference.predict.models import CLASSES, grey, model
from tests.predicted import make_predicted_study


@pytest.fixture(autouse=True)
def images(own_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Dark, bright, and one that is no image."""
    monkeypatch.setattr("autocnn.inference.predict.model.load", lambda path, **options: model())
    folder = own_folder / "images"
    folder.mkdir()
    for name, value in (("1", 51), ("2", 255)):
        Image.fromarray(grey(value)).save(folder / f"{name}.png")
    (folder / "3.png").write_bytes(b"no image")
    return folder


def test_rows_go_to_a_file_and_a_summary_comes_back() -> None:
    summary = autocnn.predict("mine", "images", to="rows.csv")
    assert (summary.num_images, summary.num_errors) == (3, 1)
    assert summary.counts == {CLASSES[0]: 1, CLASSES[1]: 1}
    header, *rows = Path("rows.csv").read_text("utf-8").splitlines()
    assert header.startswith("path,predicted,probability,unsure,unlike,error,")
    assert len(rows) == 3


def test_rows_go_to_a_stream_or_nowhere() -> None:
    stream = io.BytesIO()
    given: list[str | Path] = [Path("images/1.png"), "images/2.png"]
    assert autocnn.predict("mine", given, stream=stream, format="json").num_images == 2
    assert stream.getvalue().count(b"\n") == 2
    assert autocnn.predict("mine", given).num_images == 2


def test_what_cannot_be_is_refused_in_pythons_words() -> None:
    with pytest.raises(UsageError, match=r"to no/rows\.csv: its folder must be there"):
        autocnn.predict("mine", "images", to="no/rows.csv")
    with pytest.raises(UsageError, match=r"to images: must be a file, got a folder"):
        autocnn.predict("mine", "images", to="images")
    with pytest.raises(UsageError, match="format must be csv or json, got 'xml'"):
        autocnn.predict("mine", "images", format="xml")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="unsure and max_error must not be given together"):
        autocnn.predict("mine", "images", unsure=0.5, max_error=0.1)


def test_a_threshold_that_is_asked_for_takes_the_place_of_an_exports_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_predicted_study(tmp_path / "results", classes=CLASSES)
    point = describe_candidate(folder, 1, target="answered >= 0.7").operating_point
    opened = model(operating_point=point)
    monkeypatch.setattr("autocnn.inference.predict.model.load", lambda path, **options: opened)
    assert autocnn.predict("mine", "images", verbose=True).point == point
    assert "Target: answered >= 0.7" in capsys.readouterr().err
    assert autocnn.predict("mine", "images", unsure=0.5, verbose=True).point is None
    err = " ".join(capsys.readouterr().err.split())
    assert "Unsure below a probability of 0.5" in err
    assert "Target" not in err
