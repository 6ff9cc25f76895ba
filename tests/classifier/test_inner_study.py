"""The study's name, its folder, and what of it lives on."""

import subprocess
import sys
from pathlib import Path

import pytest

from autocnn.classifier import inner_study
from autocnn.core.config import StudyConfig
from autocnn.core.errors import StudyError, StudyExistsError
from autocnn.core.events import Observer


def test_a_name_that_is_taken_gets_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    tried, heard = [], []

    def search(config: StudyConfig, observer: Observer) -> None:
        tried.append(config.name)
        heard.append(observer)
        if len(tried) < 3:
            raise StudyExistsError("there")
        raise StudyError("enough")

    monkeypatch.setattr(inner_study, "search", search)
    with pytest.raises(StudyError, match="enough"):
        inner_study.run_study(StudyConfig(name="mine", engine="keras-tuner"), Observer)
    assert tried == ["mine", "mine-2", "mine-3"]
    assert len({id(observer) for observer in heard}) == 3, "each study closes its own"


def test_a_folder_that_cannot_be_made_is_an_error_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StudyError, match="must be writable"):
        inner_study.Workspace(tmp_path / "file" / "results")


@pytest.mark.slow
def test_a_process_leaves_no_temporary_folder() -> None:
    program = (
        "from autocnn.classifier.inner_study import Workspace; "
        "workspace = Workspace(None); (workspace.path / 'file').touch(); print(workspace.path)"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    folder = result.stdout.decode().strip()
    assert folder
    assert not Path(folder).exists()


@pytest.mark.slow
def test_the_import_of_optuna_keeps_nobody_s_frames() -> None:
    program = """
import gc, weakref
from autocnn.classifier.inner_study import _import_apart

class Images: pass

def fit():
    images = Images()
    kept = weakref.ref(images)
    _import_apart("autocnn.tuning.engines.optuna_engine")
    return kept

kept = fit()
gc.collect()
print(kept() is None)
"""
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert result.stdout.decode().strip() == "True"
