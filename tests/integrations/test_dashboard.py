"""optuna-dashboard on a study: it shows, and never writes."""

import json
import sqlite3
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from autocnn.core.config import StudyConfig
from autocnn.core.errors import MissingExtraError, StudyError, UsageError
from autocnn.integrations.dashboard import DashboardServer, open_dashboard
from autocnn.storage import StudyFolder
from autocnn.storage.status import StudyStatus


def make_study(results: Path, **asked: str) -> StudyFolder:
    status = StudyStatus.new(
        "mine", StudyConfig.model_validate({"name": "mine", **asked}), epochs=3
    )
    return StudyFolder.create(results, "mine", status.to_json())


@pytest.fixture
def folder(tmp_path: Path) -> StudyFolder:
    """A study with a database of Optuna, in a folder whose name is awkward in an address."""
    import optuna

    study = make_study(tmp_path / "50% of #1")
    storage = optuna.storages.RDBStorage(study.optuna_url)
    try:
        optuna.create_study(study_name="mine", storage=storage).add_trial(
            optuna.trial.create_trial(value=0.9312)
        )
    finally:
        storage.remove_session()
        storage.engine.dispose()
    return study


@contextmanager
def serving(folder: StudyFolder) -> Iterator[DashboardServer]:
    pytest.importorskip("optuna_dashboard")
    with open_dashboard(folder, host="127.0.0.1", port=0) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=30) as answer:
        assert answer.status == 200
        text: str = answer.read().decode()
        return text


@pytest.mark.slow
def test_it_shows_the_study_and_its_trials(folder: StudyFolder) -> None:
    with serving(folder) as server:
        assert "<title>Optuna Dashboard</title>" in get(f"{server.url}dashboard")
        (study,) = json.loads(get(f"{server.url}api/studies"))["study_summaries"]
        assert study["study_name"] == "mine"
        (trial,) = json.loads(get(f"{server.url}api/studies/{study['study_id']}"))["trials"]
        assert trial["values"] == [0.9312]


@pytest.mark.slow
@pytest.mark.parametrize("method", ["DELETE", "POST", "PUT"])
def test_it_changes_nothing(method: str, folder: StudyFolder) -> None:
    before = folder.optuna_path.read_bytes()
    with serving(folder) as server:
        request = urllib.request.Request(f"{server.url}api/studies/1", b"{}", method=method)
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(request, timeout=30)
        assert caught.value.code == 405
        assert b"changes nothing" in caught.value.read()
        caught.value.close()
        get(f"{server.url}api/studies/1")
    assert folder.optuna_path.read_bytes() == before
    assert [path.name for path in folder.path.glob("optuna.db*")] == ["optuna.db"]


@pytest.mark.slow
def test_a_page_elsewhere_cannot_ask_by_its_own_name(folder: StudyFolder) -> None:
    with serving(folder) as server:
        address = f"{server.url}api/studies"
        asked = urllib.request.Request(address, headers={"Host": "evil.example:80"})
        with pytest.raises(urllib.error.HTTPError, match="421") as caught:
            urllib.request.urlopen(asked, timeout=30)
        caught.value.close()
        asked = urllib.request.Request(address, headers={"Host": "localhost:9"})
        with urllib.request.urlopen(asked, timeout=30) as answer:
            assert answer.status == 200, "through a tunnel"


@pytest.mark.slow
def test_a_search_may_write_while_it_looks(folder: StudyFolder) -> None:
    writer = sqlite3.connect(folder.optuna_path, timeout=0, isolation_level=None)
    try:
        with serving(folder) as server:
            get(f"{server.url}api/studies/1")
            writer.execute("BEGIN IMMEDIATE")
            writer.execute("UPDATE studies SET study_name = 'renamed'")
            assert "mine" in get(f"{server.url}api/studies"), "what is written is not there yet"
            writer.execute("COMMIT")  # with no time to wait: nobody holds it up
            assert "renamed" in get(f"{server.url}api/studies")
    finally:
        writer.close()


@pytest.mark.slow
def test_a_port_that_is_taken(folder: StudyFolder) -> None:
    with serving(folder) as server:
        port = server.server_address[1]
        with pytest.raises(UsageError, match=rf"127.0.0.1:{port}: must be an address that noth"):
            open_dashboard(folder, host="127.0.0.1", port=port)


def test_what_has_no_database_of_optuna(tmp_path: Path) -> None:
    pytest.importorskip("optuna_dashboard")
    with pytest.raises(StudyError, match="engine optuna, got keras-tuner"):
        open_dashboard(make_study(tmp_path / "a", engine="keras-tuner"), host="", port=0)
    with pytest.raises(StudyError, match=r"optuna.db: must be there, got no file"):
        open_dashboard(make_study(tmp_path / "b"), host="", port=0)


def test_without_optuna_dashboard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match="pip install 'optuna-dashboard>="):
        open_dashboard(make_study(tmp_path), host="", port=0)
