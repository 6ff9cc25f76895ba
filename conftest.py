"""Where the examples in docstrings run: a folder with two finished studies, made by hand."""

from pathlib import Path

import matplotlib as mpl
import pytest


@pytest.fixture(scope="session")
def studies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with results/mine and results/yesterday, on the same test images."""
    from autocnn.reporting.leaderboard import build_leaderboard
    from tests.reporting.studies import make_trials
    from tests.reporting.test_comparison import make_study

    folder = tmp_path_factory.mktemp("examples")
    for name, num_wrong in (("yesterday", 60), ("mine", 10)):
        study = make_study(folder / "results", name, wrong=range(num_wrong))
        for trial in make_trials(24):
            study.write_trial(trial)
        study.write_leaderboard(build_leaderboard(study.read_candidates()).to_csv())
    return folder


@pytest.fixture(autouse=True)
def beside_studies(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Examples of the Python API begin beside these; what they draw is shown nowhere."""
    is_example = isinstance(request.node, pytest.DoctestItem)
    if is_example and request.node.name.startswith("autocnn.api."):
        monkeypatch.chdir(request.getfixturevalue("studies"))
        monkeypatch.setitem(mpl.rcParams, "backend", "agg")
