"""The programs and notebooks in examples/ run as they stand, with a study cut short."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

EXAMPLES = Path(__file__).parent.parent / "examples"

QUICK = """
import autocnn
from autocnn.api import search
from autocnn.data.sources import phantoms
from tests.pictures import draw_dots

def quick(data, **settings):
    short = {"space": "quick", "trials": 1, "epochs": 1, "finalists": 1, "folds": 0}
    short |= {"members": 1, "workers": 1, "image_size": 32} | CHANGES
    return search(data, **{**settings, **short})

autocnn.search = quick
phantoms.BUILT_IN_PER_CLASS = 40
draw_dots()
"""

PROGRAM = """
import runpy, sys
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""

NOTEBOOK = """
import sys
import nbclient, nbformat
notebook = nbformat.read(sys.argv[1], as_version=4)
nbclient.NotebookClient(notebook, timeout=1500).execute()
nbformat.write(notebook, "executed.ipynb")
"""


def start(code: str, *arguments: str, folder: Path, backend: str = "agg") -> str:
    """What Python prints in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=folder,
        env={**os.environ, "MPLBACKEND": backend, "PYTHONPATH": str(EXAMPLES.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def run(program: str, *arguments: str, folder: Path) -> list[str]:
    """The lines that a program of examples/ prints, its study cut short."""
    code = "CHANGES = {}\n" + QUICK + PROGRAM
    return start(code, str(EXAMPLES / program), *arguments, folder=folder).splitlines()


def run_notebook(name: str, *, data: str, folder: Path) -> str:
    """All that a notebook of examples/ shows, as JSON, on other data, its study cut short.

    Two epochs and folds: enough to doubt a label.
    """
    notebook = json.loads((EXAMPLES / name).read_text("utf-8"))
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert code[0]["source"][0].startswith('data = "phantoms"')
    short = f"CHANGES = {{'folds': 2, 'epochs': 2}}\n{QUICK}data = {data!r}"
    code[0]["source"] = short
    (folder / "cut.ipynb").write_text(json.dumps(notebook), "utf-8")
    inline = "module://matplotlib_inline.backend_inline"
    start(NOTEBOOK, "cut.ipynb", folder=folder, backend=inline)
    shown = json.loads((folder / "executed.ipynb").read_text("utf-8"))
    return json.dumps([cell.get("outputs", []) for cell in shown["cells"]])


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


def test_notebooks_are_kept_without_what_they_showed_and_use_autocnn_alone() -> None:
    for path in EXAMPLES.glob("*.ipynb"):
        notebook = json.loads(path.read_text("utf-8"))
        code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
        assert all(not cell["outputs"] and cell["execution_count"] is None for cell in code)
        text = "\n".join("".join(cell["source"]) for cell in code)
        assert "import autocnn\n" in f"{text}\n"
        assert "autocnn._" not in text and "from autocnn" not in text


@pytest.mark.slow
@pytest.mark.long
def test_the_brain_tumour_notebook_on_a_folder(tmp_path: Path) -> None:
    draw_scans(tmp_path / "brain")
    shown = run_notebook("brain_tumour.ipynb", data="brain", folder=tmp_path)
    assert "<strong>brain</strong>: 150 images" in shown
    assert "trial 0 complete" in shown
    assert shown.count("image/png") == 7  # pictures of pyplot
    assert "report.html" in shown
    assert '"name": "stderr"' not in shown


@pytest.mark.slow
@pytest.mark.full
def test_the_brain_tumour_notebook_on_phantoms(tmp_path: Path) -> None:
    shown = run_notebook("brain_tumour.ipynb", data="phantoms", folder=tmp_path)
    assert "<strong>phantoms</strong>: 160 images" in shown


@pytest.mark.slow
@pytest.mark.full
def test_search_in_python(tmp_path: Path) -> None:
    lines = run("search_in_python.py", folder=tmp_path)
    assert lines[0].split()[:2] == ["rank", "trial"]
    assert lines[1].split()[1:3] == ["1", "0"]
