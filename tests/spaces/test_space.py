"""The search space as data: walking, checking, narrowing, comparing."""

import random
from dataclasses import replace

import pytest

from autocnn.core.errors import SpaceError
from autocnn.core.records import ParamValue
from autocnn.spaces.space import (
    AnyParameter,
    Categorical,
    Condition,
    Float,
    Int,
    SearchSpace,
    format_value,
)

FAMILY = Categorical("family", choices=("plain", "resnet"))
KERNEL = Int("kernel_size", (Condition("family", ("plain",)),), low=3, high=7, step=2)
DEPTH = Float("stochastic_depth", (Condition("family", ("resnet",)),), low=0.0, high=0.3)
RATE = Float("learning_rate", low=1e-4, high=1e-2, log=True)
EXCITATION = Categorical("squeeze_excitation", choices=(False, True))

SPACE = SearchSpace(
    name="mine",
    description="For tests",
    epochs=7,
    channels="auto",
    parameters=(FAMILY, KERNEL, DEPTH, RATE, EXCITATION),
    start=(
        {
            "family": "resnet",
            "stochastic_depth": 0.1,
            "learning_rate": 1e-3,
            "squeeze_excitation": False,
        },
    ),
)


def pick_from(values: dict[str, ParamValue]) -> dict[str, ParamValue]:
    return SPACE.walk(lambda parameter: values[parameter.name])


def test_walk_visits_the_active_parameters_in_order() -> None:
    asked: list[str] = []

    def pick(parameter: AnyParameter) -> ParamValue:
        asked.append(parameter.name)
        return "plain" if parameter is FAMILY else 5 if parameter is KERNEL else 0.001

    params = SPACE.walk(pick)
    assert asked == ["family", "kernel_size", "learning_rate", "squeeze_excitation"]
    assert list(params.items())[:2] == [("family", "plain"), ("kernel_size", 5)]


def test_the_default_configuration_is_the_first_start_point() -> None:
    plain: dict[str, ParamValue] = {"family": "plain", "kernel_size": 3, "learning_rate": 1e-3}
    space = replace(SPACE, start=(*SPACE.start, plain))
    assert space.default == SPACE.start[0]
    assert space.is_default(dict(sorted(SPACE.start[0].items()))), "in whatever order"
    assert not space.is_default(plain)
    assert not space.is_default({**SPACE.start[0], "learning_rate": 2e-3})


def test_the_default_configuration_follows_a_narrowed_parameter() -> None:
    narrow = SPACE.narrow("squeeze_excitation", [True])
    assert narrow.is_default({**SPACE.start[0], "squeeze_excitation": True})
    assert not narrow.is_default(SPACE.start[0])


def test_walk_leaves_out_what_the_conditions_exclude() -> None:
    chosen = {"learning_rate": 1e-3, "squeeze_excitation": True}
    plain = pick_from({"family": "plain", "kernel_size": 3, "stochastic_depth": 0.1, **chosen})
    resnet = pick_from({"family": "resnet", "kernel_size": 3, "stochastic_depth": 0.1, **chosen})
    assert "stochastic_depth" not in plain
    assert "kernel_size" not in resnet


def test_every_condition_must_hold() -> None:
    both = (Condition("family", ("plain", "resnet")), Condition("pooling", ("max",)))
    parameter = Int("head_units", both, low=0, high=8)
    assert parameter.is_active({"family": "plain", "pooling": "max"})
    assert not parameter.is_active({"family": "plain", "pooling": "avg"})
    assert not parameter.is_active({"pooling": "max"})


@pytest.mark.parametrize(
    ("parameter", "inside", "outside"),
    [
        (KERNEL, [3, 5, 7], [1, 4, 9, 5.0, True, "5", None]),
        (DEPTH, [0.0, 0.3, 0], [-0.1, 0.31, float("nan"), False, "0.1"]),
        (FAMILY, ["plain", "resnet"], ["Plain", "", 0, None]),
        (EXCITATION, [False, True], [0, 1, "true", 0.0]),
    ],
)
def test_contains(
    parameter: AnyParameter, inside: list[ParamValue], outside: list[ParamValue]
) -> None:
    assert [value for value in inside if not parameter.contains(value)] == []
    assert [value for value in outside if parameter.contains(value)] == []


def test_the_start_point_has_no_problems() -> None:
    assert SPACE.problems_of(SPACE.start[0]) == []


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"learning_rate": 0.5}, "learning_rate must be in 0.0001 .. 0.01, log, got 0.5"),
        ({"squeeze_excitation": 1}, "squeeze_excitation must be in false, true, got 1"),
        ({"kernel_size": 3}, "kernel_size is not active there"),
        ({"width": 8}, "width is not active there"),
        ({"family": "plain"}, "kernel_size is missing"),
    ],
)
def test_problems_of_a_point(change: dict[str, ParamValue], problem: str) -> None:
    assert problem in SPACE.problems_of({**SPACE.start[0], **change})


def test_a_missing_parameter_is_a_problem() -> None:
    params = {k: v for k, v in SPACE.start[0].items() if k != "learning_rate"}
    assert SPACE.problems_of(params) == ["learning_rate is missing"]


def test_values_of_lists_what_may_come() -> None:
    assert SPACE.values_of("family") == ("plain", "resnet")
    assert SPACE.values_of("kernel_size") == (3, 5, 7)


def test_values_of_a_parameter_left_out_is_the_default_alone() -> None:
    assert SPACE.values_of("image_size") == (0,)
    assert SPACE.values_of("batch_size") == (64,)


def test_narrow_holds_a_parameter_to_values() -> None:
    narrow = SPACE.narrow("family", ["resnet"])
    assert narrow.values_of("family") == ("resnet",)
    assert narrow.start == SPACE.start
    assert narrow.parameters == (
        Categorical("family", choices=("resnet",)),
        DEPTH,
        RATE,
        EXCITATION,
    ), "what is never active any more is left out"
    assert SPACE.values_of("family") == ("plain", "resnet"), "the original stands"


def test_narrow_keeps_the_condition() -> None:
    narrow = SPACE.narrow("kernel_size", [5, 7])
    assert narrow.parameters[1] == Categorical("kernel_size", KERNEL.when, choices=(5, 7))


def test_narrow_moves_start_points_that_have_another_value() -> None:
    narrow = SPACE.narrow("learning_rate", [0.002, 0.005])
    assert narrow.start[0]["learning_rate"] == 0.002
    assert narrow.problems_of(narrow.start[0]) == []


def test_narrow_makes_full_points_of_start_points() -> None:
    image_size = Categorical("image_size", choices=(64, 96, 128))
    stride = Categorical("stem_stride", (Condition("image_size", (96, 128)),), choices=(2, 4))
    kernel = Int("kernel_size", (Condition("stem_stride", (4,)),), low=3, high=7, step=2)
    space = replace(
        SPACE,
        parameters=(image_size, stride, kernel),
        start=({"image_size": 96, "stem_stride": 4, "kernel_size": 5}, {"image_size": 64}),
    )
    small, large = space.narrow("image_size", [64]), space.narrow("image_size", [128])
    assert small.parameters == (Categorical("image_size", choices=(64,)),)
    assert small.start == ({"image_size": 64}, {"image_size": 64})
    assert large.parameters[1].when == (Condition("image_size", (128,)),)
    assert large.start[0] == {"image_size": 128, "stem_stride": 4, "kernel_size": 5}
    assert large.start[1] == {"image_size": 128, "stem_stride": 2}
    for narrow in (small, large):
        assert not [problem for point in narrow.start for problem in narrow.problems_of(point)]


def test_a_range_without_end_is_not_counted_one_by_one() -> None:
    space = replace(SPACE, parameters=(Int("steps", low=0, high=2**53),), start=({"steps": 1},))
    assert space.points(10_000) is None


def test_narrow_leaves_a_space_without_the_parameter_alone() -> None:
    assert SPACE.narrow("image_size", [64]) == SPACE


def test_narrow_refuses_what_the_knob_does_not_allow() -> None:
    with pytest.raises(SpaceError, match=r"image_size must be in \[0, 1024\], got 4096\."):
        SPACE.narrow("image_size", [64, 4096])


def test_the_fingerprint_is_the_same_in_every_session() -> None:
    # Changing this number makes every saved study look as if its space had changed.
    small = SearchSpace("s", "", 1, "auto", (FAMILY, KERNEL), ({"family": "resnet"},))
    expected = "459b7568936d5488137d30271cc4b15cbb4f3e3706d6cc0668d4400a0a9e42d6"
    assert small.fingerprint == expected


@pytest.mark.parametrize(
    "changed",
    [
        replace(SPACE, parameters=SPACE.parameters[:-1]),
        replace(SPACE, parameters=(replace(FAMILY, choices=("resnet", "plain")),)),
        replace(SPACE, parameters=(*SPACE.parameters[:3], replace(RATE, log=False), EXCITATION)),
        replace(SPACE, parameters=(FAMILY, replace(KERNEL, when=()), *SPACE.parameters[2:])),
        replace(SPACE, parameters=(*SPACE.parameters[:3], EXCITATION, RATE)),
        replace(SPACE, start=({**SPACE.start[0], "learning_rate": 2e-3},)),
    ],
)
def test_fingerprint_and_diff_see_every_change_of_the_points(changed: SearchSpace) -> None:
    assert changed.fingerprint != SPACE.fingerprint
    assert SPACE.diff(changed) != []


def test_the_fingerprint_ignores_what_decides_no_point() -> None:
    same = replace(SPACE, name="other", description="Other words", epochs=99, channels="rgb")
    assert same.fingerprint == SPACE.fingerprint
    assert SPACE.diff(same) == []


def test_diff_says_what_changed() -> None:
    other = replace(
        SPACE,
        parameters=(
            FAMILY,
            replace(KERNEL, when=()),
            replace(RATE, high=0.1),
            Int("width", low=4, high=8),
            EXCITATION,
        ),
        start=(),
    )
    assert SPACE.diff(other) == [
        "The start points differ.",
        "kernel_size is active under other conditions.",
        "learning_rate was 0.0001 .. 0.01, log, is 0.0001 .. 0.1, log.",
        "stochastic_depth was removed.",
        "width was added.",
    ]


def test_diff_names_a_change_of_order() -> None:
    other = replace(SPACE, parameters=(FAMILY, KERNEL, DEPTH, EXCITATION, RATE))
    assert SPACE.diff(other) == ["The order of the parameters differs."]


@pytest.mark.parametrize(
    ("parameter", "text"),
    [
        (KERNEL, "3 .. 7, step 2"),
        (Int("width", low=4, high=64, log=True), "4 .. 64, log"),
        (DEPTH, "0 .. 0.3"),
        (RATE, "0.0001 .. 0.01, log"),
        (EXCITATION, "false, true"),
    ],
)
def test_a_parameter_reads_well(parameter: AnyParameter, text: str) -> None:
    assert str(parameter) == text


def test_values_are_written_as_in_yaml() -> None:
    assert [format_value(v) for v in (True, False, 3, 0.001, "adamw")] == [
        "true",
        "false",
        "3",
        "0.001",
        "adamw",
    ]


def test_a_parameter_knows_its_group() -> None:
    groups = [parameter.group for parameter in SPACE.parameters]
    assert groups == [
        "architecture",
        "architecture",
        "regularisation",
        "optimisation",
        "architecture",
    ]


def test_a_random_walk_is_always_a_full_point() -> None:
    rng = random.Random(0)

    def pick(parameter: AnyParameter) -> ParamValue:
        match parameter:
            case Categorical():
                return rng.choice(parameter.choices)
            case Int():
                return rng.randrange(parameter.low, parameter.high + 1, parameter.step)
            case Float():
                return rng.uniform(parameter.low, parameter.high)

    for _ in range(50):
        assert SPACE.problems_of(SPACE.walk(pick)) == []
