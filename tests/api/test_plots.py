"""The pictures of a study in a notebook: in axes that are there, or in a figure of their own."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import pytest

import autocnn
from autocnn.api.plots import PlotDisplay
from autocnn.core.errors import StudyError, UsageError
from autocnn.core.records import ConfusionMatrix, RocCurve
from autocnn.reporting.plots.score_values import confusion_table, roc_table
from tests.reporting.plots.figures import all_texts, cell_texts, legend_texts, points
from tests.reporting.studies import CLASSES, make_study
from tests.test_examples import NOTEBOOK, start

NAMES = ("confusion_matrix", "roc", "learning_curves", "search", "reliability", "gap")

COUNTS = ((40, 1, 0, 0), (2, 30, 1, 0), (0, 0, 50, 0), (1, 1, 1, 20))


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> autocnn.Study:
    folder = make_study(tmp_path_factory.mktemp("results"), num_candidates=2)
    matrix = ConfusionMatrix(labels=CLASSES, counts=COUNTS)
    curves = [
        RocCurve(
            name=name,
            kind="class",
            false_positive_rate=(0.0, 0.0, 0.25, 1.0),
            true_positive_rate=(0.0, 0.5, 1.0, 1.0),
            auc=0.9375,
        )
        for name in CLASSES
    ]
    for number in (1, 2):
        folder.write_candidate_table(number, "confusion_matrix", *confusion_table(matrix))
        folder.write_candidate_table(number, "roc", *roc_table(curves))
    return autocnn.open_study(folder.path)


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    before = mpl.get_backend()
    plt.switch_backend("agg")
    yield
    plt.close("all")
    plt.switch_backend(before)


def draw(study: autocnn.Study, name: str, *given: object) -> PlotDisplay:
    display = getattr(study.plot, name)(*given)
    assert isinstance(display, PlotDisplay)
    return display


@pytest.mark.parametrize("name", NAMES)
def test_a_picture_is_drawn_into_axes_that_are_there(study: autocnn.Study, name: str) -> None:
    style = dict(mpl.rcParams)
    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 5), layout="constrained")
    display = draw(study, name, left)
    assert (display.ax_, display.figure_) == (left, figure)
    assert left.has_data() and not right.has_data()
    assert left.get_title(loc="left").replace("\n", " ") == display.title
    assert len(display.table) > 1
    assert len(plt.get_fignums()) == 1
    figure.savefig("both.png")
    assert dict(mpl.rcParams) == style


@pytest.mark.parametrize("name", NAMES)
def test_without_axes_it_has_a_figure_of_pyplot(study: autocnn.Study, name: str) -> None:
    style = dict(mpl.rcParams)
    display = draw(study, name)
    assert display.figure_ is plt.gcf()
    assert display.ax_ is display.figure_.axes[0]
    assert display.title in all_texts(display.figure_).replace("\n", " ")
    assert dict(mpl.rcParams) == style
    first = display.figure_
    assert display.plot() is display
    assert display.figure_ is not first


@pytest.mark.slow
def test_a_notebook_shows_every_picture(study: autocnn.Study, tmp_path: Path) -> None:
    """Also where no other figure was there before, which would have loaded the backend."""
    place = str(study.path.resolve())
    code = [f"import autocnn; plot = autocnn.open_study({place!r}).plot"]
    code += ["plot.roc();", "plot.roc();", "plot.gap();"]
    cell: dict[str, Any] = {
        "cell_type": "code",
        "metadata": {},
        "execution_count": None,
        "outputs": [],
    }
    cells = [cell | {"id": f"cell-{number}", "source": one} for number, one in enumerate(code)]
    notebook = {"metadata": {}, "nbformat": 4, "nbformat_minor": 5, "cells": cells}
    (tmp_path / "pictures.ipynb").write_text(json.dumps(notebook), "utf-8")
    inline = "module://matplotlib_inline.backend_inline"
    start(NOTEBOOK, "pictures.ipynb", folder=tmp_path, backend=inline)
    executed = json.loads((tmp_path / "executed.ipynb").read_text("utf-8"))
    shown = [json.dumps(one["outputs"]).count("image/png") for one in executed["cells"]]
    assert shown == [0, 1, 1, 1]


def test_what_can_be_drawn_is_told(study: autocnn.Study) -> None:
    assert repr(study.plot).startswith(f"StudyPlots of {study.name}: ")
    assert set(repr(study.plot).partition(": ")[2].split(", ")) == set(NAMES)


def test_the_numbers_are_those_of_the_files(study: autocnn.Study) -> None:
    matrix = study.plot.confusion_matrix(candidate=2)
    assert matrix.title.startswith("Confusion matrix: candidate 2 (trial 18, retrained), 1,095")
    assert matrix.table.loc["meningioma", "glioma"] == 2
    assert matrix.table.to_numpy().tolist() == [list(row) for row in COUNTS]
    assert cell_texts(matrix.ax_)[0] == "40\n97.6\xa0%"
    roc = study.plot.roc()
    assert roc.table["curve"].unique().tolist() == list(CLASSES)
    assert points(roc.ax_.lines[1]) == ([0.0, 0.0, 0.25, 1.0], [0.0, 0.5, 1.0, 1.0])
    assert "0.9375  glioma" in legend_texts(roc.ax_)
    trials = study.plot.search().table
    assert trials["objective"].tolist()[:3] == study.trials["objective"].tolist()[:3]
    assert len(trials) == 24


def test_one_axes_show_one_score_of_an_epoch(study: autocnn.Study) -> None:
    _, axes = plt.subplots(1, 2)
    study.plot.learning_curves(axes[0])
    study.plot.learning_curves(axes[1], metric="log_loss")
    assert [one.get_ylabel() for one in axes] == ["accuracy (fraction)", "log loss (nats)"]
    assert study.plot.learning_curves().table["phase"].unique().tolist() == ["search", "refit"]


def test_maps_are_pictures_with_their_answers(study: autocnn.Study) -> None:
    maps = study.best.maps
    assert maps["is_right"].tolist() == [False] * 8 + [True] * 4
    assert all(Path(picture).is_file() for picture in maps["picture"])


def test_what_is_not_there_is_told(study: autocnn.Study, tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="must have the candidate 9, got 1, 2"):
        study.plot.roc(candidate=9)
    folder = make_study(tmp_path, "old", num_candidates=1, has_all=False)
    old = autocnn.open_study(folder.path)
    assert old.best.maps.empty
    for name, what in (
        ("confusion_matrix", r"a confusion_matrix\.csv"),
        ("roc", r"a roc\.csv"),
        ("reliability", "a temperature"),
        ("gap", "a gap that was measured"),
    ):
        with pytest.raises(StudyError, match=f"candidate 1 must have {what}, got none"):
            draw(old, name)
    with pytest.raises(UsageError, match="metric must be log_loss or accuracy, got 'loss'"):
        old.plot.learning_curves(metric="loss")  # type: ignore[arg-type]
    shutil.rmtree(folder.path / "trials")
    with pytest.raises(StudyError, match="candidate 1 must have the record of trial 20, got none"):
        old.plot.learning_curves()
    folder.write_candidate_table(1, "roc", ["curve", "kind"], [["a", "class"]])
    with pytest.raises(StudyError, match=r"roc\.csv of candidate 1 must be as autocnn wrote it"):
        old.plot.roc()
    folder.write_candidate_table(1, "confusion_matrix", ["label", "predicted"], [["a", "b"]])
    with pytest.raises(StudyError, match=r"confusion_matrix\.csv .* 'count' is missing"):
        old.plot.confusion_matrix()
