"""How a report is made, and how much of the data it holds."""

from pathlib import Path

import pytest

from autocnn.reporting.build import build_report
from autocnn.reporting.facts import read_facts
from tests.reporting.studies import make_study


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
