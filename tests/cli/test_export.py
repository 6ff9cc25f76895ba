"""`autocnn export`: what is refused at once, and how."""

import pytest

from autocnn.cli.main import run
from tests.cli.studies import make_study


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--format", "onyx"], 2, "--format must be keras, savedmodel, onnx or litert, got"),
        (
            ["--format", "onnx", "--precision", "int8"],
            2,
            "--precision must be float32 with the format onnx",
        ),
        ([], 2, "Missing option '--format'"),
        (["nothing", "--format", "keras"], 4, "got neither"),
        (["--format", "keras"], 6, "must be there, got no such file"),
        (["--format", "keras", "--candidate", "7"], 4, "--candidate must be one of 1, 2"),
    ],
)
def test_export_explains_errors(
    arguments: list[str], code: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    make_study()
    assert run(["export", *arguments]) == code
    captured = capsys.readouterr()
    assert words in captured.err
    assert captured.out == ""


def test_an_unfinished_study_has_no_model(capsys: pytest.CaptureFixture[str]) -> None:
    folder = make_study()
    folder.leaderboard_path.unlink()
    assert run(["export", "--format", "keras"]) == 6
    assert f"autocnn resume {folder.path}" in capsys.readouterr().err
