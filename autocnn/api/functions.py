"""What `import autocnn` offers to call."""

import os
from typing import TYPE_CHECKING, Any, Unpack

from autocnn.api.inputs import config_of, is_place
from autocnn.api.settings import PathLike, Settings, read_settings
from autocnn.api.study import Study
from autocnn.api.watch import interruptible, show
from autocnn.core.config import StudyConfig, change_config, resolve_config
from autocnn.core.errors import ConfigError
from autocnn.core.paths import to_path
from autocnn.spaces import files as spaces
from autocnn.spaces.space import SearchSpace

if TYPE_CHECKING:
    from autocnn.api.inputs import Labelled
    from autocnn.inference.predict.model import Model


def search(
    data: "Labelled | StudyConfig | None" = None,
    *,
    config: PathLike | None = None,
    verbose: bool | None = None,
    **settings: Unpack[Settings],
) -> Study:
    """Search the CNN, augmentation and regularisation that generalise best on some images.

    Trials run in processes of their own; a script needs no `if __name__ == "__main__"`.
    Ctrl-C stops softly, pressed twice at once, and raises SearchInterrupted; `Study.resume`
    goes on.

    Args:
        data: A folder of class folders, a table of images and labels, an .npz, or `digits` or
            `phantoms`, built in; None: what `config` says, else `digits`. Or what a program
            holds: (images, labels), with images an array (n, h, w) or (n, h, w, 1 | 3 | 4), or a
            list of arrays, of Pillow's images or of paths; a list of (path, label); a DataFrame
            with a column of paths or images; a `datasets.Dataset`. It is written to `results`
            first, named by its content, for `Study.resume` to find. Or a whole StudyConfig,
            without other settings.
        config: YAML file, or a study.json, with settings; the arguments come first.
        verbose: Show progress on stderr; None: in a terminal, in a notebook and at a prompt.
            Warnings are always shown.
        **settings: The options of `autocnn search`: `trials=50`, `budget="2h"`,
            `memory_limit="2GB"`. The config's fields, with their unit in the name
            (`budget_s=7200`), mean the same.

    Returns:
        The finished study.

    Raises:
        ConfigError: When a setting is unknown or out of its range.
        SpaceError: When the space breaks a rule.
        DataError: When the images cannot be used.
        StudyError: When the study's folder is there already or cannot be written.
        SearchError: When no trial finished.
        SearchInterrupted: When it was stopped.

    >>> search("digits", trails=5)
    Traceback (most recent call last):
        ...
    autocnn.core.errors.ConfigError: trails is no setting, got 5. Did you mean 'trials'?
    """
    from autocnn.study import run

    asked = _read_config(data, config, settings)
    with interruptible() as interruption:
        return Study(run.search(asked, show(verbose), interruption=interruption))


def open_study(study: PathLike | None = None, *, results: PathLike = "results") -> Study:
    """A study on disk, finished or not.

    Args:
        study: Its name under `results`, or its path; None: the newest.
        results: Folder that holds the studies.

    Raises:
        StudyError: When there is none, or its study.json cannot be read.

    >>> open_study("mine")
    Study('mine', done, 24 trials, best: Candidate(1: folds of trial 20, clean test accuracy \
0.9780))
    >>> open_study(results="no-folder")
    Traceback (most recent call last):
        ...
    autocnn.core.errors.StudyNotFoundError: no-folder: must hold a study, got none. Start one with \
`autocnn search DATA`, or name the folder with results.
    """
    found = Study.find(study, results=results)
    found.check()
    return found


def load(
    model: PathLike,
    *,
    results: PathLike = "results",
    candidate: int | None = None,
    target: str | None = None,
    prevalence: float | None = None,
    trust_code: bool = False,
) -> "Model":
    """A model that predicts images: `load("mine").predict(["a.png", "b.png"])`.

    Args:
        model: A study (its name under `results`, or its path) or a folder that
            `Study.export` made.
        results: Folder that holds the studies.
        candidate: Of a study; None: the best.
        target: The operating point at which a study's model decides, as `sensitivity of malignant
            >= 0.95`; see `Study.operating_point`. None: by the largest probability, and an export
            as it was exported.
        prevalence: Share of the target's class where the model is used; None: that of test.
        trust_code: Whether code may run that comes with the model: only models with layers of
            somebody's own have some. It can do whatever you can: read it first.

    Raises:
        UsageError: When it needs code that is not trusted, or no threshold reaches the target.
        StudyError: When there is no such study or candidate.
        ExportError: When the folder is no whole export.

    >>> load("no-model", results="no-folder")
    Traceback (most recent call last):
        ...
    autocnn.core.errors.StudyNotFoundError: no-model: must be a study under no-folder, a path to \
one, an exported folder or a model file in one of these, got none of them. Start one with \
`autocnn search`.
    """
    from autocnn.inference.predict import model as models

    return models.load(
        os.fspath(model),
        results=to_path(results),
        candidate=candidate,
        trust_code=trust_code,
        target=target,
        prevalence=prevalence,
    )


def list_spaces() -> tuple[SearchSpace, ...]:
    """The search spaces that come with autocnn.

    >>> [space.name for space in list_spaces()]
    ['default', 'mri', 'quick', 'resnet', 'transfer']
    """
    return tuple(spaces.load_space(name) for name in spaces.shipped_names())


def _read_config(
    data: "Labelled | StudyConfig | None", file: PathLike | None, settings: Settings
) -> StudyConfig:
    if isinstance(data, StudyConfig):
        if settings or file is not None:
            got = next(iter(settings), "config")
            raise ConfigError(f"a StudyConfig must come without other settings, got {got}.")
        return data
    values: dict[str, Any] = read_settings(settings, tuple(Settings.__annotations__))
    place = None if file is None else to_path(file)
    if data is None or is_place(data):
        name = None if data is None else os.fspath(data)
        return resolve_config({"data": name, **values}, file=place)
    from autocnn.data.sources.memory import write_data  # the commands do without

    asked = resolve_config(values, file=place)  # before anything is written
    written = write_data(data, asked.results)
    return change_config(asked, config_of(written, asked))
