"""The yardstick: its splits, its parts, its table."""

import json
import shutil
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from benchmarks import accuracy
from benchmarks.rivals import SPLITS, Assignment


def part(arm: str, seed: int, test_accuracy: float, **more: Any) -> dict[str, Any]:
    scores = dict.fromkeys(accuracy.MEASURES, 0.9)
    facts = {
        "data": "dogs",
        "arm": arm,
        "minutes": 10.0,
        "seed": seed,
        "num_trials": 5,
        "seconds": 601.3,
    }
    splits = {"train": scores, "val": scores, "test": scores | {"accuracy": test_accuracy}}
    return facts | splits | more


def test_the_table_has_means_over_seeds_with_intervals() -> None:
    parts = [part("optuna", 0, 0.8), part("autocnn", 0, 0.9), part("autocnn", 1, 0.92)]
    header, _, first, second = accuracy.table_lines(parts)
    assert header.split(" | ")[2:7] == ["seconds", "program", "seeds", "trials", "test accuracy"]
    assert first.split(" | ")[2:7] == ["601", "autocnn", "2", "5", "0.910 ± 0.127"]
    assert second.split(" | ")[3:7] == ["optuna", "1", "5", "0.800"]


def test_the_short_table_has_a_column_per_data_set() -> None:
    parts = [part("optuna", 0, 0.8), part("autocnn", 0, 0.9), part("autocnn", 1, 0.92)]
    parts += [part("autocnn", 0, 0.5, data="cats"), part("optuna", 0, 0.1, data="cats", error="no")]
    assert list(accuracy.brief_lines(parts)) == [
        "| test accuracy / macro AUC | cats | dogs |",
        "|---|---|---|",
        "| autocnn, 10 minutes | 0.500 / 0.900 | 0.910 ± 0.127 / 0.900 ± 0.000 |",
        "| optuna, 10 minutes |  | 0.800 / 0.900 |",
    ]


def test_the_readme_shows_what_the_files_hold() -> None:
    root = Path(__file__).parents[2]
    readme = (root / "README.md").read_text("utf-8").splitlines()
    lines = list(accuracy.brief_lines(accuracy.read_parts(root / "results/yardstick")))
    place = readme.index(lines[0])
    assert readme[place : place + len(lines)] == lines


@pytest.mark.parametrize("command", ["table", "brief"])
def test_a_folder_without_parts_has_no_table(command: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(accuracy.cli, [command, str(tmp_path)])
    assert result.exit_code == 2
    assert "must hold what `run` leaves, got no part" in result.output


def test_what_failed_is_named_below_the_table() -> None:
    parts = [part("autocnn", 0, 0.9), part("autocnn", 1, 0.9) | {"error": "no time"}]
    lines = list(accuracy.table_lines(parts))
    assert lines[2].split(" | ")[4] == "1", "of one seed"
    assert lines[-1] == "Without an answer: autocnn on dogs, 10 minutes, seed 1 (no time)."


def test_below_the_table_stands_whose_minutes_they_are() -> None:
    """The same minutes hold four times as many trainings on another machine."""
    slow = {"cpu": "Old", "num_cpus": 2, "has_bfloat16": False}
    parts = [part("autocnn", seed, 0.9, machine=slow) for seed in range(2)]
    lines = list(accuracy.table_lines([*parts, part("autocnn", 2, 0.9)]))
    assert lines[-1] == (
        "Minutes are those of: Old, 2 processors without bfloat16 (2 parts); not noted (1 part)."
    )


@pytest.mark.slow
def test_no_copy_stands_on_two_sides(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for split, label, number in product(SPLITS, "ab", range(12)):
        path = tmp_path / "images" / split / label / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (16, 16), np.uint8)).save(path)
        if split == "train" and number < 3:
            copied = tmp_path / "images/test" / label / f"copy-{number}.png"
            copied.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, copied)
    accuracy.write_data(str(tmp_path / "images"), tmp_path / "data.npz")
    with np.load(tmp_path / "data.npz") as arrays:
        seen = {split: {image.tobytes() for image in arrays[f"{split}_images"]} for split in SPLITS}
        assert all(len(arrays[f"{s}_images"]) == len(arrays[f"{s}_labels"]) for s in SPLITS)
    assert not seen["train"] & seen["test"] and not seen["val"] & seen["test"]


def test_a_part_that_is_there_is_not_run_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = []

    def run_part(arm: str, data: Path, **more: Any) -> dict[str, Any]:
        ran.append((arm, data.name, more["seed"]))
        return part(arm, more["seed"], 0.9)

    monkeypatch.setattr(accuracy, "run_part", run_part)
    (tmp_path / "digits.npz").touch()
    command = ["run", str(tmp_path), "--data", "digits", "--arm", "optuna", "--seeds"]
    for seeds in ("1", "2"):
        assert CliRunner().invoke(accuracy.cli, [*command, seeds]).exit_code == 0
    assert ran == [("optuna", "digits.npz", 0), ("optuna", "digits.npz", 1)]
    found = json.loads((tmp_path / "digits-10m-optuna-1.json").read_text("utf-8"))
    assert found["space"] == "default"


def test_a_program_that_breaks_gives_its_last_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(accuracy.ARMS, "broken", ("nowhere",))
    found = accuracy.run_part("broken", tmp_path / "data.npz", space="quick", minutes=1, seed=0)
    assert found["error"].endswith("No module named benchmarks.rivals.nowhere")


def test_an_assignment_is_read_as_it_was_written(tmp_path: Path) -> None:
    images = np.zeros((2, 100, 100), np.uint8)
    arrays = {
        f"{s}_{what}": v
        for s in SPLITS
        for what, v in (("images", images), ("labels", np.arange(2)))
    }
    np.savez(tmp_path / "data.npz", allow_pickle=False, **arrays)
    assignment = Assignment(str(tmp_path / "data.npz"), 10, 0, "quick", str(tmp_path))
    assert Assignment(**json.loads(assignment.write().read_text("utf-8"))) == assignment
    x, y = assignment.read_images(most_side=200)["test"]
    assert (x.shape, y.tolist()) == ((2, 100, 100, 1), [[1, 0], [0, 1]])
