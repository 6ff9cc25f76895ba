"""Every number that two faces of a study show is the same on both.

Faces: leaderboard.csv, the terminal, report.html, the model card, Python, metrics.json, and
predictions.csv counted again. Studies: with copies in test, without, of two classes, of a hundred.
"""

import csv
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn import metrics as reference

import autocnn
from autocnn.cli.main import run as run_command
from autocnn.core.config import StudyConfig
from autocnn.core.records.exports import Familiarity
from autocnn.execution.tasks import (
    MAKE_CANDIDATE,
    PREDICT,
    CandidateResult,
    CandidateTask,
    PredictionResult,
    PredictionTask,
    Task,
)
from autocnn.metrics.familiarity import Reference
from autocnn.metrics.robustness import DISTURBANCES
from autocnn.study.run import search
from autocnn.training.measurements import Measurements
from tests.shared import share
from tests.simulation.executor import SimulatedExecutor

pytestmark = pytest.mark.slow

SIDE = 8


@dataclass(frozen=True)
class Case:
    """A made-up data set.

    Attributes:
        classes: How many.
        per_class: Images of each in train; half as many in val, and as many in test.
        copies: Test images that are copies of training images.
    """

    classes: int
    per_class: int
    copies: int


CASES = {
    "copies in test": Case(3, 40, 30),
    "no copies": Case(3, 40, 0),
    "two classes": Case(2, 40, 8),
    "a hundred classes": Case(100, 6, 60),
}


def write_data(case: Case, path: Path) -> Path:
    rng = np.random.default_rng(1)
    arrays: dict[str, NDArray[Any]] = {}
    for split, size in (("train", 1.0), ("val", 0.5), ("test", 1.0)):
        number = int(case.classes * case.per_class * size)
        arrays[f"{split}_images"] = rng.integers(0, 256, (number, SIDE, SIDE), dtype=np.uint8)
        arrays[f"{split}_labels"] = np.arange(number) % case.classes
    arrays["test_images"][: case.copies] = arrays["train_images"][: case.copies]
    np.savez(path / "data.npz", allow_pickle=False, **arrays)
    return path / "data.npz"


def probabilities(labels: NDArray[np.integer], classes: int, seed: int) -> NDArray[np.float32]:
    """Mostly right; written to six digits, as predictions.csv has them."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(len(labels), classes))
    logits[np.arange(len(labels)), labels] += 2.5
    raised = np.exp(logits)
    found: NDArray[np.float32] = (raised / raised.sum(axis=1, keepdims=True)).astype(np.float32)
    return found


def predict(task: Task) -> PredictionResult:
    assert isinstance(task, PredictionTask)
    for number, one in enumerate(task.predictions):
        labels = task.images.labels[one.rows]
        trial = int(one.probabilities_path.name.split("-")[0])
        found = probabilities(labels, task.images.num_classes, 100 * trial + number)
        np.save(one.probabilities_path, found)
    return PredictionResult()


def make_candidate(task: Task) -> CandidateResult:
    assert isinstance(task, CandidateTask)
    labels = task.images.labels[task.test_rows]
    test = probabilities(labels, task.images.num_classes, int(task.model_path.parent.name))
    rows = task.test_rows[task.judged]
    explained = np.union1d(task.explained, task.judged[: len(rows)])
    maps = np.ones((len(explained), SIDE, SIDE), np.float32) / SIDE**2
    facts = Familiarity(neighbours=1, num_reference=4, threshold=0.5, val_share=0.01)
    task.model_path.write_text("a model")
    Measurements(
        test=test,
        test_before=test,
        disturbed=task.disturbed,
        disturbed_test=dict.fromkeys(DISTURBANCES, test[task.disturbed]),
        explained=explained,
        maps=maps,
        random_maps=maps,
        familiarity=Reference(np.eye(4, dtype=np.float32), facts),
        num_weights=1234,
        flops=100,
        latency_ms=1.0,
    ).write(task.results_path)
    return CandidateResult()


def make_study(case: Case, path: Path) -> None:
    config = StudyConfig(
        data=str(write_data(case, path)),
        name="mine",
        results=path / "results",
        cache_dir=path / "cache",
        space="quick",
        trials=3,
        finalists=1,
        folds=2,
        workers=1,
    )
    executor = SimulatedExecutor(others={PREDICT: predict, MAKE_CANDIDATE: make_candidate})
    search(config, make_executor=lambda resources: executor)


@pytest.fixture
def study_of(
    tmp_path_factory: pytest.TempPathFactory, dots: None
) -> Callable[[str], autocnn.Study]:
    """The study of a case, for all who only look."""

    def find(name: str) -> autocnn.Study:
        path = share(tmp_path_factory, f"faces-{name}", partial(make_study, CASES[name]))
        return autocnn.open_study(path / "results" / "mine")

    return find


@pytest.fixture(
    params=[
        pytest.param(name, marks=() if case.classes < 100 else pytest.mark.full)
        for name, case in CASES.items()
    ]
)
def study(
    request: pytest.FixtureRequest, study_of: Callable[[str], autocnn.Study]
) -> autocnn.Study:
    return study_of(request.param)


def board_of(study: autocnn.Study) -> list[dict[str, str]]:
    with (study.path / "leaderboard.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def percent(value: float) -> str:
    return f"{100 * value:.1f}\N{NO-BREAK SPACE}%"


def scored_of(study: autocnn.Study, row: dict[str, str]) -> str:
    """The set that speaks for a candidate, as leaderboard.csv says."""
    return "test_clean" if int(row["num_test_clean"]) < int(row["num_test"]) else "test"


def test_where_there_are_no_copies_there_is_one_test_figure(
    study_of: Callable[[str], autocnn.Study],
) -> None:
    study = study_of("no copies")
    for row in board_of(study):
        assert row["num_test"] == row["num_test_clean"] == "120"
        assert row["test_clean_accuracy"] == ""
    header, *_ = (study.summary().header, study.summary(wide=True).header)
    assert "test [95 %]" in header
    assert not any("clean" in name for name in study.summary(wide=True).header)
    page = study.report().read_text()
    assert "clean test" not in re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)


def test_predictions_counted_again_are_the_leaderboard(study: autocnn.Study) -> None:
    names = list(study.class_names)
    for row in board_of(study):
        path = study.path / f"candidates/{int(row['candidate']):02d}/predictions.csv"
        with path.open(newline="") as file:
            rows = [line for line in csv.DictReader(file) if line["split"] == "test"]
        judged = [line for line in rows if line["is_clean"] == "true"]
        assert len(rows) == int(row["num_test"])
        assert len(judged) == int(row["num_test_clean"])
        for prefix, chosen in (("test", rows), (scored_of(study, row), judged)):
            labels = np.array([names.index(line["label"]) for line in chosen])
            shares = np.array([[float(line[f"p.{name}"]) for name in names] for line in chosen])
            predicted = [names.index(line["predicted"]) for line in chosen]
            assert predicted == shares.argmax(axis=1).tolist()
            for name, found in (
                ("accuracy", reference.accuracy_score(labels, predicted)),
                ("balanced_accuracy", reference.balanced_accuracy_score(labels, predicted)),
                ("macro_f1", reference.f1_score(labels, predicted, average="macro")),
            ):
                assert float(row[f"{prefix}_{name}"]) == pytest.approx(found, abs=1e-8), name
            loss = -np.log(shares[np.arange(len(labels)), labels]).mean()
            assert float(row[f"{prefix}_log_loss"]) == pytest.approx(loss, abs=1e-4)


def test_python_and_metrics_json_say_what_the_leaderboard_says(study: autocnn.Study) -> None:
    frame = study.leaderboard
    for place, (row, candidate) in enumerate(zip(board_of(study), study.candidates, strict=True)):
        judged = scored_of(study, row)
        metrics = json.loads(
            (study.path / f"candidates/{candidate.number:02d}/metrics.json").read_text()
        )
        assert candidate.scores.split == judged
        for name in ("accuracy", "balanced_accuracy", "macro_f1", "macro_auc", "log_loss", "ece"):
            value = getattr(candidate.scores.scores, name)
            cell = row[f"{judged}_{name}"]
            if value is None:
                assert cell == ""
                continue
            assert float(cell) == pytest.approx(value, abs=1e-8)
            assert frame[f"{judged}_{name}"][place] == float(cell)
            assert metrics[judged]["scores"][name] == pytest.approx(value, abs=1e-12)
            assert metrics["test"]["scores"][name] == pytest.approx(
                float(row[f"test_{name}"]), abs=1e-8
            )
        assert float(row["cv_mean"]) == pytest.approx(candidate.record.cv_mean, abs=1e-8)
        predictions = candidate.predictions
        counted = predictions[predictions["is_clean"].eq(True)]
        right = (counted["label"] == counted["predicted"]).mean()
        assert right == pytest.approx(candidate.scores.scores.accuracy)


def test_the_terminal_says_what_the_leaderboard_says(
    study: autocnn.Study, capsys: pytest.CaptureFixture[str]
) -> None:
    for row in board_of(study):
        judged = scored_of(study, row)
        assert row["judged_objective"] == row[f"{judged}_balanced_accuracy"]
        value, low, high = (
            f"{float(row[f'judged_objective{end}']):.3f}" for end in ("", "_low", "_high")
        )
        mean, spread = f"{float(row['cv_mean']):.3f}", f"{float(row['cv_sd']):.3f}"
        capsys.readouterr()
        assert run_command(["leaderboard", str(study.path)]) == 0
        lines = capsys.readouterr().out.splitlines()
        (line,) = [one for one in lines if re.match(rf"\W*{row['rank']}\b", one)]
        assert f"{value} [{low}, {high}]" in line
        assert f"{mean} ± {spread}" in line


def test_the_page_says_what_the_leaderboard_says(study: autocnn.Study) -> None:
    page = study.report().read_text()
    table = page.partition('<table id="table-candidates"')[2].partition("</table>")[0]
    rows = re.findall(r"<tr>(.*?)</tr>", table.partition("<tbody>")[2], flags=re.DOTALL)
    titles = re.findall(r"<th[^>]*>([^<]*)</th>", table.partition("<tbody>")[0])
    for row, html in zip(board_of(study), rows, strict=True):
        judged = scored_of(study, row)
        cells = re.findall(r'<t[hd][^>]*?(?:data-value="([^"]*)")?>', html)
        shown = dict(zip(titles, cells, strict=True))
        where = "clean test" if judged == "test_clean" else "test"
        for title, column in (
            (f"balanced accuracy, {where} [95 %]", "judged_objective"),
            (where, f"{judged}_accuracy"),
            ("macro AUC", f"{judged}_macro_auc"),
            ("log loss", f"{judged}_log_loss"),
            ("calibration error", f"{judged}_ece"),
            ("train", "train_accuracy"),
            ("val", "val_accuracy"),
            ("mean drop when disturbed", "robustness_drop"),
        ):
            if row[column]:
                assert float(shown[title]) == pytest.approx(float(row[column]), abs=1e-8), title
        if judged == "test_clean":
            assert float(shown["all of test"]) == pytest.approx(float(row["test_accuracy"]))


def test_the_first_screen_and_the_model_card_are_of_the_same_images(study: autocnn.Study) -> None:
    best = study.best
    judged, row = best.scores, board_of(study)[0]
    assert judged.scores.balanced_accuracy is not None and judged.scores.accuracy is not None
    page, card = study.report().read_text(), study.report(format="md").read_text()
    answer = page.partition("<strong>")[2]
    leading = judged
    if judged.split == "test_clean" and "on the folds</span>" in answer[:200]:
        assert best.record.folds is not None
        leading = best.record.folds
    assert leading.scores.balanced_accuracy is not None
    assert answer.startswith(percent(leading.scores.balanced_accuracy))
    # The confusion matrix, its words and the table of classes count the same images.
    with (study.path / "candidates/01/confusion_matrix.csv").open(newline="") as file:
        counts = list(csv.DictReader(file))
    total = sum(int(one["count"]) for one in counts)
    right = sum(int(one["count"]) for one in counts if one["label"] == one["predicted"])
    assert total == judged.num_images == int(row["num_test_clean"])
    assert right / total == pytest.approx(judged.scores.accuracy)
    name = "clean test" if judged.split == "test_clean" else "test"
    assert f"{percent(judged.scores.accuracy)} of {total:,} {name} images are right" in page
    for label in (judged.classes[0], judged.classes[-1]):
        assert label.recall is not None
        assert percent(label.recall) in card
    calibration, robustness = best.record.calibration, best.record.robustness
    assert calibration is not None and robustness is not None
    assert calibration.test_after.ece == pytest.approx(judged.scores.ece)
    assert sum(one.num_images for one in calibration.bins) == total
    with (study.path / "candidates/01/reliability.csv").open(newline="") as file:
        assert sum(int(one["num_images"]) for one in csv.DictReader(file)) == total
    assert robustness.num_images <= total
