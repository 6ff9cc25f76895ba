"""What was tried is known at once, however much it is."""

import numpy as np

from autocnn.core.records import Params
from autocnn.spaces.space import Categorical, Float, Int, SearchSpace
from autocnn.tuning.engines.base import TriedPoints

COUNTABLE = SearchSpace(
    "countable",
    "",
    1,
    "auto",
    (Int("width", low=1, high=3), Categorical("bias", choices=(False, True))),
    ({"width": 2, "bias": True}, {"width": 1, "bias": False}),
)
ENDLESS = SearchSpace("endless", "", 1, "auto", (Float("rate", low=0, high=1),), ({"rate": 0.5},))


def test_start_points_come_in_their_order_unless_they_were_tried() -> None:
    tried = TriedPoints(COUNTABLE)
    assert tried.next_start == {"width": 2, "bias": True}
    tried.add({"bias": True, "width": 2})
    assert tried.next_start == {"width": 1, "bias": False}
    tried.add({"width": 1, "bias": False})
    assert tried.next_start is None


def test_all_points_of_a_countable_space_are_found_once() -> None:
    tried = TriedPoints(COUNTABLE)
    found: list[Params] = []
    while not tried.is_exhausted:
        point = tried.choose_untried((0, len(found)))
        assert point is not None
        assert point not in tried
        tried.add(point)
        assert point in tried
        found.append(point)
    assert len(found) == 6
    assert sorted(map(str, found)) == sorted(map(str, COUNTABLE.points(9) or []))
    assert tried.choose_untried((0, 0)) is None


def test_the_choice_is_by_chance_among_what_is_left_in_the_order_of_the_space() -> None:
    tried = TriedPoints(COUNTABLE)
    tried.add({"width": 1, "bias": True})
    left = [p for p in COUNTABLE.points(9) or [] if p != {"width": 1, "bias": True}]
    for seed in range(9):
        index = np.random.default_rng((3, seed)).integers(len(left))
        assert tried.choose_untried((3, seed)) == left[index]


def test_a_space_without_end_is_never_exhausted() -> None:
    tried = TriedPoints(ENDLESS)
    tried.add({"rate": 0.5})
    assert {"rate": 0.5} in tried
    assert {"rate": 0.25} not in tried
    assert not tried.is_exhausted
    assert tried.choose_untried((0, 0)) is None
