"""How a report is made: with what is light, and without Keras, TensorFlow and Optuna."""

import doctest
import json
import subprocess
import sys
from pathlib import Path

import pytest

from autocnn.reporting import model_card, repeat_view
from autocnn.reporting.build import build_report
from autocnn.reporting.facts import read_facts
from tests.reporting.studies import make_study

PROGRAM = """
import json, sys
from pathlib import Path
from autocnn.storage import StudyFolder
from autocnn.reporting.build import write_report
before = sorted({name.split(".")[0] for name in sys.modules})
write_report(StudyFolder(Path(sys.argv[1])))
print(json.dumps([before, sorted({name.split(".")[0] for name in sys.modules})]))
"""


def test_a_report_is_made_by_the_reading_wing(tmp_path: Path) -> None:
    folder = make_study(tmp_path, num_candidates=2)
    command = [sys.executable, "-c", PROGRAM, str(folder.path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    before, after = json.loads(done.stdout)
    making = {"keras", "tensorflow", "optuna"}
    assert not {*making, "matplotlib", "sklearn", "pandas", "jinja2"} & set(before)
    assert "matplotlib" in after
    assert not making & set(after)
    assert folder.report_path.exists()


def test_examples_in_docstrings() -> None:
    for module in (model_card, repeat_view):
        result = doctest.testmod(module)
        assert result.attempted > 0
        assert result.failed == 0


@pytest.mark.parametrize("most", [None, 3, 0])
def test_the_page_holds_no_more_images_of_the_data_than_asked(
    tmp_path: Path, most: int | None
) -> None:
    folder = make_study(tmp_path, num_candidates=2)
    all_of_them = read_facts(folder)
    facts = read_facts(folder, max_images=most)
    number = len(all_of_them.examples) + len(all_of_them.thumbnails)
    assert number > 3
    assert len(facts.examples) + len(facts.thumbnails) == (number if most is None else most)
    best = facts.best
    assert best is not None and best.explanation is not None
    wrong = [image.picture for image in best.explanation.images if not image.is_right]
    assert set(wrong[:most]) <= set(facts.examples), "mistakes come first"
    page = build_report(folder, max_images=most)
    for name, picture in all_of_them.examples.items():
        assert (picture.address in page) == (name in facts.examples)
