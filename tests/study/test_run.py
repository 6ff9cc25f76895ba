"""Whole studies through the command line, most with real processes and real training."""

import contextlib
import csv
import html
import io
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from autocnn.cli.main import run
from autocnn.core.errors import DiskFullError
from autocnn.reporting.leaderboard import COLUMNS
from autocnn.selection.compare import rank_contenders
from autocnn.storage import StudyFolder
from autocnn.training.networks.pretrained import load_backbone
from tests.samples import read_optuna_trials
from tests.shared import share
from tests.simulation.executor import SimulatedExecutor

TINY_SPACE = """
description: "One small network"
epochs: 10
parameters:
  - {name: family, type: categorical, choices: [plain]}
  - {name: flip, type: categorical, choices: [none]}
  - {name: batch_size, type: categorical, choices: [8]}
  - {name: num_stages, type: int, low: 1, high: 1}
  - {name: width, type: int, low: 4, high: 8, step: 4}
  - {name: learning_rate, type: float, low: 1e-2, high: 3e-2, log: true}
"""

pytestmark = pytest.mark.usefixtures("dots")

SPLIT_NAMES = ("Training", "valid", "Testing")


@pytest.fixture(scope="module")
def cache_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def space(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.yaml"
    path.write_text(TINY_SPACE)
    return path


def draw_images(num: int, *, seed: int = 0, num_classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Classes that differ by which third of the image is bright."""
    rng = np.random.default_rng(seed)
    labels = np.arange(num) % num_classes
    pixels = rng.integers(0, 90, (num, 16, 16), dtype=np.uint8)
    width = 16 // num_classes
    for image, label in zip(pixels, labels, strict=True):
        image[:, label * width : (label + 1) * width] += 100
    return pixels, labels


def write_folder(folder: Path, *, splits: tuple[str, ...] = ("",), per_split: int = 60) -> Path:
    for number, split in enumerate(splits):
        pixels, labels = draw_images(per_split, seed=number)
        for index, (image, label) in enumerate(zip(pixels, labels, strict=True)):
            path = folder / split / f"class {label}" / f"{index}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(path)
    return folder


def search(data: Path, space: Path, cache_dir: Path, *flags: str) -> Path:
    """Run a small study; its folder."""
    results = space.parent / "results"
    arguments = ["search", str(data), "--space", str(space), "--results", str(results)]
    arguments += ["--cache-dir", str(cache_dir), "--name", "s", "--trials", "2", "--members", "1"]
    arguments += flags
    assert run(arguments) == 0
    return results / "s"


def read_csv(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text("utf-8"))))


@dataclass(frozen=True)
class Finished:
    """A study of two trials on given splits.

    Attributes:
        data: Its images.
        folder: The study.
        out, err: What it printed.
    """

    data: Path
    folder: Path
    out: str
    err: str


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, cache_dir: Path) -> Finished:
    """One study for all who only look."""

    def make(path: Path) -> None:
        (path / "tiny.yaml").write_text(TINY_SPACE)
        data = write_folder(path / "images", splits=SPLIT_NAMES)
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            flags = ("--finalists", "2", "--members", "2", "--workers", "2")
            search(data, path / "tiny.yaml", cache_dir, *flags)
        (path / "out.txt").write_text(out.getvalue())
        (path / "err.txt").write_text(err.getvalue())

    path = share(tmp_path_factory, "finished", make)
    printed = [(path / name).read_text() for name in ("out.txt", "err.txt")]
    return Finished(path / "images", path / "results" / "s", *printed)


@pytest.mark.slow
def test_a_study_leaves_every_file_of_the_contract(finished: Finished) -> None:
    folder = finished.folder
    StudyFolder(folder).check_removable()  # `autocnn remove` knows all that a study makes
    for name in (
        "study.json",
        "space.yaml",
        "split.csv",
        "audit.json",
        "trials.csv",
        "leaderboard.csv",
        "optuna.db",
        "trials/0000/trial.json",
        "trials/0001/epochs.csv",
        "trials/0000/model.keras",
        "report.html",
        "finalists/0000/refit/retrained.json",
        "finalists/0001/fold-3/model.keras",
        "label_issues.csv",
    ):
        assert (folder / name).is_file(), name
    for candidate in ("01", "02"):
        for name in (
            "model.keras",
            "metrics.json",
            "predictions.csv",
            "confusion_matrix.csv",
            "confusion_matrix.png",
            "roc.csv",
            "roc.png",
            "learning_curves.csv",
            "learning_curves.png",
            "pr.csv",
            "pr.png",
            "reliability.csv",
            "reliability.png",
            "robustness.csv",
            "robustness.png",
            "gap.csv",
            "gap.png",
            "out_of_fold.csv",
            "classes.csv",
            "explained-01.jpg",
        ):
            assert (folder / "candidates" / candidate / name).is_file(), name
    assert sorted(path.name for path in folder.glob(".*")) == []

    board = read_csv(folder / "leaderboard.csv")
    assert tuple(board[0])[: len(COLUMNS)] == COLUMNS
    assert [int(row["rank"]) for row in board] == list(range(1, len(board) + 1))
    kinds = sorted((row["kind"], row["trial"]) for row in board if row["kind"] != "ensemble")
    chosen = board[0]["trial"]
    assert board[0]["kind"] == "refits"
    assert kinds == [
        ("folds", "0"),
        ("folds", "1"),
        ("refit", "0"),
        ("refit", "1"),
        ("refits", chosen),
    ]
    means = [float(row["cv_mean"]) for row in board]
    assert means == sorted(means, reverse=True)
    assert 0.6 < max(means) <= 1
    assert float(board[0]["test_accuracy"]) > 0.8
    low, high = float(board[0]["test_accuracy_low"]), float(board[0]["test_accuracy_high"])
    assert 0 <= low <= float(board[0]["test_accuracy"]) <= high <= 1
    for name in ("num_weights", "flops", "latency_ms", "size_mb", "epochs", "train_seconds"):
        assert float(board[0][name]) > 0, name

    splits = [row["split"] for row in read_csv(folder / "split.csv")]
    assert [splits.count(s) for s in ("train", "val", "test")] == [60, 60, 60]
    predictions = read_csv(folder / "candidates/01/predictions.csv")
    assert len(predictions) == 180
    test_rows = [row for row in predictions if row["split"] == "test"]
    labels = ["class 0", "class 1", "class 2"]
    right = [max(labels, key=lambda c: float(row[f"p.{c}"])) == row["label"] for row in test_rows]
    assert np.mean(right) == pytest.approx(float(board[0]["test_accuracy"]), abs=1e-5)
    counts = read_csv(folder / "candidates/01/confusion_matrix.csv")
    diagonal = sum(int(row["count"]) for row in counts if row["label"] == row["predicted"])
    assert diagonal == sum(right)

    facts = json.loads((folder / "study.json").read_text())
    assert facts["status"] == "done"
    assert facts["config"]["trials"] == 2
    assert facts["num_folds"] == 3
    assert facts["choice"]["candidate"] == 1
    assert [look["is_over"] for look in facts["test_looks"]] == [True]
    for sentence in facts["choice"]["sentences"]:
        assert sentence in finished.err
        assert sentence in html.unescape((folder / "report.html").read_text())
    held_out = read_csv(folder / "candidates/01/out_of_fold.csv")
    assert len({row["path"] for row in held_out}) == 60, "val chose them: it is not held out"
    assert {row["fold"] for row in held_out} == {"1", "2", "3"}
    assert facts["data"]["class_names"] == labels
    assert "test: 60 images, as given" in finished.err
    assert "Leaderboard of s" in finished.out
    assert "Traceback" not in finished.err


@pytest.mark.slow
def test_the_best_model_predicts_elsewhere_as_in_the_study(
    tmp_path: Path, finished: Finished
) -> None:
    data, folder = finished.data, finished.folder
    program = (
        "import sys, json, numpy as np, keras\n"
        "from PIL import Image\n"
        "model = keras.models.load_model(sys.argv[1])\n"
        "image = np.asarray(Image.open(sys.argv[2]).convert('L'))[None, :, :, None]\n"
        "assert not any(name.startswith('autocnn') for name in sys.modules)\n"
        "print(json.dumps(np.asarray(model(image))[0].tolist()))\n"
    )
    rows = read_csv(folder / "candidates/01/predictions.csv")
    row = next(row for row in rows if row["split"] == "test")
    command = [sys.executable, "-c", program]
    command += [str(folder / "candidates/01/model.keras"), str(data / row["path"])]
    result = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    expected = [float(row[f"p.class {label}"]) for label in range(3)]
    np.testing.assert_allclose(json.loads(result.stdout.splitlines()[-1]), expected, atol=1e-4)


@pytest.mark.slow
@pytest.mark.usefixtures("simulated")
@pytest.mark.parametrize("kind", ["flat folder", "csv", "npz", "medmnist"])
def test_every_kind_of_data_works(kind: str, tmp_path: Path, space: Path, cache_dir: Path) -> None:
    pixels, labels = draw_images(90)
    if kind == "flat folder":
        data = write_folder(tmp_path / "images", per_split=90)
    elif kind == "csv":
        folder = write_folder(tmp_path / "images", per_split=90)
        lines = [
            f"{path.relative_to(folder)},{path.parent.name}"
            for path in sorted(folder.rglob("*.png"))
        ]
        data = folder / "list.csv"
        data.write_text("\n".join(["path,label", *lines]))
    elif kind == "npz":
        data = tmp_path / "images.npz"
        np.savez(data, x=pixels, y=labels)
    else:
        data = tmp_path / "medmnist.npz"
        arrays: dict[str, Any] = {}
        for number, split in enumerate(("train", "val", "test")):
            part_pixels, part_labels = draw_images(30, seed=number)
            arrays |= {f"{split}_images": part_pixels, f"{split}_labels": part_labels[:, None]}
        np.savez(data, **arrays)
    folder = search(data, space, cache_dir, "--trials", "1", "--folds", "0", "--quiet")
    assert [row["kind"] for row in read_csv(folder / "leaderboard.csv")] == ["refit"]
    splits = {row["split"] for row in read_csv(folder / "split.csv")}
    assert splits == {"train", "val", "test"}


@pytest.mark.slow
@pytest.mark.usefixtures("simulated")
def test_a_study_of_the_same_seed_proposes_the_same_params(
    tmp_path: Path, space: Path, cache_dir: Path
) -> None:
    data = write_folder(tmp_path / "images", splits=SPLIT_NAMES)
    seen = []
    for name in ("one", "two"):
        flags = (
            "--name",
            name,
            "--workers",
            "1",
            "--epochs",
            "1",
            "--finalists",
            "1",
            "--folds",
            "0",
        )
        folder = search(data, space, cache_dir, *flags).with_name(name)
        rows = read_csv(folder / "trials.csv")
        seen.append(
            [(row["param.width"], row["param.learning_rate"], row["objective"]) for row in rows]
        )
    assert seen[0] == seen[1]
    assert len(set(seen[0])) > 1


@pytest.mark.slow
def test_optuna_reads_its_database(finished: Finished) -> None:
    folder = finished.folder
    trials = read_optuna_trials(folder / "optuna.db", "s")
    rows = read_csv(folder / "trials.csv")
    assert [trial.number for trial in trials] == [int(row["trial"]) for row in rows]
    assert trials[0].value == pytest.approx(float(rows[0]["objective"]), abs=1e-8)


def test_bad_data_leaves_nothing_behind(
    tmp_path: Path, space: Path, cache_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "images" / "only one").mkdir(parents=True)
    arguments = ["search", str(tmp_path / "images"), "--space", str(space), "--name", "s"]
    arguments += ["--results", str(tmp_path / "results"), "--cache-dir", str(cache_dir)]
    assert run(arguments) == 3
    assert "Error: " in capsys.readouterr().err
    assert not (tmp_path / "results" / "s").exists()


@pytest.mark.slow
def test_transfer_without_weights_fails_before_the_first_trial(
    tmp_path: Path, cache_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = tmp_path / "weights.h5"
    weights.write_bytes(b"no weights")
    data = write_folder(tmp_path / "images", splits=SPLIT_NAMES)
    arguments = ["search", str(data), "--space", "transfer", "--weights", str(weights)]
    arguments += ["--results", str(tmp_path / "results"), "--name", "s", "--image-size", "32"]
    assert run([*arguments, "--cache-dir", str(cache_dir)]) == 2
    error = capsys.readouterr().err
    assert "weights.h5: must hold the weights of" in error
    assert "notop" in error
    assert not (tmp_path / "results" / "s").exists()


@pytest.mark.slow
def test_a_search_of_pretrained_networks_begins_with_their_features(
    tmp_path: Path, cache_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    load_backbone("MobileNetV2", (32, 32), weights=None).save(tmp_path / "weights.keras")
    data = write_folder(tmp_path / "images", splits=SPLIT_NAMES)
    arguments = ["search", str(data), "--space", "transfer", "--trials", "1"]
    arguments += ["--weights", str(tmp_path / "weights.keras"), "--image-size", "32"]
    arguments += ["--results", str(tmp_path / "results"), "--name", "s", "--folds", "0"]
    assert run([*arguments, "--cache-dir", str(cache_dir)]) == 0, capsys.readouterr().err
    folder = tmp_path / "results" / "s"
    trials = [(row["param.family"], row["epochs"]) for row in read_csv(folder / "trials.csv")]
    assert trials == [("frozen", "1")]
    (row,) = read_csv(folder / "leaderboard.csv")
    assert (row["family"], row["param.backbone"]) == ("frozen", "MobileNetV2")
    assert row["kind"] == "refit", "others with another seed would be the same"
    page = (folder / "report.html").read_text("utf-8")
    assert "logistic regression on pretrained features (MobileNetV2)" in page.lower().replace(
        "mobilenetv2", "MobileNetV2"
    )


@pytest.mark.slow
def test_ctrl_c_keeps_what_ended(tmp_path: Path, space: Path, cache_dir: Path) -> None:
    data = write_folder(tmp_path / "images", splits=SPLIT_NAMES)
    command = [sys.executable, "-m", "autocnn", "search", str(data), "--space", str(space)]
    command += ["--results", str(tmp_path / "results"), "--name", "s", "--epochs", "20"]
    command += ["--cache-dir", str(cache_dir), "--trials", "2", "--workers", "1"]
    command += ["--pruner", "none"]
    log, trials = tmp_path / "log.txt", tmp_path / "results" / "s" / "trials"
    root = Path(__file__).parents[2]
    with log.open("w") as stderr:
        process = subprocess.Popen(
            command, stderr=stderr, cwd=root, env={**os.environ, "PYTHONUNBUFFERED": "1"}
        )
        deadline = time.monotonic() + 240
        has_begun = False  # its process takes longer to start than it takes to see this
        while not has_begun and time.monotonic() < deadline:
            time.sleep(0.02)
            has_begun = (trials / "0001" / "trial.json").exists()
        process.send_signal(signal.SIGINT)
        assert process.wait(300) == 130
    text = log.read_text()
    assert has_begun, text
    assert (trials / "0000" / "epochs.csv").exists()
    assert "stopped with 1 of 2 trials ended." in text
    assert "Go on with `autocnn resume" in text
    assert "Traceback" not in text
    states = [row["state"] for row in read_csv(tmp_path / "results/s/trials.csv")]
    assert states == ["complete", "interrupted"]
    assert json.loads((tmp_path / "results/s/study.json").read_text())["status"] == "interrupted"


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [*(pytest.param(name, marks=pytest.mark.full) for name in ("default", "resnet")), "mri"]
)
def test_every_shipped_space_finishes_a_small_study(
    name: str, tmp_path: Path, cache_dir: Path
) -> None:
    data = write_folder(tmp_path / "images", splits=SPLIT_NAMES)
    arguments = ["search", str(data), "--space", name, "--trials", "1", "--epochs", "2"]
    arguments += ["--results", str(tmp_path), "--cache-dir", str(cache_dir), "--name", "s"]
    assert (
        run([*arguments, "--finalists", "1", "--folds", "0", "--members", "1", "--pruner", "none"])
        == 0
    )
    states = [row["state"] for row in read_csv(tmp_path / "s" / "trials.csv")]
    assert states == ["complete"]


@pytest.mark.slow
def test_a_budget_is_kept(tmp_path: Path, space: Path, cache_dir: Path) -> None:
    data = write_folder(tmp_path / "images", splits=SPLIT_NAMES, per_split=300)
    folder = search(data, space, cache_dir, "--trials", "500", "--epochs", "40", "--budget", "30s")
    rows = read_csv(folder / "trials.csv")
    assert 0 < len(rows) < 500
    workers = json.loads((folder / "study.json").read_text())["resources"]["workers"]
    assert sum(float(row["seconds"]) for row in rows) <= 30 * workers
    assert read_csv(folder / "leaderboard.csv")


# -- the end of a study, in which nothing is trained -----------------------------------------


def small_search(tmp_path: Path, space: Path, cache_dir: Path, *flags: str) -> list[str]:
    """A study of two trials, as arguments."""
    data = write_folder(tmp_path / "images", per_split=90)
    arguments = ["search", str(data), "--space", str(space), "--results", str(tmp_path / "results")]
    arguments += ["--cache-dir", str(cache_dir), "--name", "s", "--trials", "2", "--members", "1"]
    return [*arguments, "--workers", "1", *flags]


@pytest.mark.slow
@pytest.mark.usefixtures("simulated")
@pytest.mark.parametrize(("error", "code"), [(KeyboardInterrupt(), 130), (DiskFullError("x"), 4)])
def test_a_stop_while_the_report_is_written_opens_test_once(
    tmp_path: Path,
    space: Path,
    cache_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
    code: int,
) -> None:
    def stop(folder: StudyFolder) -> None:
        raise error

    folder = StudyFolder(tmp_path / "results" / "s")
    with monkeypatch.context() as patch:
        patch.setattr("autocnn.study.finish.write_report", stop)
        assert run(small_search(tmp_path, space, cache_dir)) == code
    status = folder.read_status()
    assert (status.status, [look.is_over for look in status.test_looks]) == ("done", [True])
    assert folder.is_report_due
    folder.predictions_dir()  # as of a kill before they were removed
    assert run(["resume", "s", "--results", str(tmp_path / "results")]) == 0
    assert folder.read_status() == status
    assert not folder.is_report_due
    assert "<html" in folder.report_path.read_text("utf-8")
    assert not (folder.path / "candidates" / ".predictions").exists()


@pytest.mark.slow
@pytest.mark.usefixtures("simulated")
def test_the_simplest_is_chosen_where_it_is_preferred(
    tmp_path: Path, space: Path, cache_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    preferred = []

    def rank(*arguments: Any, **options: Any) -> Any:
        preferred.append(options["prefer"])
        return rank_contenders(*arguments, **options)

    monkeypatch.setattr("autocnn.selection.judge.rank_contenders", rank)
    assert run(small_search(tmp_path, space, cache_dir, "--prefer", "simple")) == 0
    assert set(preferred) == {"simple"}


@pytest.mark.slow
@pytest.mark.usefixtures("simulated")
def test_what_is_finished_stays_where_there_is_hardly_time_for_more(
    tmp_path: Path, space: Path, cache_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A budget is seldom used to its last second: some are left, in which nothing can be made."""
    assert run(small_search(tmp_path, space, cache_dir, "--budget", "10m")) == 0
    folder = StudyFolder(tmp_path / "results" / "s")
    folder.write_study(folder.read_study() | {"seconds": 599.5})
    before, board = folder.read_status(), folder.read_leaderboard()
    models = sorted(folder.path.glob("finalists/*/*/model.keras"))
    capsys.readouterr()
    assert run(["resume", "s", "--results", str(tmp_path / "results"), "--trials", "9"]) == 0
    assert "made of the finalists now: the study stays as it was" in capsys.readouterr().err
    after = folder.read_status()
    for name in ("status", "finalists", "num_folds", "choice", "test_looks"):
        assert getattr(after, name) == getattr(before, name), name
    assert folder.read_leaderboard() == board
    assert sorted(folder.path.glob("finalists/*/*/model.keras")) == models
    assert not folder.is_report_due


@pytest.mark.slow
@pytest.mark.usefixtures("simulated")
def test_without_the_model_of_any_trial_nothing_can_be_chosen(
    tmp_path: Path,
    space: Path,
    cache_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """As of a fork, whose trials the other study had kept no models of, and whose new ones fail."""
    monkeypatch.setattr(
        "autocnn.study.run._local_executor", lambda resources: SimulatedExecutor(has_models=False)
    )
    assert run(small_search(tmp_path, space, cache_dir)) == 5
    assert "must have its model, got none of 2 trials with one" in capsys.readouterr().err
