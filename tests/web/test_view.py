"""The page of a study over HTTP: whole at every stage, without scripts, and after its end."""

import io
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from autocnn.inference.predict.model import Model
from autocnn.reporting.leaderboard import build_leaderboard
from autocnn.storage import StudyFolder
from autocnn.web.study_images import StudyImages
from autocnn.web.view import make_view
from tests.inference.predict.models import model
from tests.reporting.studies import AWKWARD_CLASSES, make_candidate, make_status, make_trials
from tests.reporting.test_comparison import make_study
from tests.reporting.test_page import Reader
from tests.web.conftest import Start


def begin(tmp_path: Path) -> StudyFolder:
    """A study whose images are still being read."""
    folder = StudyFolder.create(tmp_path, "mine", make_status("mine").to_json())
    facts = folder.read_study()
    folder.write_study({**facts, "status": "preparing", "choice": None, "data": None})
    return folder


def test_a_study_has_a_page_from_its_first_instant_on(start: Start, tmp_path: Path) -> None:
    folder = begin(tmp_path)
    client = start(make_view(folder))
    page = client.get("/")
    assert page.status == 200
    assert "There is no model yet" in page.body.decode()
    assert client.get("/api/study").data["trials"] == []
    found = client.get("/api/images")
    assert (found.status, found.data["error"]) == (
        404,
        f"{folder.path}: has no images yet: they are being read.",
    )
    folder.write_study(make_status("mine").to_json())
    for trial in make_trials(3):
        folder.write_trial(trial)
    folder.write_split([("a/1.png", "glioma", "", "train", "x")])
    assert len(client.get("/api/study").data["trials"]) == 3
    assert client.get("/api/images?label=glioma").data["total"] == 1, "nothing old is remembered"


def test_the_page_has_its_tables_without_scripts(start: Start, tmp_path: Path) -> None:
    folder = make_study(tmp_path, "mine", images=range(6))
    for trial in make_trials(3):
        folder.write_trial(trial)
    client = start(make_view(folder))
    page = Reader(client.get("/").body.decode())
    assert page.open == []
    assert len(page.ids) == len(set(page.ids))
    assert page.tags["tr"] >= 4
    for name in ("view.js", "view.css", "report.css"):
        assert client.get(f"/static/{name}").status == 200
    assert client.get("/static/..%2Fview.py").status == 404
    assert client.get("/report").status == 404


def test_a_report_of_somebody_else_s_asks_nothing_of_the_server(
    start: Start, tmp_path: Path
) -> None:
    folder = make_study(tmp_path, "mine", images=range(6))
    folder.report_path.write_text("<script>fetch('/api/images')</script>")
    policy = start(make_view(folder)).get("/report").headers["content-security-policy"]
    sandbox, frames = policy.split("; ")
    assert sandbox.split() == ["sandbox", "allow-scripts", "allow-popups"], "no origin"
    assert frames == "frame-ancestors 'none'"


def test_names_are_text(start: Start, tmp_path: Path) -> None:
    folder = StudyFolder.create(
        tmp_path, "mine", make_status("mine", AWKWARD_CLASSES, data="<b>x").to_json()
    )
    client = start(make_view(folder))
    page = Reader(client.get("/").body.decode())
    assert "<b>x" in page.text
    assert page.tags["b"] == 0
    for name in AWKWARD_CLASSES:
        assert " ".join(name.split()) in page.text


@pytest.mark.parametrize(
    "path",
    [
        *("/api/trials/99", "/api/images/-1", "/api/images/6", "/thumbnails/9.jpg"),
        *("/api/images?candidate=9", "/api/images/0/look/9"),
    ],
)
def test_what_is_not_there_is_said(start: Start, tmp_path: Path, path: str) -> None:
    client = start(make_view(make_study(tmp_path, "mine", images=range(6))))
    found = client.get(path)
    assert found.status == 404
    assert found.data["error"]


def test_candidates_that_are_made_anew_are_loaded_anew(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_study(tmp_path, "mine", images=range(6))
    loaded: list[Path] = []

    def load(path: Path, **options: object) -> Model:
        loaded.append(path)
        return model()

    monkeypatch.setattr("autocnn.web.view.load", load)
    client = start(make_view(folder))
    image = io.BytesIO()
    Image.new("L", (9, 9)).save(image, "PNG")
    for _ in range(2):
        assert client.post("/api/try/1", image.getvalue()).status == 200
    assert len(loaded) == 1
    os.utime(folder.leaderboard_path, ns=(1, 1))
    client.post("/api/try/1", image.getvalue())
    assert len(loaded) == 2


def test_a_candidate_looks_at_an_image_of_the_size_that_it_takes(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int | None] = []

    def pixels(_: StudyImages, place: int, *, side: int | None = None) -> np.ndarray:
        asked.append(side)
        return np.zeros((side or 5, side or 5, 1), np.uint8)

    monkeypatch.setattr("autocnn.web.view.load", lambda path, **options: model())
    monkeypatch.setattr(StudyImages, "pixels", pixels)
    client = start(make_view(make_study(tmp_path, "mine", images=range(6))))
    assert client.get("/api/images/0/look/1").data["error"] is None
    assert asked == [model().metadata.input.height]


def test_a_torn_table_of_one_candidate_leaves_the_page(start: Start, tmp_path: Path) -> None:
    folder = make_study(tmp_path, "mine", images=range(6))
    (folder.path / "candidates" / "01" / "predictions.csv").write_text("path\nmine/0.png\n")
    client = start(make_view(folder))
    assert client.get("/").status == 200
    found = client.get("/api/images?candidate=1")
    assert (found.status, "must be whole" in found.data["error"]) == (404, True)


def test_nothing_is_written_by_looking(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("autocnn.web.view.load", lambda path, **options: model())
    monkeypatch.setattr("autocnn.web.view.explainable", lambda model: None)  # without TensorFlow
    monkeypatch.setattr(
        StudyImages, "pixels", lambda *_, side=None: np.zeros((side or 5, side or 5, 1), np.uint8)
    )
    folder = make_study(tmp_path, "mine", images=range(6))
    for trial in make_trials(4):
        folder.write_trial(trial)
    folder.report_path.write_text("<html>")
    client = start(make_view(folder))
    before = {path: path.stat().st_mtime_ns for path in folder.path.rglob("*")}
    image = io.BytesIO()
    Image.new("L", (9, 9)).save(image, "PNG")
    for path in (
        *("/", "/report", "/api/study", "/api/trials/3", "/api/images?candidate=1"),
        *("/api/images/0", "/api/images/0/look/1", "/thumbnails/0.jpg", "/images/0.png"),
    ):
        assert client.get(path).status == 200, path
    assert client.post("/api/try/1", image.getvalue()).status == 200
    assert {path: path.stat().st_mtime_ns for path in folder.path.rglob("*")} == before


def test_a_study_that_is_removed_meanwhile_is_gone(start: Start, tmp_path: Path) -> None:
    folder = make_study(tmp_path, "mine", images=range(6))
    client = start(make_view(folder))
    assert client.get("/api/study").status == 200
    folder.remove()
    for path in ("/", "/report", "/api/study", "/api/images", "/api/images/0", "/thumbnails/0.jpg"):
        found = client.get(path)
        assert (found.status, found.data["error"]) == (404, f"{folder.path} is gone."), path
        page = client.get(path, Accept="text/html,*/*;q=0.8")
        assert (page.status, f"{folder.path} is gone." in page.body.decode()) == (404, True), path
        assert page.headers["content-type"].startswith("text/html"), path


def test_a_copy_without_its_trials_images_and_models_says_so(start: Start, tmp_path: Path) -> None:
    """As the study that the repository holds."""
    folder = make_study(tmp_path, "mine", images=range(6))
    folder.split_path.unlink()
    shutil.rmtree(folder.path / "trials", ignore_errors=True)
    client = start(make_view(folder))
    text = Reader(client.get("/").body.decode()).text
    assert "trials ended" not in text
    assert "The trials are not in this folder" in text
    assert "not finished" not in text
    assert "must hold split.csv to show images" in client.get("/api/images").data["error"]


def test_the_leaderboard_says_what_its_columns_are(start: Start, tmp_path: Path) -> None:
    folder = make_study(tmp_path, "mine")
    folder.write_leaderboard(build_leaderboard([make_candidate(1)]).to_csv())
    board = start(make_view(folder)).get("/api/study").data["leaderboard"]
    assert board["caption"].startswith("Balanced accuracy; ranked on ")
    assert "gap: accuracy on train minus val" in board["caption"]
    assert "Folds N is the mean of the models" in board["caption"]
