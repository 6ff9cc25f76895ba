"""The public functions: settings become a config, models and data become an evaluation."""

import http.client
import math
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import autocnn
from autocnn import StudyConfig
from autocnn.core.errors import ConfigError, DataError, UsageError
from autocnn.data.sources.open import read_source
from autocnn.inference.predict import model as prediction
from autocnn.spaces.files import shipped_names
from autocnn.storage import StudyFolder
from autocnn.web.service import ServiceLimits, make_service
from tests.cli.studies import make_study
from tests.inference.evaluate.models import BrightThird, draw, know_classes
from tests.inference.predict.models import model as make_model


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[StudyConfig]:
    """The configs that were searched with; each gives a finished study."""
    configs = []

    def search(config: StudyConfig, *arguments: object, **options: object) -> StudyFolder:
        configs.append(config)
        return make_study(config.name or "unnamed")

    monkeypatch.setattr("autocnn.study.run.search", search)
    return configs


def test_search_takes_the_commands_words_and_quantities(asked: list[StudyConfig]) -> None:
    study = autocnn.search(
        Path("images"),
        trials=7,
        budget="2h",
        name="mine",
        memory_limit="2GB",
        space="mri",
        cache_dir=Path("cache"),
        trial_timeout_s=90,
    )
    assert study.name == "mine"
    assert asked == [
        StudyConfig(
            data="images",
            trials=7,
            budget_s=7200,
            name="mine",
            memory_limit_gb=2,
            space="mri",
            cache_dir=Path("cache"),
            trial_timeout_s=90,
        )
    ]


def test_search_writes_what_a_program_holds_where_resume_finds_it(
    asked: list[StudyConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels, labels = draw(30)
    autocnn.search((pixels, labels), name="arrays", results="studies")
    frame = pd.DataFrame({"file": ["a.png", "b.png"], "kind": ["x", "y"]})
    autocnn.search(frame, name="frame", label_column="kind")
    autocnn.search(frame, name="elsewhere", images="photos")
    arrays, table, elsewhere = asked
    here = Path.cwd()
    assert Path(arrays.data).parent == here / "studies"
    assert arrays.images is None
    assert Path(table.data).parent == here / "results"
    assert (table.images, table.label_column) == (here, "kind")
    assert elsewhere.images == Path("photos")
    monkeypatch.chdir("/")
    found = read_source(arrays.data)
    opened = found.open(7)
    assert isinstance(opened, np.ndarray)
    assert np.array_equal(opened, pixels[7])
    with pytest.raises(ConfigError, match="trails is no setting"):
        autocnn.search((pixels, labels), trails=3)  # type: ignore[call-arg]


def test_search_takes_a_whole_config_alone(asked: list[StudyConfig]) -> None:
    config = StudyConfig(data="phantoms", name="whole")
    assert autocnn.search(config).name == "whole"
    assert asked == [config]
    with pytest.raises(ConfigError, match="without other settings, got trials"):
        autocnn.search(config, trials=3)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"trails": 5}, "trails is no setting, got 5. Did you mean 'trials'?"),
        ({"trials": 0}, "trials must be greater than or equal to 1, got 0."),
        ({"budget": "soon"}, "budget must be above 0 and read like 90s, 30m or 2h, got 'soon'."),
        ({"trial_timeout": "-3"}, "trial_timeout must be above 0 and read like"),
        ({"data": np.zeros((2, 8, 8))}, "data must be a path, the name of a built-in set, (images"),
    ],
)
def test_search_refuses_in_pythons_words(
    settings: dict[str, Any], words: str, asked: list[StudyConfig]
) -> None:
    with pytest.raises(ConfigError) as raised:
        autocnn.search(**settings)
    assert str(raised.value).startswith(words)
    assert asked == []


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> BrightThird:
    """The model of every study."""
    model = BrightThird()
    monkeypatch.setattr(prediction, "load", lambda path, **options: model)
    return model


@pytest.fixture
def data() -> Path:
    pixels, labels = draw(30, wrong=3)
    np.savez("new.npz", x=pixels, y=labels)
    return Path("new.npz")


def test_search_takes_a_file_of_settings_below_its_arguments(asked: list[StudyConfig]) -> None:
    Path("mine.yaml").write_text("trials: 3\nseed: 4\ndata: phantoms\n")
    autocnn.search(config="mine.yaml", seed=5)
    assert asked == [StudyConfig(data="phantoms", trials=3, seed=5)]
    with pytest.raises(ConfigError, match="without other settings, got config"):
        autocnn.search(StudyConfig(), config="mine.yaml")


def test_load_hands_on_path_and_candidate(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(prediction, "load", lambda path, **options: asked.append((path, options)))
    target = "answered >= 0.9"
    autocnn.load(Path("an/export"), results="others", candidate=2, target=target, prevalence=0.1)
    ((path, options),) = asked
    assert path == "an/export"
    assert options.pop("results") == Path("others")
    expected = {"candidate": 2, "trust_code": False, "target": target, "prevalence": 0.1}
    assert options == expected


def test_evaluate_takes_studies_candidates_and_names(model: BrightThird, data: Path) -> None:
    know_classes(make_study("mine"))
    study = autocnn.open_study("mine")
    for number, one in ((1, "mine"), (1, study), (2, study.candidates[1])):
        found = autocnn.evaluate(one, data, cache_dir="cache")
        assert found.record.candidate == number
        assert found.scores.scores.accuracy == 0.9
        assert found.path is None
    assert not list(Path().glob("evaluation*"))
    assert repr(found).startswith("Evaluation('mine', candidate 2, on 'new.npz': accuracy 0.9000 [")
    predictions = found.predictions
    assert (predictions["label"] == predictions["predicted"]).mean() == 0.9
    assert predictions["unlike"].dtype == "bool"
    assert predictions["p.2"].dtype == "float64"


def test_evaluate_takes_what_a_program_holds(model: BrightThird, no_pictures: None) -> None:
    know_classes(make_study("mine"))
    pixels, labels = draw(30, wrong=3)
    found = autocnn.evaluate("mine", (pixels, labels), cache_dir="cache", to=True)
    assert found.scores.scores.accuracy == 0.9
    assert found.record.data == "(images, labels)"
    assert found.path == Path("evaluation-mine-images-labels")


def test_evaluate_writes_where_it_is_told(
    model: BrightThird, data: Path, no_pictures: None
) -> None:
    know_classes(make_study("mine"))
    found = autocnn.evaluate("mine", data, to="there", cache_dir="cache")
    assert found.path == Path("there")
    assert Path("there/metrics.json").is_file()
    Path("there/notes.txt").touch()
    model.calls.clear()
    with pytest.raises(UsageError, match=r"notes\.txt"):
        autocnn.evaluate("mine", data, to="there", cache_dir="cache")
    assert model.calls == [], "refused before the work"
    with pytest.raises(UsageError, match="split must be all or test, got 'tset'"):
        autocnn.evaluate("mine", data, split="tset")  # type: ignore[arg-type]
    with pytest.raises(DataError, match="must have a test split"):
        autocnn.evaluate("mine", data, split="test", cache_dir="cache")


def test_evaluate_may_choose_candidate_and_folder(
    model: BrightThird, data: Path, no_pictures: None
) -> None:
    know_classes(make_study("mine"))
    found = autocnn.evaluate("mine", data, candidate=2, to=True, cache_dir="cache")
    assert found.record.candidate == 2
    assert found.path == Path("evaluation-mine-2-new")
    second = autocnn.open_study("mine").candidates[1]
    with pytest.raises(UsageError, match="candidate is for a study, got a candidate as"):
        autocnn.evaluate(second, data, candidate=1, cache_dir="cache")
    assert Path("evaluation-mine-2-new/metrics.json").is_file()


def test_a_study_is_found_whatever_its_state() -> None:
    folder = make_study("mine")
    (folder.path / "study.json").write_text("{}")
    assert len(autocnn.Study.find("mine").summary().rows) == 2
    assert autocnn.Study.find().leaderboard_text() == folder.read_leaderboard()


def test_the_shipped_spaces_are_listed() -> None:
    assert [space.name for space in autocnn.list_spaces()] == shipped_names()


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """How the model of a service was asked for."""
    asked: dict[str, Any] = {}

    def load(path: Any, **options: Any) -> prediction.Model:
        asked.update(options, path=path)
        return make_model()

    monkeypatch.setattr(prediction, "load", load)
    monkeypatch.delenv("AUTOCNN_TOKEN", raising=False)
    return asked


def test_a_service_is_made_of_what_is_asked_for(
    loaded: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    made: dict[str, Any] = {}

    def make(opened: prediction.Model, **options: Any) -> Any:
        made.update(options)
        return make_service(opened, **options)

    monkeypatch.setattr("autocnn.web.service.make_service", make)
    limits: dict[str, Any] = {"max_mb": 3.0, "max_images": 5, "rate": 2.0}
    with autocnn.serve(
        "mine", port=0, unsure=0.9, candidate=2, results="else", trust_code=True, **limits
    ) as server:
        assert server.token is None, "only this machine reaches it"
    assert loaded == {
        "path": "mine",
        "results": Path("else"),
        "candidate": 2,
        "trust_code": True,
        "target": None,
        "prevalence": None,
    }
    assert made["abstention"].threshold == 0.9
    assert made["limits"] == ServiceLimits(image_mb=3.0, images=5, rate=2.0)


@pytest.mark.usefixtures("loaded")
def test_beyond_this_machine_a_service_asks_for_a_token() -> None:
    with autocnn.serve("mine", port=0, host="0.0.0.0", token="ours") as server:
        assert server.token == "ours"
    with autocnn.serve("mine", port=0, host="0.0.0.0") as server:
        assert server.token is not None
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        statuses = []
        for headers in ({}, {"Authorization": f"Bearer {server.token}"}):
            connection.request("GET", "/labels", headers=headers)
            answer = connection.getresponse()
            answer.read()
            statuses.append(answer.status)
        connection.close()
        server.close()
        thread.join(20)
    assert statuses == [401, 200]


@pytest.mark.parametrize("limit", [0, -1, math.nan, math.inf])
@pytest.mark.parametrize("name", ["max_mb", "rate"])
def test_limits_of_a_service_are_numbers_above_0(name: str, limit: float) -> None:
    limits: Any = {name: limit}
    with pytest.raises(UsageError, match=f"{name} must be a number above 0, got"):
        autocnn.serve("mine", **limits)
