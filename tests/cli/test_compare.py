"""`autocnn compare`: what it prints, and how it ends."""

import json
from pathlib import Path

import pytest

from autocnn.cli.main import run
from tests.reporting.test_comparison import make_study

Output = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def studies(own_folder: Path) -> None:
    make_study(own_folder / "results", "better", wrong=range(10))
    make_study(own_folder / "results", "worse", wrong=range(60))


def test_two_studies_are_compared_in_words_and_tables(capsys: Output) -> None:
    assert run(["compare", "better", "worse"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert text.startswith("better is better than worse by more than chance: balanced accuracy")
    assert "Each on its own clean test images" in text
    assert "better minus worse, on the 200 images of both" in text
    assert "+0.250" in text


def test_differences_are_json_and_the_page_is_told_beside_them(
    capsys: Output, tmp_path: Path
) -> None:
    page = tmp_path / "page.html"
    assert run(["compare", "better", "worse", "--json", "--to", str(page)]) == 0
    out, err = capsys.readouterr()
    leading = json.loads(out)[0]
    assert leading["difference"] == pytest.approx(0.25)
    assert f"page: {page}" in err
    assert "<html" in page.read_text("utf-8")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["better"], 2, "Missing argument 'SECOND'"),
        (["better", "yours"], 4, "yours: must be a study"),
        (["better", "results/worse/candidates/02"], 4, "must have the candidate 2, got 1"),
    ],
)
def test_what_cannot_be_compared_is_said(
    arguments: list[str], code: int, words: str, capsys: Output
) -> None:
    assert run(["compare", *arguments]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert words in err
