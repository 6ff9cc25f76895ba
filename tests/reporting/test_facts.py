"""What the report reads of a study."""

from pathlib import Path

from autocnn.reporting.facts import read_facts
from autocnn.spaces.files import load_space
from tests.reporting.studies import make_study


def test_the_default_is_the_trial_with_its_params_whatever_its_number(tmp_path: Path) -> None:
    folder = make_study(tmp_path, num_candidates=1)
    assert read_facts(folder).default_trial is None  # without its space
    space = load_space("mri")
    folder.write_space(space)
    assert read_facts(folder).default_trial is None
    fifth = folder.read_trials()[5].model_copy(update={"params": dict(space.default)})
    folder.write_trial(fifth)
    assert read_facts(folder).default_trial == 5
