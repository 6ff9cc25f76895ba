"""The table of everything that a space may set."""

import itertools
import math
from typing import get_args

import pytest

from autocnn.spaces.knobs import KNOBS, Group, Knob, Settings


@pytest.mark.parametrize("knob", KNOBS.values(), ids=KNOBS.keys())
def test_a_default_is_allowed_by_its_own_knob(knob: Knob) -> None:
    assert knob.problem_with(knob.default) is None


@pytest.mark.parametrize("knob", KNOBS.values(), ids=KNOBS.keys())
def test_a_knob_has_either_choices_or_finite_bounds(knob: Knob) -> None:
    if knob.choices:
        assert len({(type(choice), choice) for choice in knob.choices}) == len(knob.choices) > 1
    else:
        assert math.isfinite(knob.low)
        assert math.isfinite(knob.high)
        assert knob.low < knob.high


@pytest.mark.parametrize("knob", KNOBS.values(), ids=KNOBS.keys())
def test_a_knob_is_explained_in_one_line(knob: Knob) -> None:
    assert knob.meaning
    assert "\n" not in knob.meaning
    assert not knob.meaning.endswith(".")


def test_names_are_unique_words_and_every_group_is_used() -> None:
    assert [knob.name for knob in KNOBS.values()] == list(KNOBS)
    assert all(name.isidentifier() and name == name.lower() for name in KNOBS)
    assert {knob.group for knob in KNOBS.values()} == set(get_args(Group))


def test_knobs_of_a_group_stand_together() -> None:
    groups = [knob.group for knob in KNOBS.values()]
    changes = [a for a, b in itertools.pairwise(groups) if a != b]
    assert len(changes) == len(set(groups)) - 1


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("family", "resnet", None),
        ("flip", "dense", "must be one of none, horizontal, vertical, both, got 'dense'"),
        ("squeeze_excitation", True, None),
        ("squeeze_excitation", 1, "must be one of False, True, got 1"),
        ("stem_stride", 2, None),
        ("stem_stride", 3, "must be one of 1, 2, 4, got 3"),
        ("stem_stride", True, "must be one of 1, 2, 4, got True"),
        ("width", 4, None),
        ("width", 256, None),
        ("width", 3, "must be in [4, 256], got 3"),
        ("width", 8.0, "must be an integer, got 8.0"),
        ("width", True, "must be an integer, got True"),
        ("width", "8", "must be an integer, got '8'"),
        ("dropout", 0, None),
        ("dropout", 0.9, None),
        ("dropout", 0.91, "must be in [0, 0.9], got 0.91"),
        ("dropout", math.nan, "must be in [0, 0.9], got nan"),
        ("dropout", None, "must be a number, got None"),
        ("dropout", False, "must be a number, got False"),
    ],
)
def test_problem_with(name: str, value: object, problem: str | None) -> None:
    assert KNOBS[name].problem_with(value) == problem


def test_settings_are_the_params_and_the_defaults_of_the_rest() -> None:
    settings = Settings({"width": 8, "dropout": 0.25})
    assert set(settings) == set(KNOBS)
    assert len(settings) == len(KNOBS)
    changed = {name for name, value in settings.items() if value != KNOBS[name].default}
    assert changed == {"width", "dropout"}


def test_settings_read_by_type() -> None:
    settings = Settings({"width": 8, "dropout": 0, "family": "plain", "weight_averaging": False})
    assert settings.integer("width") == 8
    assert settings.number("dropout") == 0.0
    assert type(settings.number("dropout")) is float
    assert settings.text("family") == "plain"
    assert settings.flag("weight_averaging") is False


def test_settings_refuse_a_name_that_is_no_knob() -> None:
    with pytest.raises(KeyError, match="widht"):
        Settings({}).integer("widht")
