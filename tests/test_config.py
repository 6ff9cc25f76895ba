"""What was asked: defaults, then a file, then flags; and mistakes told by their place."""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from autocnn.config import StudyConfig, resolve_config
from autocnn.durations import parse_duration
from autocnn.errors import ConfigError


def problem(flags: dict[str, Any], file: Path | None = None) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        resolve_config(flags, file=file)
    assert caught.value.exit_code == 2
    return caught.value


def write(path: Path, text: str) -> Path:
    path.write_text(text, "utf-8")
    return path


# -- precedence ----------------------------------------------------------------------------


def test_nothing_asked_gives_the_documented_defaults() -> None:
    config = resolve_config({})
    assert config == StudyConfig()
    assert (config.data, config.space, config.trials, config.finalists) == (
        "digits", "default", 50, 3,
    )  # fmt: skip
    assert (config.objective, config.engine, config.sampler, config.pruner) == (
        "balanced_accuracy", "optuna", "tpe", "asha",
    )  # fmt: skip
    assert config.max_unreadable == 0.05
    assert config.budget_s is None


def test_the_file_beats_the_defaults_and_flags_beat_the_file(tmp_path: Path) -> None:
    file = write(tmp_path / "mine.yaml", "trials: 7\nseed: 3\nspace: mri\n")
    config = resolve_config({"trials": 9, "space": None, "data": "x"}, file=file)
    assert (config.data, config.trials, config.seed, config.space) == ("x", 9, 3, "mri")
    assert config.finalists == 3


def test_a_flag_mends_a_bad_value_of_the_file(tmp_path: Path) -> None:
    file = write(tmp_path / "mine.yaml", "trials: 0\n")
    assert resolve_config({"trials": 2}, file=file).trials == 2


def test_the_config_of_a_study_json_can_be_used_again(tmp_path: Path) -> None:
    first = resolve_config({"data": "images", "budget_s": "2h", "results": Path("r"), "seed": 5})
    facts = {"schema_version": 1, "name": "x", "config": first.model_dump(mode="json")}
    file = write(tmp_path / "study.json", json.dumps(facts))
    assert resolve_config({}, file=file) == first
    assert resolve_config({"seed": 6}, file=file) == first.model_copy(update={"seed": 6})


def test_the_file_is_yaml_1_2(tmp_path: Path) -> None:
    file = write(tmp_path / "mine.yaml", "max_gap: 1e-2\nname: on\nbudget_s: 30m\n")
    config = resolve_config({}, file=file)
    assert (config.max_gap, config.name, config.budget_s) == (0.01, "on", 1800.0)


def test_a_config_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        StudyConfig().trials = 3


# -- mistakes ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"trials": 0}, "--trials must be greater than or equal to 1, got 0."),
        ({"finalists": 0}, "--finalists must be greater than or equal to 1, got 0."),
        ({"val_fraction": 0.5}, "--val-fraction must be less than 0.5, got 0.5."),
        ({"max_unreadable": 2}, "--max-unreadable must be less than or equal to 1, got 2."),
        ({"seed": -1}, "--seed must be greater than or equal to 0, got -1."),
        ({"image_size": 4}, "--image-size must be greater than or equal to 8, got 4."),
        ({"objective": "loss"}, "--objective must be 'balanced_accuracy', 'accuracy', "
                                "'macro_f1', 'macro_auc' or 'log_loss', got 'loss'."),
        ({"engine": "hyperband"}, "--engine must be 'optuna', got 'hyperband'."),
        ({"budget_s": "soon"},
         "--budget must be above 0 and read like 90s, 30m or 2h, got 'soon'."),
        ({"trial_timeout_s": 0.0}, "--trial-timeout must be greater than 0, got 0.0."),
        ({"name": "../up"},
         "--name must be 1 to 100 of a-z, A-Z, 0-9, '.', '_', '-', a letter or digit first, "
         "got '../up'."),
    ],
)  # fmt: skip
def test_a_bad_flag_is_named_with_its_rule_and_value(flags: dict[str, Any], message: str) -> None:
    assert str(problem(flags)) == message


@pytest.mark.parametrize("name", ["..", ".hidden", "a/b", "", "-x", "a b", "x" * 101])
def test_a_study_name_is_one_plain_folder(name: str) -> None:
    assert str(problem({"name": name})).startswith("--name must ")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("trials: 0", "trials must be greater than or equal to 1, got 0."),
        ("trials: many", "trials must be a valid integer, unable to parse string as an integer, "
                         "got 'many'."),
        ("budget_s: 5 parsecs",
         "budget_s must be above 0 and read like 90s, 30m or 2h, got '5 parsecs'."),
    ],
)  # fmt: skip
def test_a_bad_value_in_the_file_is_named_with_the_file(
    tmp_path: Path, text: str, message: str
) -> None:
    file = write(tmp_path / "mine.yaml", text)
    flags_not_given = {"trials": None, "budget_s": None}
    assert str(problem(flags_not_given, file)) == f"{file}: {message}"


def test_an_unknown_setting_is_told_with_the_nearest_name(tmp_path: Path) -> None:
    file = write(tmp_path / "mine.yaml", "trails: 3")
    error = problem({}, file)
    assert str(error) == f"{file}: trails is no setting, got 3. Did you mean 'trials'?"


def test_an_unknown_setting_without_a_near_one_gets_no_guess(tmp_path: Path) -> None:
    file = write(tmp_path / "mine.yaml", "qqqq: 3")
    assert str(problem({}, file)) == f"{file}: qqqq is no setting, got 3."


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    file = tmp_path / "none.yaml"
    assert str(problem({}, file)) == f"{file}: must be readable, got: No such file or directory."


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.yaml", b"trials: [", "must be YAML or JSON, got: "),
        ("a.json", b"{trials: 3}", "must be YAML or JSON, got: "),
        ("a.yaml", b"\xff\xfe\x00", "must be YAML or JSON, got: "),
        ("a.yaml", b"", "must map settings to values, got None."),
        ("a.yaml", b"- trials", "must map settings to values, got ['trials']."),
        ("study.json", b'{"config": 3}', "must map settings to values, got 3."),
    ],
)
def test_a_file_that_holds_no_settings_is_told(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    file = tmp_path / name
    file.write_bytes(content)
    assert str(problem({}, file)).startswith(f"{file}: {message}")


# -- durations -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("30m", 1800), ("2h", 7200), ("1d", 86400), ("1h30m", 5400), ("0.5h", 1800),
     ("45", 45), ("1.5", 1.5), (" 10s ", 10)],
)  # fmt: skip
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "soon", "0", "0s", "-5m", "5 m", "5min", "2hh", "inf", "nan", "1e999", "m"]
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_duration(text)
    assert str(caught.value) == (
        f"A duration must be above 0 and read like 90s, 30m or 2h, got {text!r}."
    )
