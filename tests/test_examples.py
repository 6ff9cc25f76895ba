"""The programs in examples/ run as they stand, with a study cut short."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

EXAMPLES = Path(__file__).parent.parent / "examples"

QUICK = """
import runpy, sys
import autocnn
from autocnn.api import search
from autocnn.data.sources import phantoms
from tests.pictures import draw_dots

def quick(data, **settings):
    short = {"space": "quick", "trials": 1, "epochs": 1, "finalists": 1, "folds": 0}
    short |= {"members": 1, "workers": 1}
    return search(data, **{**settings, **short})

autocnn.search = quick
phantoms.BUILT_IN_PER_CLASS = 40
draw_dots()
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def run(program: str, *arguments: str, folder: Path) -> list[str]:
    """The lines that a program of examples/ prints, its study cut short."""
    done = subprocess.run(
        [sys.executable, "-c", QUICK, str(EXAMPLES / program), *arguments],
        cwd=folder,
        env={**os.environ, "MPLBACKEND": "agg", "PYTHONPATH": str(EXAMPLES.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def draw_scans(folder: Path) -> None:
    """Phantoms as files, laid out as the public set of brain tumours is."""
    from autocnn.data import read_source

    table = read_source("phantoms")
    for position, label in enumerate(table.labels.tolist()):
        split = {0: "Training", 1: "Testing"}.get(position % 8)
        if split is None:
            continue
        path = folder / split / table.class_names[label] / f"{position}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = table.open(position)
        assert isinstance(pixels, np.ndarray)
        Image.fromarray(pixels.squeeze()).save(path)


@pytest.mark.slow
def test_brain_tumour_on_a_folder(tmp_path: Path) -> None:
    draw_scans(tmp_path / "brain")
    lines = run("brain_tumour.py", "brain", folder=tmp_path)
    assert lines[0] == "150 scans in brain"
    assert lines[1].split() == ["split", "test", "train", "All"]
    text = "\n".join(lines)
    assert text.count("glioma") == 4  # splits, counts (twice), scores
    assert "test_clean_accuracy" in text
    assert Path(tmp_path, lines[-1]).is_file()


@pytest.mark.slow
@pytest.mark.full
def test_brain_tumour_without_a_folder(tmp_path: Path) -> None:
    lines = run("brain_tumour.py", folder=tmp_path)
    assert lines[0] == "160 scans in phantoms"
    assert Path(tmp_path, lines[-1]).is_file()


@pytest.mark.slow
@pytest.mark.full
def test_search_in_python(tmp_path: Path) -> None:
    lines = run("search_in_python.py", folder=tmp_path)
    assert lines[0].split()[:2] == ["rank", "trial"]
    assert lines[1].split()[1:3] == ["1", "0"]
