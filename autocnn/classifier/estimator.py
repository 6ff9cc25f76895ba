"""`AutoCNNClassifier`: fit, predict and all that scikit-learn asks of a classifier."""

import warnings
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from autocnn.api.watch import show
from autocnn.classifier import inner_study
from autocnn.classifier.inner_study import Listener, Network, Workspace
from autocnn.classifier.pixels import ImageShape, ValueRange, flatten_images
from autocnn.core.config import resolve_config
from autocnn.core.errors import DataError, SearchInterrupted, UsageError

FEWEST_PER_CLASS = 3
"""Images of a class that a study needs: one each for train, val and test."""

SMALLEST_FRACTION = 1e-9
"""Of a split that shall have one image of each class, the fewest that a study takes."""

_SETTINGS = (
    "trials",
    "epochs",
    "engine",
    "sampler",
    "objective",
    "max_gap",
    "finalists",
    "folds",
    "members",
    "image_size",
    "channels",
    "val_fraction",
    "model",
    "weights",
    "workers",
    "threads",
    "precision",
    "deterministic",
)
"""Parameters that are settings of a study under the same name."""


class AutoCNNClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A classifier of images that searches its own network, augmentation and regularisation.

    `fit` runs a study (`autocnn search`) and keeps its best candidate: trials, the best of
    them retrained, one chosen. It works wherever scikit-learn's classifiers do:
    `cross_val_score`, `Pipeline`, `clone`, `joblib.dump`.

    **Images.** (n, height, width), (n, height, width, 1 or 3), or flattened, (n, pixels),
    rows first, channels last. Flattened images of another shape than square need
    `image_shape`. Without it, side x side values are grey and side x side x 3 are RGB; no
    number is both. All images have one size.

    **Values.** Networks see 256 levels. `fit` learns what is black and what is white, and
    `predict` applies the same: from 0 to the smallest of 1, 16, 255, 1023, 4095, 16383 and
    65535 that no value exceeds; where values are negative or larger, from the least to the
    greatest of them. What lies outside at prediction is cut off. See `value_range_`.

    **Splits.** The study cuts the images given to `fit` itself: `val_fraction` for val, to
    compare epochs and trials; one image of each class for test, the fewest that it takes; the
    rest to train. The winner is retrained on train + val, so that only those few test images
    are lost. So the test scores of the study's report say next to nothing here, unless
    `test_fraction` is raised: judge with images that `fit` has not seen (`score`,
    `cross_val_score`). A class needs 3 different images; copies count once.

    **Not supported.** Sample weights (class weights are part of the search space), several
    labels per image, missing values, sparse matrices.

    Args:
        trials: Trials of the study; fewer than `autocnn search` has, since folds and grids fit
            many times.
        budget: Time for all of it, as seconds or as text: "90s", "30m", "2h"; None: no limit.
        space: Name or path of the search space.
        model: A network of your own, "my_model.py:build", with a space of its parameters.
        epochs: Most epochs per trial; None: what the space says.
        engine: "optuna" or "keras-tuner"; None, as in all that follow: the default of
            `autocnn search`.
        sampler: How the engine proposes params.
        objective: What is improved, a field of the leaderboard: "balanced_accuracy", ...
        max_gap: Largest gap of the objective between train and val that is acceptable.
        finalists: Best trials that are retrained and compared.
        folds: Parts of train on which they are compared; 0: val decides.
        members: Networks, each with another seed, of which the chosen one is an average.
        image_shape: (height, width) or (height, width, 1 or 3) of flattened images; None: from
            the number of values.
        image_size: Side of the square that the network sees, px; None: from the data.
        channels: "grey", "rgb", or "auto": grey if all images are grey in content.
        val_fraction: Size of the inner val split.
        test_fraction: Size of the inner test split; None: one image of each class.
        weights: File of pretrained weights, for the transfer space.
        workers: Trials at once; with `n_jobs` around it, set it so that the product fits.
        threads: Threads per trial.
        precision: "auto", "float32", "bfloat16" or "float16".
        deterministic: One trial at a time on one thread: the same `random_state` then gives
            the same numbers.
        results_dir: Folder in which the studies and their images stay; None: a temporary one
            that goes with the estimator.
        name: Name of the study there; a second fit is called `name-2`. None: from the time.
        random_state: Seed of splits, params and trainings; None: another one in every fit.
        verbose: Whether to tell of progress on stderr.

    Attributes:
        classes_: (classes,) the labels, sorted. In the study's files they are numbers: their
            places here.
        n_classes_: How many.
        n_features_in_: Values of an image: height x width x channels.
        feature_names_in_: Column names, where X was a DataFrame with string names.
        image_shape_: (height, width, channels) of the images.
        value_range_: (low, high): the values that are black and white.
        best_score_: Objective of the winner: mean over the folds, or on val without folds.
            Smaller is better for "log_loss".
        study_dir_: The study: report.html, leaderboard.csv, candidates/01/model.keras, ...
            None in a copy or pickle, when the folder is temporary.

    A pickle holds the winning network and predicts in any process; like every pickle it runs
    code when it is loaded, so load none that you do not trust.

    >>> AutoCNNClassifier(trials=5, space="quick")
    AutoCNNClassifier(space='quick', trials=5)
    """

    def __init__(
        self,
        *,
        trials: int = 20,
        budget: float | str | None = None,
        space: str | Path = "default",
        model: str | None = None,
        epochs: int | None = None,
        engine: str | None = None,
        sampler: str | None = None,
        objective: str | None = None,
        max_gap: float | None = None,
        finalists: int | None = None,
        folds: int | None = None,
        members: int | None = None,
        image_shape: tuple[int, ...] | None = None,
        image_size: int | None = None,
        channels: str = "auto",
        val_fraction: float | None = None,
        test_fraction: float | None = None,
        weights: str | Path | None = None,
        workers: int | None = None,
        threads: int | None = None,
        precision: str | None = None,
        deterministic: bool = False,
        results_dir: str | Path | None = None,
        name: str | None = None,
        random_state: int | np.random.RandomState | None = None,
        verbose: bool = False,
    ) -> None:
        self.trials = trials
        self.budget = budget
        self.space = space
        self.model = model
        self.epochs = epochs
        self.engine = engine
        self.sampler = sampler
        self.objective = objective
        self.max_gap = max_gap
        self.finalists = finalists
        self.folds = folds
        self.members = members
        self.image_shape = image_shape
        self.image_size = image_size
        self.channels = channels
        self.val_fraction = val_fraction
        self.test_fraction = test_fraction
        self.weights = weights
        self.workers = workers
        self.threads = threads
        self.precision = precision
        self.deterministic = deterministic
        self.results_dir = results_dir
        self.name = name
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:  # noqa: N803 - scikit-learn's name
        """Search, and keep the best network.

        Args:
            X: Images; see the class.
            y: (n,) one label per image: strings, integers or booleans.

        Raises:
            ValueError: When the images, the labels or a parameter break a rule.
            SearchError: When no trial finished.
            KeyboardInterrupt: When it was stopped; with `results_dir`, its message says how to
                go on.
            RuntimeError: In a daemonic process, which must not start others.
        """
        inner_study.check_process()
        self._network: Network | None = None  # a fit that fails leaves nothing to predict with
        images, labels = self._read_training(X, y)
        workspace = Workspace(self.results_dir)
        listener = Listener()
        try:
            config = resolve_config(self._settings(workspace))
            data = workspace.write_images(images, labels)
            config = config.model_copy(update={"data": str(data)})
            winner = inner_study.run_study(
                config, lambda: show(self.verbose) if self.verbose else listener
            )
        except UsageError as error:
            raise ValueError(str(error)) from error
        except DataError as error:
            raise ValueError(f"{error} A class is named by its place in classes_.") from error
        except SearchInterrupted as error:
            # scikit-learn's searches swallow any other error, and would go on.
            message = error.message if workspace.is_temporary else str(error)
            raise KeyboardInterrupt(message) from error
        self._workspace, self._network = workspace, winner.network
        self.study_dir_: Path | None = winner.study_dir
        self.best_score_ = winner.score
        for text in listener.warnings:  # at the end: as errors, they would cost the study
            warnings.warn(text, UserWarning, stacklevel=2)
        return self

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:  # noqa: N803 - see fit
        """Probabilities.

        Args:
            X: Images of the size that `fit` saw, in any of its layouts.

        Returns:
            (n, classes), in the order of `classes_`; rows add up to 1.
        """
        check_is_fitted(self)
        assert self._network is not None
        table, shape = flatten_images(X)
        if shape is not None and shape.axes != self.image_shape_:
            raise ValueError(
                f"X must have images of the shape {self.image_shape_}, as in fit, got {shape.axes}."
            )
        table = validate_data(self, X if shape is None else table, reset=False)
        pixels = ValueRange(*self.value_range_).to_uint8(table).reshape(-1, *self.image_shape_)
        return self._network.predict(pixels)

    def predict(self, X: ArrayLike) -> NDArray[Any]:  # noqa: N803 - see fit
        """The likeliest label of each image: (n,), of the type that `fit` saw."""
        winners = self.predict_proba(X).argmax(axis=1)
        labels: NDArray[Any] = self.classes_[winners]
        return labels

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.non_deterministic = not self.deterministic
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        return getattr(self, "_network", None) is not None

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = dict(super().__getstate__())
        workspace = state.pop("_workspace", None)
        if workspace is not None and workspace.is_temporary:
            state["study_dir_"] = None  # it goes with this estimator, not with its copy
        return state

    def _read_training(
        self, images: ArrayLike, labels: ArrayLike
    ) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Images (n, h, w, c) and class numbers (n,); sets what is learnt of them."""
        table, shape = flatten_images(images)
        table, labels = validate_data(self, images if shape is None else table, labels)
        check_classification_targets(labels)
        self.classes_, codes = np.unique(labels, return_inverse=True)
        self.n_classes_ = len(self.classes_)
        _check_counts(self.classes_, np.bincount(codes))
        shape = _choose_shape(self.image_shape, shape, table.shape[1])
        self.image_shape_ = shape.axes
        value_range = ValueRange.of(table)
        self.value_range_ = (value_range.low, value_range.high)
        return value_range.to_uint8(table).reshape(-1, *shape.axes), codes.astype(np.int64)

    def _settings(self, workspace: Workspace) -> dict[str, Any]:
        """All that the parameters ask of the study; its images come later."""
        fraction = SMALLEST_FRACTION if self.test_fraction is None else self.test_fraction
        return {name: getattr(self, name) for name in _SETTINGS} | {
            "space": str(self.space),
            "budget_s": self.budget,
            "test_fraction": fraction,
            "seed": int(check_random_state(self.random_state).randint(2**31 - 1)),
            "name": self.name or inner_study.default_name(),
            "results": workspace.path,
            "cache_dir": workspace.cache_dir,
        }


def _check_counts(classes: NDArray[Any], counts: NDArray[np.int64]) -> None:
    """Every class can be in train, val and test."""
    if len(classes) < 2:
        raise ValueError(f"y must have at least 2 classes, got 1 class: {classes.tolist()[0]!r}.")
    for label, count in zip(classes.tolist(), counts.tolist(), strict=True):
        if count < FEWEST_PER_CLASS:
            raise ValueError(
                f"Every class must have at least {FEWEST_PER_CLASS} images (one each for train, "
                f"val and test inside the search), got {count} of the class {label!r}."
            )


def _choose_shape(asked: tuple[int, ...] | None, seen: ImageShape | None, width: int) -> ImageShape:
    """The shape of the images: as they show it, as it is given, or as a table's width says."""
    if asked is None:
        return seen or ImageShape.of_width(width)
    shape = ImageShape.of_axes(asked)
    if seen not in (None, shape):
        raise ValueError(f"image_shape must be that of the images, {seen.axes}, got {asked}.")
    if shape.num_values != width:
        raise ValueError(
            f"image_shape must have as many values as a row of X ({width}), got {asked}, which "
            f"has {shape.num_values}."
        )
    return shape
