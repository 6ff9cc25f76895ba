"""Search spaces in YAML: read as YAML 1.2, and every mistake told with its place and remedy."""

import io
import random
from dataclasses import replace
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from autocnn.core.errors import SpaceError
from autocnn.core.records import ParamValue
from autocnn.spaces.files import load_space, parse_space, shipped_names
from autocnn.spaces.knobs import KNOBS
from autocnn.spaces.space import AnyParameter, Categorical, Condition, Float, Int, SearchSpace

GOOD = """
description: For tests
epochs: 5
channels: grey
parameters:
  - {name: family, type: categorical, choices: [plain, resnet]}
  - {name: kernel_size, type: int, low: 3, high: 7, step: 2, when: {family: plain}}
  - {name: learning_rate, type: float, low: 1e-4, high: 1e-2, log: true}
start:
  - {family: resnet, learning_rate: 1e-3}
  - {family: plain, kernel_size: 5, learning_rate: 2e-3}
"""


def parse(text: str) -> SearchSpace:
    return parse_space(text, source="mine.yaml", name="mine")


def problem(text: str) -> SpaceError:
    with pytest.raises(SpaceError) as caught:
        parse(text)
    return caught.value


def problem_of_parameters(*entries: str) -> SpaceError:
    """The error of a space with these parameters, each in YAML's flow style."""
    return problem("parameters:\n" + "".join(f"  - {{{entry}}}\n" for entry in entries))


def test_a_whole_space_is_read() -> None:
    assert parse(GOOD) == SearchSpace(
        name="mine",
        description="For tests",
        epochs=5,
        channels="grey",
        parameters=(
            Categorical("family", choices=("plain", "resnet")),
            Int("kernel_size", (Condition("family", ("plain",)),), low=3, high=7, step=2),
            Float("learning_rate", low=1e-4, high=1e-2, log=True),
        ),
        start=(
            {"family": "resnet", "learning_rate": 1e-3},
            {"family": "plain", "kernel_size": 5, "learning_rate": 2e-3},
        ),
    )


def test_what_is_left_out_has_defaults() -> None:
    space = parse("parameters:\n  - {name: dropout, type: float, low: 0.1, high: 0.5}")
    assert (space.description, space.epochs, space.channels) == ("", 30, "auto")
    assert space.start == ({"dropout": 0.1},), "its default 0.0 is not in the range"


def test_without_start_trial_0_takes_the_defaults() -> None:
    space = parse(GOOD.partition("start:")[0])
    assert space.start == ({"family": "resnet", "learning_rate": 2e-3},)


# -- YAML 1.2 ------------------------------------------------------------------------------


def test_a_0_among_floats_is_one_wherever_it_is_written() -> None:
    space = parse_space(
        "parameters:\n"
        "  - {name: mixup, type: categorical, choices: [0, 0.2]}\n"
        "  - {name: zoom, type: float, low: 0, high: 0.2, when: {mixup: 0}}\n"
        "start:\n"
        "  - {mixup: 0, zoom: 0}\n",
        source="mine.yaml",
        name="mine",
    )
    assert repr(space.start[0]) == "{'mixup': 0.0, 'zoom': 0.0}"
    assert repr(space.parameters[1].when[0].values) == "(0.0,)"


@pytest.mark.parametrize(
    ("written", "value"),
    [("1e-4", 1e-4), ("1E-4", 1e-4), ("1.0e-4", 1e-4), ("0.0001", 1e-4), ("0.0", 0.0), ("0", 0.0)],
)
def test_numbers_are_numbers_in_every_notation(written: str, value: float) -> None:
    space = parse(
        f"parameters:\n  - {{name: learning_rate, type: categorical, choices: [{written}]}}"
        if value
        else f"parameters:\n  - {{name: mixup, type: categorical, choices: [{written}]}}"
    )
    choice = space.parameters[0].choices[0]  # type: ignore[union-attr]
    assert choice == value
    assert type(choice) is float


@pytest.mark.parametrize("word", ["on", "off", "yes", "no", "y", "n", "On", "NO"])
def test_words_that_yaml_1_1_took_for_booleans_are_words(word: str) -> None:
    error = problem_of_parameters(f"name: activation, type: categorical, choices: [{word}]")
    assert f"got {word!r}" in str(error)


def test_none_is_a_word() -> None:
    space = parse("parameters:\n  - {name: flip, type: categorical, choices: [none, both]}")
    assert space.values_of("flip") == ("none", "both")


def test_only_true_and_false_are_booleans() -> None:
    entry = "name: weight_averaging, type: categorical, choices: [true, false]"
    space = parse(f"parameters:\n  - {{{entry}}}")
    assert space.values_of("weight_averaging") == (True, False)
    error = problem_of_parameters("name: weight_averaging, type: categorical, choices: [1, 0]")
    assert "parameters[0].choices[0] (weight_averaging) must be one of" in str(error)


# -- round trip ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*shipped_names(), ""])
def test_a_space_comes_back_from_its_own_yaml(name: str) -> None:
    space = load_space(name) if name else parse(GOOD)
    text = io.StringIO()
    YAML().dump(space.to_yaml_data(), text)
    again = parse_space(text.getvalue(), source="space.yaml", name=space.name)
    assert again == space
    assert again.fingerprint == space.fingerprint


# -- mistakes ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message", "remedy"),
    [
        (
            "",
            "the file must be a mapping with description, epochs, channels, parameters, start, "
            "got None.",
            "",
        ),
        (
            "- a",
            "the file must be a mapping with description, epochs, channels, parameters, "
            "start, got ['a'].",
            "",
        ),
        (
            "paramters: []",
            "the file has the unknown key 'paramters'.",
            "Did you mean 'parameters'?",
        ),
        ("zzz: 1", "the file has the unknown key 'zzz'.", ""),
        ("epochs: 0", "epochs must be an integer of at least 1, got 0.", ""),
        ("epochs: 1.5", "epochs must be an integer of at least 1, got 1.5.", ""),
        ("epochs: true", "epochs must be an integer of at least 1, got True.", ""),
        ("channels: gray", "channels must be auto, grey or rgb, got 'gray'.", ""),
        ("epochs: 3", "parameters must be a list of at least one, got None.", ""),
        ("parameters: []", "parameters must be a list of at least one, got [].", ""),
        (
            "parameters: [width]",
            "parameters[0] must be a mapping with name, type, choices, when, got 'width'.",
            "",
        ),
        (
            "epochs: 2\nepochs: 3",
            'line 2 is no YAML: found duplicate key "epochs" with value "3" (original value: "2").',
            "",
        ),
        (
            "? - {a: 1}\n: 2",
            "the file is no YAML: a key must be text or a number, got another: "
            "unhashable type: 'dict'.",
            "",
        ),
        ("a: [", "line 1 is no YAML: expected the node content, but found '<stream end>'.", ""),
        (
            "epochs: !!python/object:os.system x",
            "line 1 is no YAML: could not determine a "
            "constructor for the tag 'tag:yaml.org,2002:python/object:os.system'.",
            "",
        ),
        (
            "epochs: \x01",
            "the file is no YAML: unacceptable character #x0001: special "
            "characters are not allowed.",
            "",
        ),
        ("epochs: 2001-99-99", "the file has a value that is no YAML: month must be in 1..12.", ""),
    ],
)
def test_mistakes_in_the_file(text: str, message: str, remedy: str) -> None:
    error = problem(text)
    assert error.message == f"mine.yaml: {message}"
    assert error.remedy == remedy
    assert error.exit_code == 2


FAMILY = "name: family, type: categorical, choices: [plain, resnet]"
WIDTH = "name: width, type: int, low: 8, high: 16"


@pytest.mark.parametrize(
    ("entry", "message", "remedy"),
    [
        (
            "name: widht, type: int, low: 8, high: 16",
            "parameters[1].name must be a known parameter, got 'widht'.",
            "Did you mean 'width'?",
        ),
        (
            "type: int, low: 8, high: 16",
            "parameters[1].name must be a known parameter, got None.",
            "",
        ),
        (
            "name: family, type: categorical, choices: [plain]",
            "parameters[1].name must be listed once, got 'family' again.",
            "",
        ),
        (
            "name: width, type: integer, low: 8, high: 16",
            "parameters[1].type must be int, float or categorical, got 'integer'.",
            "Did you mean 'int'?",
        ),
        (
            "name: width, low: 8, high: 16",
            "parameters[1].type must be int, float or categorical, got None.",
            "",
        ),
        (
            "name: width, type: [int], low: 8, high: 16",
            "parameters[1].type must be int, float or categorical, got ['int'].",
            "Did you mean 'int'?",
        ),
        (
            "name: width, type: int, lo: 8, high: 16",
            "parameters[1] has the unknown key 'lo'.",
            "Did you mean 'low'?",
        ),
        (
            "name: width, type: float, low: 8, high: 16",
            "parameters[1].type must be int for width, got 'float'.",
            "",
        ),
        (
            "name: dropout, type: int, low: 0, high: 0",
            "parameters[1].type must be float for dropout, got 'int'.",
            "",
        ),
        (
            "name: pooling, type: int, low: 0, high: 1",
            "parameters[1].type must be categorical for pooling, got 'int'.",
            "",
        ),
        (
            "name: learning_rate, type: float, low: 'abc', high: 0.1",
            "parameters[1].low must be a number, got 'abc'.",
            "Write 1e-4.",
        ),
        (
            "name: learning_rate, type: float, low: 1e-4",
            "parameters[1].high must be a number, got None.",
            "Write 1e-4.",
        ),
        (
            "name: width, type: int, low: 8.5, high: 16",
            "parameters[1].low must be an integer, got 8.5.",
            "Write 8.",
        ),
        (
            "name: width, type: int, low: true, high: 16",
            "parameters[1].low must be an integer, got True.",
            "Write 8.",
        ),
        (
            "name: width, type: int, low: 2, high: 16",
            "parameters[1].low (width) must be in [4, 256], got 2.",
            "",
        ),
        (
            "name: dropout, type: float, low: 0, high: 2",
            "parameters[1].high (dropout) must be in [0, 0.9], got 2.",
            "",
        ),
        (
            "name: dropout, type: float, low: .nan, high: 0.5",
            "parameters[1].low (dropout) must be in [0, 0.9], got nan.",
            "",
        ),
        (
            "name: dropout, type: float, low: 0, high: .inf",
            "parameters[1].high (dropout) must be in [0, 0.9], got inf.",
            "",
        ),
        (
            "name: width, type: int, low: 16, high: 8",
            "parameters[1].low must be at most high, got 16 and 8.",
            "",
        ),
        (
            "name: dropout, type: float, low: 0, high: 0.5, log: true",
            "parameters[1].low must be above 0 on a log scale, got 0.",
            "",
        ),
        (
            "name: dropout, type: float, low: 0.1, high: 0.5, log: 1",
            "parameters[1].log must be true or false, got 1.",
            "",
        ),
        (
            "name: width, type: int, low: 8, high: 16, step: 0",
            "parameters[1].step must be an integer of at least 1, got 0.",
            "",
        ),
        (
            "name: width, type: int, low: 8, high: 17, step: 4",
            "parameters[1].high must be low plus a multiple of step 4, got 17.",
            "",
        ),
        (
            "name: width, type: int, low: 8, high: 16, step: 8, log: true",
            "parameters[1].step must be 1 on a log scale, got 8.",
            "",
        ),
        (
            "name: pooling, type: categorical",
            "parameters[1].choices must be a list of at least one value, got None.",
            "",
        ),
        (
            "name: pooling, type: categorical, choices: []",
            "parameters[1].choices must be a list of at least one value, got [].",
            "",
        ),
        (
            "name: pooling, type: categorical, choices: [avg, mx]",
            "parameters[1].choices[1] (pooling) must be one of avg, max, avg_max, got 'mx'.",
            "Did you mean 'max'?",
        ),
        (
            "name: pooling, type: categorical, choices: [avg, avg]",
            "parameters[1].choices[1] must be listed once, got 'avg' again.",
            "",
        ),
        (
            "name: batch_size, type: categorical, choices: [32, big]",
            "parameters[1].choices[1] (batch_size) must be an integer, got 'big'.",
            "",
        ),
        (
            "name: kernel_size, type: int, low: 3, high: 5, when: family",
            "parameters[1].when must be a mapping of a parent to its values, got 'family'.",
            "",
        ),
        (
            "name: kernel_size, type: int, low: 3, high: 5, when: {family: []}",
            "parameters[1].when.family must be one value or more, got [].",
            "",
        ),
        (
            "name: kernel_size, type: int, low: 3, high: 5, when: {family: separable}",
            "parameters[1].when.family must be in plain, resnet, got 'separable'.",
            "",
        ),
        (
            "name: kernel_size, type: int, low: 3, high: 5, when: {family: [plain, dense]}",
            "parameters[1].when.family must be in plain, resnet, got 'dense'.",
            "",
        ),
        (
            "name: kernel_size, type: int, low: 3, high: 5, when: {pooling: max}",
            "parameters[1].when must name a parameter listed above, got 'pooling'.",
            "List a parent before its children.",
        ),
        (
            "name: kernel_size, type: int, low: 3, high: 5, when: {famly: plain}",
            "parameters[1].when must name a parameter listed above, got 'famly'.",
            "Did you mean 'family'?",
        ),
    ],
)
def test_mistakes_in_a_parameter(entry: str, message: str, remedy: str) -> None:
    error = problem_of_parameters(FAMILY, entry)
    assert error.message == f"mine.yaml: {message}"
    assert error.remedy == remedy
    assert str(error) == f"mine.yaml: {message} {remedy}".strip()
    assert error.exit_code == 2


def test_a_child_before_its_parent_is_a_mistake() -> None:
    child = "name: kernel_size, type: int, low: 3, high: 5, when: {family: plain}"
    error = problem_of_parameters(child, FAMILY)
    assert str(error) == (
        "mine.yaml: parameters[0].when must name a parameter listed above, got 'family'. "
        "List a parent before its children."
    )


@pytest.mark.parametrize(
    ("start", "message", "remedy"),
    [
        ("[]", "start must be a list of points, got [].", ""),
        ("{family: plain}", "start must be a list of points, got {'family': 'plain'}.", ""),
        ("[plain]", "start[0] must be a mapping of every parameter to a value, got 'plain'.", ""),
        ("[{family: plain}]", "start[0] is no full point: width is missing.", ""),
        (
            "[{family: plain, width: 8}, {family: plain, width: 20}]",
            "start[1] is no full point: width must be in 8 .. 16, got 20.",
            "",
        ),
        (
            "[{family: plain, width: 8, pooling: max}]",
            "start[0] is no full point: pooling is not active there.",
            "",
        ),
        (
            "[{family: plain, widht: 8}]",
            "start[0] is no full point: width is missing.",
            "Did you mean 'width'?",
        ),
    ],
)
def test_mistakes_in_the_start_points(start: str, message: str, remedy: str) -> None:
    text = f"parameters:\n  - {{{FAMILY}}}\n  - {{{WIDTH}}}\nstart: {start}"
    error = problem(text)
    assert error.message == f"mine.yaml: {message}"
    assert error.remedy == remedy


# -- files ---------------------------------------------------------------------------------


def test_a_space_is_loaded_from_a_path(tmp_path: Path) -> None:
    path = tmp_path / "own.yml"
    path.write_text(GOOD, "utf-8")
    assert load_space(str(path)) == replace(parse(GOOD), name="own")


def test_a_mistake_in_a_file_names_its_path(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text("epochs: 0", "utf-8")
    with pytest.raises(SpaceError, match=r"own\.yaml: epochs must be") as caught:
        load_space(str(path))
    assert str(path) in str(caught.value)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    path = tmp_path / "nowhere.yaml"
    with pytest.raises(SpaceError) as caught:
        load_space(str(path))
    assert str(caught.value) == (
        f"{path}: the space file must be readable, got: No such file or directory."
    )


def test_a_folder_is_no_space(tmp_path: Path) -> None:
    with pytest.raises(SpaceError, match="must be readable, got: Is a directory"):
        load_space(f"{tmp_path}/")


def test_a_binary_file_is_no_space(tmp_path: Path) -> None:
    path = tmp_path / "model.yaml"
    path.write_bytes(b"\x89PNG\xff\xfe\x00")
    with pytest.raises(SpaceError, match="must be readable, got: it is no UTF-8 text"):
        load_space(str(path))


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("defualt", "Did you mean 'default'?"),
        ("zzz", "Choose one of default, mri, quick, resnet, transfer, or give a path."),
    ],
)
def test_an_unknown_name_is_told_with_a_remedy(name: str, remedy: str) -> None:
    with pytest.raises(SpaceError) as caught:
        load_space(name)
    rule = "space must be a shipped name or a .yaml file"
    assert str(caught.value) == f"{rule}, got {name!r}. {remedy}"
    assert caught.value.exit_code == 2


# -- the shipped spaces --------------------------------------------------------------------


def test_the_promised_spaces_are_shipped() -> None:
    assert shipped_names() == ["default", "mri", "quick", "resnet", "transfer"]


@pytest.mark.parametrize("name", shipped_names())
def test_a_shipped_space_walks_to_values_that_the_code_allows(name: str) -> None:
    space, rng = load_space(name), random.Random(name)

    def pick(parameter: AnyParameter) -> ParamValue:
        match parameter:
            case Categorical():
                return rng.choice(parameter.choices)
            case Int():
                return rng.randrange(parameter.low, parameter.high + 1, parameter.step)
            case Float():
                return rng.uniform(parameter.low, parameter.high)

    for _ in range(50):
        params = space.walk(pick)
        assert space.problems_of(params) == []
        problems = {key: KNOBS[key].problem_with(value) for key, value in params.items()}
        assert {key: told for key, told in problems.items() if told} == {}


@pytest.mark.parametrize("name", shipped_names())
def test_a_shipped_space_is_described_and_starts_at_a_full_point(name: str) -> None:
    space = load_space(name)
    assert space.name == name
    assert space.description
    assert "\n" not in space.description
    assert [space.problems_of(point) for point in space.start] == [[]] * len(space.start)


@pytest.mark.parametrize("name", shipped_names())
def test_every_condition_of_a_shipped_space_can_hold_and_fail(name: str) -> None:
    space = load_space(name)
    for parameter in space.parameters:
        for condition in parameter.when:
            values = space.values_of(condition.parent)
            assert set(condition.values) < set(values), f"{parameter.name} needs no condition"


def test_heads_are_not_turned_upside_down() -> None:
    assert not {"vertical", "both"} & set(load_space("mri").values_of("flip"))


OWN = """
parameters:
  - {name: filters, type: int, low: 8, high: 32, step: 8}
  - {name: kind, type: categorical, choices: [conv, mlp]}
  - {name: units, type: float, low: 1, high: 2, when: {kind: mlp}}
  - {name: scale, type: categorical, choices: [1, 0.5]}
  - {name: learning_rate, type: float, low: 1e-4, high: 1e-2, log: true}
"""


def parse_own(text: str) -> SearchSpace:
    return parse_space(text, source="mine.yaml", name="mine", own_names=True)


def test_a_model_of_ones_own_may_have_parameters_of_its_own() -> None:
    space = parse_own(OWN)
    assert [p.name for p in space.parameters] == [
        "filters",
        "kind",
        "units",
        "scale",
        "learning_rate",
    ]
    assert space.start == ({"filters": 8, "kind": "conv", "scale": 1.0, "learning_rate": 2e-3},)
    assert [p.group for p in space.parameters] == [*["architecture"] * 4, "optimisation"]
    text = io.StringIO()
    YAML().dump(space.to_yaml_data(), text)
    assert replace(parse_own(text.getvalue()), name="mine") == space


def test_without_a_model_names_of_ones_own_are_refused() -> None:
    error = problem(OWN)
    assert error.message == (
        "mine.yaml: parameters[0].name must be a known parameter, got 'filters'."
    )
    assert "model='FILE:FUNCTION'" in error.remedy


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("name: a-b, type: int, low: 1, high: 2", "name must be letters, digits and underscores"),
        ("name: 2nd, type: int, low: 1, high: 2", "name must be letters, digits and underscores"),
        ("name: a, type: float, low: 0, high: .inf", "high (a) must be finite, got inf"),
        (f"name: a, type: float, low: 0, high: {10**400}", "high (a) must be finite, got 1000"),
        (f"name: a, type: int, low: 1, high: {10**400}", "high (a) must be in [-90071992547409"),
        ("name: a, type: categorical, choices: [1, x]", "choices[1] (a) must be of one kind"),
        ("name: a, type: categorical, choices: ['true', true]", "choices[1] (a) must be of one"),
        ("name: a, type: categorical, choices: [[1]]", "choices[0] (a) must be a word, a number"),
        ("name: a, type: categorical, choices: [.nan]", "choices[0] (a) must be finite, got nan"),
        ("name: width, type: int, low: 1, high: 8", "low (width) must be in [4, 256], got 1"),
    ],
)
def test_mistakes_in_a_parameter_of_ones_own(entry: str, message: str) -> None:
    with pytest.raises(SpaceError) as caught:
        parse_own(f"parameters:\n  - {{{entry}}}\n")
    assert message in caught.value.message
