"""What was asked: defaults, then a file, then flags; and mistakes told by their place."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from autocnn.core.config import PRUNERS, SAMPLERS, StudyConfig, change_config, resolve_config
from autocnn.core.errors import ConfigError, as_option


def problem(flags: dict[str, Any], file: Path | None = None) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        resolve_config(flags, file=file)
    assert caught.value.exit_code == 2
    return caught.value


def told(flags: dict[str, Any], file: Path | None = None) -> str:
    """The mistake as the command line says it."""
    return " ".join(problem(flags, file).lines(as_option))


def write(path: Path, text: str) -> Path:
    path.write_text(text, "utf-8")
    return path


@pytest.mark.parametrize(
    ("asked", "num_trials"),
    [
        ({}, 50),
        ({"trials": 7}, 7),
        ({"budget_s": "1h"}, None),
        ({"budget_s": "1h", "trials": 7}, 7),
    ],
)
def test_a_budget_alone_says_how_many_trials_there_are(
    asked: dict[str, object], num_trials: int | None
) -> None:
    assert resolve_config(asked).num_trials == num_trials


# -- precedence ----------------------------------------------------------------------------


def test_nothing_asked_gives_the_documented_defaults() -> None:
    config = resolve_config({})
    assert config == StudyConfig()
    assert (config.data, config.space, config.num_trials, config.finalists) == (
        "digits",
        "default",
        50,
        3,
    )
    assert (config.objective, config.engine, config.sampler, config.pruner) == (
        "balanced_accuracy",
        "optuna",
        "tpe",
        "asha",
    )
    assert config.max_unreadable == 0.05
    assert config.budget_s is None
    assert (config.memory_limit_gb, config.disk_limit_gb, config.cache_limit_gb) == (
        None,
        50.0,
        10.0,
    )
    assert config.fork is None


def test_the_file_beats_the_defaults_and_flags_beat_the_file(tmp_path: Path) -> None:
    file = write(tmp_path / "mine.yaml", "trials: 7\nseed: 3\nspace: mri\n")
    config = resolve_config({"trials": 9, "space": None, "data": "x"}, file=file)
    assert (config.data, config.trials, config.seed, config.space) == ("x", 9, 3, "mri")
    assert config.finalists == 3


def test_a_flag_replaces_a_bad_value_of_the_file(tmp_path: Path) -> None:
    file = write(tmp_path / "mine.yaml", "trials: 0\n")
    assert resolve_config({"trials": 2}, file=file).trials == 2


def test_the_file_is_yaml_1_2(tmp_path: Path) -> None:
    file = write(tmp_path / "mine.yaml", "max_gap: 1e-2\nname: on\nbudget_s: 30m\n")
    config = resolve_config({}, file=file)
    assert (config.max_gap, config.name, config.budget_s) == (0.01, "on", 1800.0)


def test_a_config_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        StudyConfig().trials = 3


# -- a study again -------------------------------------------------------------------------


def write_study(folder: Path, **asked: Any) -> tuple[Path, StudyConfig]:
    """The study.json of a study, and its config."""
    config = resolve_config({"name": "mine", "data": "images", "budget_s": "2h", **asked})
    facts = {"schema_version": 1, "name": "mine", "config": config.model_dump(mode="json")}
    return write(folder / "study.json", json.dumps(facts)), config


def test_a_study_json_repeats_its_study_under_a_new_name(tmp_path: Path) -> None:
    file, config = write_study(tmp_path, seed=5, engine="keras-tuner")
    again = config.model_copy(update={"name": None})
    assert resolve_config({}, file=file) == again
    assert resolve_config({"seed": 6, "name": "new"}, file=file) == again.model_copy(
        update={"seed": 6, "name": "new"}
    )


def test_a_study_json_brings_the_space_that_stands_beside_it(tmp_path: Path) -> None:
    file, _ = write_study(tmp_path, space="mri")
    assert resolve_config({}, file=file).space == "mri"
    beside = write(tmp_path / "space.yaml", "")
    assert resolve_config({}, file=file).space == str(beside)
    assert resolve_config({"space": "quick"}, file=file).space == "quick"


def test_a_study_json_does_not_say_which_code_runs(tmp_path: Path) -> None:
    facts = {"config": {"model": "evil.py:build", "space": "s.yaml"}}
    path = write(tmp_path / "study.json", json.dumps(facts))
    with pytest.raises(ConfigError, match="its model must be given again") as caught:
        resolve_config({}, file=path)
    assert "model='evil.py:build'" in caught.value.remedy
    asked = resolve_config({"model": "evil.py:build"}, file=path)
    assert asked.model == "evil.py:build"


def test_a_study_json_does_not_take_over_the_trials_of_another_study_again(tmp_path: Path) -> None:
    file, config = write_study(tmp_path, fork="other")
    assert config.fork == "other"
    assert resolve_config({}, file=file).fork is None
    assert resolve_config({"fork": "mine"}, file=file).fork == "mine"


def test_a_study_json_does_not_say_where_anything_is_written(tmp_path: Path) -> None:
    """It may be anybody's, and of another machine."""
    places = {"results": "r", "cache_dir": "c", "cluster": "10.0.0.5:6379", "storage": "s"}
    file, config = write_study(tmp_path, seed=5, **places)
    assert config.storage == Path("s")
    again, usual = resolve_config({}, file=file), StudyConfig()
    assert again.seed == 5
    for name in places:
        assert getattr(again, name) == getattr(usual, name), name
    asked = resolve_config(places, file=file)
    assert asked == config.model_copy(update={"name": None})
    own = write(tmp_path / "mine.yaml", "results: r")
    assert resolve_config({}, file=own).results == Path("r"), "a file of settings does"


@pytest.mark.parametrize("name", ["images", "results", "cache_dir", "weights", "drop_labels"])
def test_an_address_is_no_folder_of_this_machine(name: str, tmp_path: Path) -> None:
    for place in ("s3://bucket/x", Path("gs://bucket")):
        with pytest.raises(ConfigError, match=f"{name} must be on this machine, or mounted on it"):
            resolve_config({name: place})


def test_a_file_of_settings_does_not_take_the_space_beside_it(tmp_path: Path) -> None:
    write(tmp_path / "space.yaml", "")
    file = write(tmp_path / "mine.json", '{"trials": 3, "name": "kept"}')
    config = resolve_config({}, file=file)
    assert (config.space, config.name, config.trials) == ("default", "kept", 3)


# -- engines, samplers, pruners ------------------------------------------------------------


def test_each_engine_has_its_own_sampler_and_pruner() -> None:
    config = resolve_config({"engine": "keras-tuner"})
    assert (config.sampler, config.pruner) == ("bayesian", "none")
    config = resolve_config({"engine": "optuna"})
    assert (config.sampler, config.pruner) == ("tpe", "asha")


@pytest.mark.parametrize("engine", SAMPLERS)
def test_every_sampler_and_pruner_of_an_engine_may_be_asked_for(engine: str) -> None:
    for sampler in SAMPLERS[engine]:
        for pruner in PRUNERS[engine]:
            config = resolve_config({"engine": engine, "sampler": sampler, "pruner": pruner})
            assert (config.sampler, config.pruner) == (sampler, pruner)


def test_settings_of_a_file_without_a_sampler_get_that_of_their_engine(tmp_path: Path) -> None:
    file = write(tmp_path / "mine.yaml", "engine: keras-tuner\nsampler:\n")
    config = resolve_config({}, file=file)
    assert (config.sampler, config.pruner) == ("bayesian", "none")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (
            {"sampler": "bayesian"},
            "--sampler must be one of tpe, random, qmc with --engine optuna, got 'bayesian'.",
        ),
        (
            {"engine": "keras-tuner", "sampler": "tpe"},
            "--sampler must be one of bayesian, random, hyperband, grid with --engine keras-tuner, "
            "got 'tpe'.",
        ),
        (
            {"engine": "keras-tuner", "pruner": "asha"},
            "--pruner must be one of none with --engine keras-tuner, got 'asha'.",
        ),
        (
            {"sampler": "annealing"},
            "--sampler must be 'tpe', 'random', 'qmc', 'bayesian', 'hyperband' or 'grid', "
            "got 'annealing'.",
        ),
    ],
)
def test_a_sampler_of_another_engine_is_refused(flags: dict[str, Any], message: str) -> None:
    assert told(flags) == message


def test_a_sampler_of_the_file_that_does_not_fit_the_engine_of_a_flag_is_told(
    tmp_path: Path,
) -> None:
    file = write(tmp_path / "mine.yaml", "sampler: qmc\n")
    assert told({"engine": "keras-tuner"}, file).startswith(
        f"{file}: sampler must be one of bayesian, "
    )


# -- one at a time -------------------------------------------------------------------------


def test_deterministic_studies_may_name_one_worker_and_one_thread() -> None:
    config = resolve_config({"deterministic": True, "workers": 1, "threads": 1})
    assert (config.deterministic, config.workers, config.threads) == (True, 1, 1)
    config = resolve_config({"deterministic": True})
    assert (config.workers, config.threads) == (None, None)
    assert resolve_config({"deterministic": False, "workers": 4}).workers == 4


@pytest.mark.parametrize("name", ["workers", "threads"])
def test_deterministic_studies_have_no_more_than_one(tmp_path: Path, name: str) -> None:
    asked = {"deterministic": True, name: 2}
    assert told(asked) == f"--{name} must be 1 with --deterministic, got 2."
    file = write(tmp_path / "mine.yaml", f"{name}: 2\n")
    assert told({"deterministic": True}, file) == (
        f"{file}: {name} must be 1 with --deterministic, got 2."
    )


# -- a cluster -----------------------------------------------------------------------------


@pytest.mark.parametrize("cluster", ["auto", "10.0.0.5:6379", "head.example:1", "[::1]:6379"])
def test_a_cluster_is_auto_or_an_address(cluster: str) -> None:
    config = resolve_config({"cluster": cluster, "storage": "shared"})
    assert (config.cluster, config.storage) == (cluster, Path("shared"))


@pytest.mark.parametrize(
    "cluster", ["10.0.0.5", "http://10.0.0.5", ":6379", "head:0", "head:99999"]
)
def test_anything_else_is_no_cluster(cluster: str) -> None:
    rule = "--cluster must be auto, none or HOST:PORT, e.g. 10.0.0.5:6379"
    assert told({"cluster": cluster}) == f"{rule}, got {cluster!r}."


def test_a_deterministic_study_has_no_cluster() -> None:
    assert told({"cluster": "auto", "deterministic": True}) == (
        "--cluster must go without --deterministic: processors of several kinds round each in its "
        "own way, got 'auto'."
    )


def test_a_storage_is_for_a_cluster_and_left_with_it() -> None:
    assert (
        told({"storage": "shared"}) == "--storage must go with --cluster HOST:PORT, got 'shared'."
    )
    config = resolve_config({"cluster": "auto", "storage": "shared"})
    assert change_config(config, {"trials": 7}).storage == Path("shared")
    alone = change_config(config, {"cluster": "none"})
    assert (alone.cluster, alone.storage) == (None, None)


# -- paths ---------------------------------------------------------------------------------


def test_the_home_folder_is_no_folder_of_that_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    names = ("images", "results", "drop_labels", "cache_dir", "weights")
    config = resolve_config(dict.fromkeys(names, "~/mine"))
    assert [getattr(config, name) for name in names] == [tmp_path / "mine"] * 5
    database = resolve_config({"mlflow": "sqlite:///~/runs.db"})
    assert database.mlflow == f"sqlite:///{tmp_path / 'runs.db'}"


# -- sizes ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["memory_limit_gb", "disk_limit_gb", "cache_limit_gb"])
def test_sizes_are_read_as_people_write_them(tmp_path: Path, name: str) -> None:
    for text, gb in (("500MB", 0.5), ("2GB", 2.0), ("1TB", 1000.0), ("3", 3.0)):
        file = write(tmp_path / "mine.yaml", f"{name}: {text}\n")
        assert getattr(resolve_config({}, file=file), name) == gb
        assert getattr(resolve_config({name: text}), name) == gb
    assert getattr(resolve_config({name: 0.25}), name) == 0.25


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
        (
            {"objective": "loss"},
            "--objective must be one of balanced_accuracy, accuracy, macro_f1, macro_auc, kappa, "
            "mcc, log_loss, or as 'sensitivity of CLASS at specificity >= 0.9', or "
            "MODULE:FUNCTION, with - in front where lower is better, got 'loss'. "
            "Did you mean 'log_loss'?",
        ),
        ({"engine": "hyperband"}, "--engine must be 'optuna' or 'keras-tuner', got 'hyperband'."),
        (
            {"budget_s": "soon"},
            "--budget must be above 0 and read like 90s, 30m or 2h, got 'soon'.",
        ),
        (
            {"memory_limit_gb": "lots"},
            "--memory-limit must be above 0 and read like 500MB or 2GB, got 'lots'.",
        ),
        ({"disk_limit_gb": 0.0}, "--disk-limit must be greater than 0, got 0.0."),
        ({"disk_limit_gb": math.inf}, "--disk-limit must be a finite number, got inf."),
        ({"max_gap": math.inf}, "--max-gap must be a finite number, got inf."),
        ({"results": 5}, "--results must be a path, got 5."),
        ({"trial_timeout_s": 0.0}, "--trial-timeout must be greater than 0, got 0.0."),
        (
            {"name": "../up"},
            "--name must be 1 to 100 of a-z, A-Z, 0-9, '.', '_', '-', a letter or digit first, "
            "got '../up'.",
        ),
    ],
)
def test_a_bad_flag_is_named_with_its_rule_and_value(flags: dict[str, Any], message: str) -> None:
    assert told(flags) == message


@pytest.mark.parametrize("name", ["..", ".hidden", "a/b", "", "-x", "a b", "x" * 101])
def test_a_study_name_is_one_plain_folder(name: str) -> None:
    assert told({"name": name}).startswith("--name must ")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("trials: 0", "trials must be greater than or equal to 1, got 0."),
        (
            "trials: many",
            "trials must be a valid integer, unable to parse string as an integer, got 'many'.",
        ),
        (
            "budget_s: 5 parsecs",
            "budget_s must be above 0 and read like 90s, 30m or 2h, got '5 parsecs'.",
        ),
    ],
)
def test_a_bad_value_in_the_file_is_named_with_the_file(
    tmp_path: Path, text: str, message: str
) -> None:
    file = write(tmp_path / "mine.yaml", text)
    flags_not_given = {"trials": None, "budget_s": None}
    assert told(flags_not_given, file) == f"{file}: {message}"


def test_an_unknown_setting_is_told_with_the_nearest_name(tmp_path: Path) -> None:
    file = write(tmp_path / "mine.yaml", "trails: 3")
    error = problem({}, file)
    assert str(error) == f"{file}: trails is no setting, got 3. Did you mean 'trials'?"


def test_an_unknown_setting_without_a_near_one_gets_no_guess(tmp_path: Path) -> None:
    file = write(tmp_path / "mine.yaml", "qqqq: 3")
    assert told({}, file) == f"{file}: qqqq is no setting, got 3."


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    file = tmp_path / "none.yaml"
    assert told({}, file) == f"{file}: must be readable, got: No such file or directory."


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.yaml", b"trials: [", "must be YAML or JSON, got: "),
        ("a.yaml", b"? - {a: 1}\n: 2", "must be YAML or JSON, got: a key must be"),
        ("a.json", b"{trials: 3}", "must be YAML or JSON, got: "),
        ("a.yaml", b"\xff\xfe\x00", "must be YAML or JSON, got: "),
        ("a.yaml", b"", "must map settings to values, got None."),
        ("a.yaml", b"- trials", "must map settings to values, got ['trials']."),
        pytest.param("study.json", b'{"config": 3}', "must map settings to values, got 3."),
        pytest.param("a.yaml", b"3: 4", "3 "),
        pytest.param("a.yaml", b"engine: [optuna]", "engine must be 'optuna' or 'keras-tuner'"),
    ],
)
def test_a_file_that_holds_no_settings_is_told(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    file = tmp_path / name
    file.write_bytes(content)
    assert told({}, file).startswith(f"{file}: {message}")


def test_columns_that_are_no_names_are_told(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("by: [sex, {site: 1}]")
    with pytest.raises(ConfigError, match="by"):
        resolve_config({}, file=file)
