"""`--target`: the table of the leaderboard, the rows of predict, what an export keeps."""

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from autocnn.cli.main import run
from autocnn.core.records import OperatingPoint
from autocnn.inference.predict.study_facts import describe_candidate
from tests.inference.predict.models import CLASSES as TONES
from tests.inference.predict.models import grey, model
from tests.predicted import make_predicted_study

TARGET = "sensitivity of ductal carcinoma >= 0.9"


@pytest.fixture(autouse=True)
def study(own_folder: Path) -> None:
    make_predicted_study(own_folder / "results")


def test_the_leaderboard_shows_thresholds_and_what_they_are_worth(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["leaderboard", "mine", "--target", TARGET, "--prevalence", "0.02"]) == 0
    text = capsys.readouterr().out
    assert f"mine: {TARGET} [95 %]" in text
    for words in ("threshold", "out of fold", "specificity", "PPV", "NPV"):
        assert words in text
    assert "Candidate 1: 'ductal carcinoma' from a probability of " in text
    assert "at the stated prevalence of 0.02." in " ".join(text.split())
    assert text.index("│         1 │") < text.index("│         2 │")


def test_the_same_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["leaderboard", "mine", "--target", TARGET, "--json"]) == 0
    points = [OperatingPoint(**one) for one in json.loads(capsys.readouterr().out)]
    assert [point.candidate for point in points] == [1, 2]
    assert points[0].judged["sensitivity"].low > 0.7


def test_the_share_answered_has_a_table_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["leaderboard", "mine", "--target", "answered >= 0.8"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "accuracy" in text
    assert "unsure below a probability of" in text
    assert "PPV" not in text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--target", "sensitivity of lobular >= 0.9"], "must be one of 'benign', 'ductal"),
        (["--target", "sense"], "--target must be METRIC of CLASS >= NUMBER"),
        (["--target", TARGET, "--wide"], "--target goes with --json"),
        (["--target", TARGET, "--csv"], "--target goes with --json"),
        (["--target", TARGET, "--prevalence", "1"], "0<x<1"),
        (["--prevalence", "0.1"], "--prevalence goes with --target"),
    ],
)
def test_what_cannot_be_is_a_usage_error(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["leaderboard", "mine", *arguments]) == 2
    assert words in " ".join(capsys.readouterr().err.split())


def test_predict_decides_at_the_operating_point_and_says_so(
    own_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_predicted_study(own_folder / "others", classes=TONES)
    target = f"sensitivity of {TONES[1]} >= 0.99"

    def load(path: str, **options: Any) -> Any:
        point = describe_candidate(
            folder, 1, target=options["target"], prevalence=options["prevalence"]
        ).operating_point
        return model(operating_point=point)

    monkeypatch.setattr("autocnn.inference.predict.model.load", load)
    Image.fromarray(grey(120)).save("a.png")
    Image.fromarray(grey(0)).save("b.png")
    assert run(["predict", "mine", "a.png", "b.png", "--target", target]) == 0
    out, err = capsys.readouterr()
    assert f"Decided for {target}: " in " ".join(out.split())
    assert "Rule: " in err
    assert f"2 images: {TONES[1]} 1, {TONES[0]} 1." in " ".join(out.split())
    assert run(["predict", "mine", "a.png"]) == 0
    assert "Decided" not in capsys.readouterr().out


def test_predict_takes_a_target_or_a_threshold(capsys: pytest.CaptureFixture[str]) -> None:
    Image.fromarray(grey(120)).save("a.png")
    for option in ("--unsure", "--max-error"):
        assert run(["predict", "mine", "a.png", "--target", TARGET, option, "0.5"]) == 2
        assert "--target must not be given together with --unsure" in capsys.readouterr().err


def test_export_hands_on_its_target(monkeypatch: pytest.MonkeyPatch) -> None:
    import autocnn.inference.export as package

    asked: dict[str, Any] = {}

    def export_model(folder: Any, format: str, **options: Any) -> Path:  # noqa: A002
        asked.update(options)
        metadata = model(
            operating_point=describe_candidate(folder, 1, target=TARGET).operating_point
        )
        Path("there").mkdir()
        Path("there/metadata.json").write_text(metadata.metadata.model_dump_json())
        return Path("there")

    monkeypatch.setattr(package, "export_model", export_model, raising=False)
    command = ["export", "mine", "--format", "onnx", "--target", TARGET, "--prevalence", "0.02"]
    assert run(command) == 0
    assert (asked["target"], asked["prevalence"]) == (TARGET, 0.02)
