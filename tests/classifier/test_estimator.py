"""fit, predict and their rules; the study is a stub, but for the last tests."""

import gc
import io
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import joblib  # type: ignore[import-untyped]
import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

import autocnn
from autocnn.classifier import AutoCNNClassifier
from autocnn.core.errors import DataError, SearchError, SearchInterrupted
from tests.classifier import stub

SPACE = """
description: "One small network"
epochs: 2
parameters:
  - {name: family, type: categorical, choices: [plain]}
  - {name: flip, type: categorical, choices: [none]}
  - {name: batch_size, type: categorical, choices: [16]}
  - {name: num_stages, type: int, low: 1, high: 1}
  - {name: width, type: int, low: 16, high: 16}
  - {name: learning_rate, type: float, low: 1e-2, high: 1e-2}
"""

OWN_MODEL = """
import keras
from keras import layers


@keras.saving.register_keras_serializable("net_of_my_own")
class Double(layers.Layer):
    def call(self, x):
        return 2 * x


def build(params, image_shape, num_classes):
    images = keras.Input(image_shape)
    x = Double()(layers.Rescaling(1 / 255)(images))
    x = layers.Conv2D(params["filters"], 3, padding="same", activation="relu")(x)
    x = layers.GlobalAveragePooling2D()(layers.BatchNormalization()(x))
    return keras.Model(images, layers.Dense(num_classes, activation="softmax")(x))
"""

OWN_SPACE = """
description: "One small network of my own"
epochs: 6
parameters:
  - {name: filters, type: int, low: 16, high: 16}
  - {name: flip, type: categorical, choices: [none]}
  - {name: batch_size, type: categorical, choices: [16]}
  - {name: learning_rate, type: float, low: 1e-2, high: 1e-2}
"""


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> stub.Asked:
    return stub.replace_study(monkeypatch)


def draw(num: int = 30, *axes: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Images (n, 6, 6) or of other axes, uint8; classes 0, 1, 2 get brighter."""
    labels = np.arange(num) % 3
    noise = np.random.default_rng(0).integers(0, 50, (num, *(axes or (6, 6))), np.uint8)
    brightness = (90 * labels).astype(np.uint8).reshape(num, *[1] * (noise.ndim - 1))
    images: NDArray[np.uint8] = noise + brightness
    return images, labels


@pytest.mark.parametrize("axes", [(6, 6), (6, 6, 1), (6, 6, 3), (4, 6), (4, 6, 3)])
def test_images_of_every_layout_reach_the_study_as_they_are(
    asked: stub.Asked, axes: tuple[int, ...]
) -> None:
    images, labels = draw(30, *axes)
    classifier = AutoCNNClassifier().fit(images, labels)
    assert np.array_equal(asked.images.reshape(images.shape), images)
    assert asked.labels.tolist() == labels.tolist()
    height, width, channels = (*axes, 1)[:3]
    assert asked.images.shape[1:] == classifier.image_shape_ == (height, width, channels)
    assert classifier.n_features_in_ == height * width * channels
    assert classifier.score(images, labels) == 1
    flat = AutoCNNClassifier(image_shape=axes).fit(images.reshape(30, -1), labels)
    assert np.array_equal(flat.predict(images), flat.predict(images.reshape(30, -1)))
    assert np.array_equal(flat.predict_proba(images), classifier.predict_proba(images))


def test_flattened_squares_need_no_shape(asked: stub.Asked) -> None:
    for axes in ((6, 6), (6, 6, 3)):
        images, labels = draw(30, *axes)
        AutoCNNClassifier().fit(images.reshape(30, -1), labels)
        assert asked.images.shape == (30, 6, 6, (*axes, 1)[2])


def test_a_shape_that_does_not_fit_is_refused(asked: stub.Asked) -> None:
    images, labels = draw(30, 4, 6)
    with pytest.raises(ValueError, match=r"got 24\. Give image_shape"):
        AutoCNNClassifier().fit(images.reshape(30, -1), labels)
    with pytest.raises(ValueError, match=r"as a row of X \(24\), got \(5, 5\), which has 25"):
        AutoCNNClassifier(image_shape=(5, 5)).fit(images.reshape(30, -1), labels)
    with pytest.raises(ValueError, match=r"that of the images, \(4, 6, 1\), got \(6, 4\)"):
        AutoCNNClassifier(image_shape=(6, 4)).fit(images, labels)
    classifier = AutoCNNClassifier().fit(images, labels)
    with pytest.raises(ValueError, match=r"\(4, 6, 1\), as in fit, got \(6, 4, 1\)"):
        classifier.predict(images.transpose(0, 2, 1))
    with pytest.raises(ValueError, match="is expecting 24 features"):
        classifier.predict(images.reshape(30, -1)[:, :20])


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (["cat", "dog", "eel"], ["cat", "dog", "eel"]),
        ([30, -4, 7], [-4, 7, 30]),
        ([True, False, True], [False, True]),
    ],
)
def test_labels_come_back_as_they_were(
    asked: stub.Asked, labels: list[Any], classes: list[Any]
) -> None:
    images, numbers = draw()
    truth = np.array(labels)[numbers]
    images[numbers == 2] = images[numbers == 0] if len(classes) == 2 else images[numbers == 2]
    classifier = AutoCNNClassifier().fit(images, truth)
    assert classifier.classes_.tolist() == classes
    assert classifier.n_classes_ == len(classes)
    predicted = classifier.predict(images)
    assert predicted.dtype == truth.dtype
    assert predicted.tolist() == truth.tolist()
    probabilities = classifier.predict_proba(images)
    assert probabilities.shape == (30, len(classes))
    assert np.allclose(probabilities.sum(axis=1), 1, atol=1e-12)
    assert set(asked.labels) == set(range(len(classes)))


def test_values_are_scaled_by_the_rule_of_fit(asked: stub.Asked) -> None:
    images, labels = draw()
    halves = images / 255 * 16
    classifier = AutoCNNClassifier().fit(halves, labels)
    assert classifier.value_range_ == (0, 16)
    assert np.array_equal(asked.images[..., 0], images)
    dark = np.full((1, 6, 6), 0.9)  # alone, it would seem to be on 0..1
    assert classifier.predict(dark).tolist() == [0]
    assert classifier.predict(np.full((1, 6, 6), 1e6)).tolist() == [2]


def test_a_class_needs_an_image_for_each_inner_split(asked: stub.Asked) -> None:
    images, labels = draw(9)
    AutoCNNClassifier().fit(images, labels)
    with pytest.raises(ValueError, match=r"at least 3 images .* got 2 of the class 2"):
        AutoCNNClassifier().fit(images[:8], labels[:8])
    with pytest.raises(ValueError, match="got 1 class: 1"):
        AutoCNNClassifier().fit(images, np.ones(9, int))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"trials": 0}, "trials must be greater than or equal to 1, got 0"),
        ({"budget": "soon"}, "budget must"),
        ({"max_gap": -1}, "max_gap must be greater"),
        ({"engine": "grid"}, "engine must be 'optuna' or 'keras-tuner', got 'grid'"),
        ({"name": "../mine"}, "name must be 1 to 100 of"),
        ({"test_fraction": 0.7}, "test_fraction must be less than 0.5"),
        ({"channels": "cmyk"}, "channels must be 'auto', 'grey' or 'rgb', got 'cmyk'"),
        ({"random_state": -1}, "Seed must be between"),
    ],
)
def test_parameters_are_checked_in_fit(
    asked: stub.Asked, parameters: dict[str, Any], message: str
) -> None:
    classifier = AutoCNNClassifier().set_params(**parameters)
    assert classifier.get_params() == {**AutoCNNClassifier().get_params(), **parameters}
    with pytest.raises(ValueError, match=message):
        classifier.fit(*draw())


def test_parameters_reach_the_study(asked: stub.Asked, tmp_path: Path) -> None:
    parameters: dict[str, Any] = {
        "trials": 7,
        "space": tmp_path / "my.yaml",
        "epochs": 3,
        "engine": "keras-tuner",
        "sampler": "grid",
        "objective": "macro_f1",
        "max_gap": 0.1,
        "finalists": 2,
        "folds": 4,
        "members": 2,
        "image_size": 12,
        "channels": "rgb",
        "val_fraction": 0.3,
        "test_fraction": 0.2,
        "weights": tmp_path / "w.h5",
        "workers": 1,
        "threads": 1,
        "precision": "float32",
        "deterministic": True,
        "results_dir": tmp_path / "mine",
        "name": "first",
    }
    AutoCNNClassifier(budget="90s", random_state=5, **parameters).fit(*draw())
    config = asked.config
    assert config.budget_s == 90
    assert config.results == tmp_path / "mine"
    assert config.cache_dir is None, "the platform's, where the study stays"
    assert config.space == str(tmp_path / "my.yaml")
    same = set(parameters) - {"results_dir", "space"}
    assert {name: getattr(config, name) for name in same} == {
        name: parameters[name] for name in same
    }


def test_what_is_left_open_is_the_study_s_own_default(asked: stub.Asked) -> None:
    AutoCNNClassifier().fit(*draw())
    ours = {"data", "name", "results", "cache_dir", "seed", "trials", "channels", "test_fraction"}
    default = autocnn.StudyConfig()
    assert asked.config.model_dump(exclude=ours) == default.model_dump(exclude=ours)


def test_what_it_does_not_say_is_the_config_s_default() -> None:
    other = {"trials": 20, "channels": "auto"}
    for name, default in AutoCNNClassifier().get_params().items():
        if name in autocnn.StudyConfig.model_fields:
            wanted = other.get(name, autocnn.StudyConfig.model_fields[name].default)
            assert default in (None, wanted), name


def test_the_seed_follows_random_state(asked: stub.Asked) -> None:
    def seed(random_state: Any) -> int:
        AutoCNNClassifier(random_state=random_state).fit(*draw())
        return asked.config.seed

    assert seed(1) == seed(1) == seed(np.random.RandomState(1)) != seed(2)
    generator = np.random.RandomState(1)
    assert seed(generator) != seed(generator)
    assert seed(2**32 - 1) >= 0


def test_the_temporary_folder_goes_with_the_estimator(asked: stub.Asked) -> None:
    classifier = AutoCNNClassifier().fit(*draw())
    folder = asked.config.results
    assert classifier.study_dir_ == folder / str(asked.config.name)
    assert asked.config.cache_dir == folder / "cache"
    other = classifier.fit(*draw())  # again
    again = asked.config.results
    assert not folder.exists()
    assert again.is_dir()
    del classifier, other
    gc.collect()
    assert not again.exists()


def test_a_results_folder_stays_and_equal_images_are_written_once(
    asked: stub.Asked, tmp_path: Path
) -> None:
    results = tmp_path / "deep" / "results"
    classifier = AutoCNNClassifier(results_dir=results, name="mine").fit(*draw())
    assert classifier.study_dir_ == results / "mine"
    assert classifier.best_score_ == 0.75
    classifier.set_params(name="other").fit(*draw())
    del classifier
    gc.collect()
    files = sorted(path.name for path in results.iterdir())
    assert files[1:] == ["mine", "other"]
    assert files[0].startswith("images-")
    assert files[0].endswith(".npz")


def test_errors_are_those_that_scikit_learn_expects(asked: stub.Asked, tmp_path: Path) -> None:
    asked.error = DataError("images.npz: class '0' must have 3.", remedy="Add images.")
    with pytest.raises(ValueError, match=r"Add images\. A class is named by its place in classes_"):
        AutoCNNClassifier().fit(*draw())
    asked.error = SearchError("No trial finished.")
    with pytest.raises(SearchError):
        AutoCNNClassifier().fit(*draw())
    asked.error = SearchInterrupted("mine: stopped.", remedy="Go on with it.")
    with pytest.raises(KeyboardInterrupt, match=r"stopped\. Go on"):
        AutoCNNClassifier(results_dir=tmp_path).fit(*draw())
    with pytest.raises(KeyboardInterrupt) as caught:
        AutoCNNClassifier().fit(*draw())
    assert str(caught.value) == "mine: stopped.", "its folder is gone"


def test_a_fit_that_failed_leaves_nothing_to_predict_with(asked: stub.Asked) -> None:
    images, labels = draw()
    classifier = AutoCNNClassifier().fit(images, labels)
    asked.error = SearchError("No trial finished.")
    with pytest.raises(SearchError):
        classifier.fit(images, labels)
    with pytest.raises(NotFittedError):
        classifier.predict(images)


def test_warnings_of_the_study_are_warnings_after_it(asked: stub.Asked) -> None:
    asked.warning = "The classes are far from equally large."
    classifier = AutoCNNClassifier()
    with pytest.warns(UserWarning, match="far from equally large") as caught:
        classifier.fit(*draw())
    assert caught[0].filename == __file__
    assert classifier.predict(draw()[0]).tolist() == draw()[1].tolist()


def test_verbose_tells_of_progress_on_stderr(
    asked: stub.Asked, capsys: pytest.CaptureFixture[str]
) -> None:
    asked.warning = "The classes are far from equally large."
    AutoCNNClassifier(verbose=True).fit(*draw())
    assert asked.warning in capsys.readouterr().err


def test_a_daemonic_process_is_refused_before_any_work(
    asked: stub.Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Daemon:
        name, daemon = "ForkPoolWorker-1", True

    monkeypatch.setattr("multiprocessing.current_process", Daemon)
    with pytest.raises(RuntimeError, match=r"got ForkPoolWorker-1.*loky"):
        AutoCNNClassifier().fit(*draw())


def test_a_copy_predicts_alike_and_says_that_its_study_is_gone(
    asked: stub.Asked, tmp_path: Path
) -> None:
    images, labels = draw()
    classifier = AutoCNNClassifier().fit(images, labels)
    file = io.BytesIO()
    joblib.dump(classifier, file)
    file.seek(0)
    copies = [pickle.loads(pickle.dumps(classifier)), joblib.load(file)]
    expected = classifier.predict_proba(images)
    del classifier
    for copy in copies:
        assert copy.study_dir_ is None
        assert np.array_equal(copy.predict_proba(images), expected)
    kept = AutoCNNClassifier(results_dir=tmp_path, name="mine").fit(images, labels)
    assert pickle.loads(pickle.dumps(kept)).study_dir_ == tmp_path / "mine"


def test_it_works_in_the_tools_of_scikit_learn(asked: stub.Asked) -> None:
    images, labels = draw(60)
    names = np.array(["a", "b", "c"])[labels]
    assert cross_val_score(AutoCNNClassifier(), images, names, cv=3).tolist() == [1, 1, 1]
    pipeline = make_pipeline(FunctionTransformer(np.fliplr), AutoCNNClassifier(random_state=0))
    assert pipeline.fit(images, names).score(images, names) == 1
    assert pipeline.predict_proba(images).shape == (60, 3)
    search = GridSearchCV(AutoCNNClassifier(), {"trials": [1, 2]}, cv=2).fit(images, labels)
    assert search.best_score_ == 1
    assert asked.config.trials == search.best_params_["trials"]
    fitted = search.best_estimator_
    with pytest.raises(NotFittedError):
        clone(fitted).predict(images)
    assert clone(fitted).get_params() == fitted.get_params()


def test_column_names_of_a_table_are_remembered(asked: stub.Asked) -> None:
    images, labels = draw()
    table = pd.DataFrame(images.reshape(30, -1)).add_prefix("pixel")
    classifier = AutoCNNClassifier().fit(table, labels)
    assert classifier.feature_names_in_[:2].tolist() == ["pixel0", "pixel1"]
    assert classifier.score(table, labels) == 1
    with pytest.raises(ValueError, match="feature names should match"):
        classifier.predict(table.add_prefix("x"))


def small_classifier(folder: Path, **parameters: Any) -> AutoCNNClassifier:
    """One trial of a small network in two epochs."""
    (folder / "tiny.yaml").write_text(SPACE)
    small = {"trials": 1, "finalists": 1, "folds": 0, "members": 1, "random_state": 0, **parameters}
    return AutoCNNClassifier(space=folder / "tiny.yaml", **small)


@pytest.mark.slow
@pytest.mark.usefixtures("dots")
def test_a_real_study_predicts_here_and_in_another_process(tmp_path: Path) -> None:
    images, labels = load_digits(n_class=3, return_X_y=True)
    classifier = small_classifier(tmp_path)
    seen, unseen = slice(0, 400), slice(400, None)
    classifier.fit(images[seen].reshape(-1, 8, 8), labels[seen])
    study = autocnn.open_study(str(classifier.study_dir_))
    assert classifier.best_score_ == study.best.record.objective
    assert study.best.scores.num_images == 3, "one test image of each class"
    expected = classifier.predict_proba(images[unseen])
    assert classifier.score(images[unseen], labels[unseen]) > 0.6
    # The study's own reading of the same pixels, and its model.
    pixels = np.rint(images[unseen] * (255 / 16)).astype(np.uint8).reshape(-1, 8, 8)
    assert np.allclose(study.load().predict(pixels).probabilities, expected, atol=1e-5)

    joblib.dump(classifier, tmp_path / "classifier.joblib")
    np.save(tmp_path / "unseen.npy", images[unseen])
    folder = classifier.study_dir_
    del classifier, study
    assert folder is not None
    assert not folder.exists(), "nothing keeps the estimator but the caller"
    program = (
        "import joblib, numpy as np; classifier = joblib.load('classifier.joblib'); "
        "np.save('there.npy', classifier.predict_proba(np.load('unseen.npy')))"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=tmp_path, env=os.environ)
    assert np.allclose(np.load(tmp_path / "there.npy"), expected, atol=1e-6)


@pytest.mark.slow
@pytest.mark.usefixtures("dots")
def test_a_network_of_ones_own_goes_into_a_pickle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "net_of_my_own.py").write_text(OWN_MODEL)
    (tmp_path / "own.yaml").write_text(OWN_SPACE)
    images, labels = draw(60)
    classifier = AutoCNNClassifier(
        model=str(tmp_path / "net_of_my_own.py:build"),
        space=tmp_path / "own.yaml",
        trials=1,
        finalists=1,
        folds=0,
        members=1,
        random_state=0,
    ).fit(images, labels)
    (tmp_path / "net_of_my_own.py").unlink()
    assert classifier.score(images, labels) > 0.6
    joblib.dump(classifier, tmp_path / "classifier.joblib")
    np.save(tmp_path / "images.npy", images)
    program = (
        "import joblib, numpy as np; classifier = joblib.load('classifier.joblib'); "
        "np.save('there.npy', classifier.predict_proba(np.load('images.npy')))"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=tmp_path, env=os.environ)
    expected = classifier.predict_proba(images)
    assert np.allclose(np.load(tmp_path / "there.npy"), expected, atol=1e-6)


@pytest.mark.slow
@pytest.mark.usefixtures("dots")
def test_a_few_images_are_enough_and_copies_are_an_error_in_words(tmp_path: Path) -> None:
    images, labels = draw(20, 16, 12)
    classifier = small_classifier(tmp_path, epochs=1)
    with pytest.raises(ValueError, match=r"class '2' must have at least 3 different images"):
        classifier.fit(images[[0, 1, 2, 3, 4, 2, 6, 7, 2]], labels[[0, 1, 2, 0, 1, 2, 0, 1, 2]])
    classifier.fit(images, labels)
    assert classifier.predict_proba(images[:2]).shape == (2, 3)
