"""A model of the user's own: found, tried before any training, and kept with the study."""

from collections.abc import Mapping
from dataclasses import replace

from autocnn.core.errors import ConfigError, Text
from autocnn.core.own_model import OwnModel, kept_own_model, locate_own_model
from autocnn.data import Dataset
from autocnn.execution.tasks import TRY_OWN_MODEL, OwnModelResult, OwnModelTask
from autocnn.spaces.knobs import KNOBS, image_size_of
from autocnn.spaces.space import SearchSpace
from autocnn.study.context import Context

TIMEOUT_S = 300.0
"""A function that takes longer for one network trains or downloads where it should build."""

READ_BY_THE_NETWORK = ("dropout", "stochastic_depth")
"""Knobs outside the architecture that only a network can read."""


def find_own_model(context: Context, model_files: Mapping[str, str] | None) -> OwnModel | None:
    """The own model that the config names, with its files as they were when the study began.

    Args:
        context: Of a study that begins or goes on. Where the user's file is gone, the study's
            own copy counts.
        model_files: Its files when the study began; None: it begins now.

    Raises:
        ConfigError: When there is no such file, nor a copy.
    """
    config, files = context.config, dict(model_files or {})
    if config.model is None:
        return None
    try:
        own_model = locate_own_model(config.model)
    except ConfigError:
        kept = kept_own_model(config.model, files, context.folder.own_model_dir)
        if kept is None:
            raise
        place = config.model.rpartition(":")[0]
        context.observer.warn(f"{place} is gone; the study's own copy of the model is used.")
        return kept
    return replace(own_model, files=files)


def check_own_model(
    context: Context, own_model: OwnModel, space: SearchSpace, dataset: Dataset
) -> OwnModel:
    """Try the own model on the params of trial 0, in a process, and keep a copy of its files.

    Args:
        context: Of a study that begins.
        own_model: What `find_own_model` found.
        space: What is searched.
        dataset: The images.

    Returns:
        The own model with its files.

    Raises:
        ConfigError: When it breaks a rule.
    """
    params = dict(space.default)
    height, width, channels = dataset.images(image_size_of(params)).image_shape
    context.observer.stage("try your model")
    task = OwnModelTask(
        own_model,
        params,
        (height, width, channels),
        dataset.num_classes,
        context.resources.precision,
    )
    outcome = context.run_alone(
        TRY_OWN_MODEL, task, log_path=context.folder.own_model_log_path, timeout_s=TIMEOUT_S
    )
    if outcome.error is not None:
        raise outcome.error
    if not isinstance(outcome.result, OwnModelResult):
        raise ConfigError(
            Text(
                "{model} {0}: must build a model for the params of trial 0, got: {1}.",
                own_model,
                outcome.reason,
            ),
            remedy="Let the function only build: no training, nothing at import.",
        )
    found = outcome.result
    own_model = replace(own_model, files=found.files)
    context.folder.write_own_model(own_model.read_files())
    unread = sorted(name for name in params if is_for_the_network(name) and name not in found.read)
    if unread:
        context.observer.warn(
            f"{own_model.name} does not read {', '.join(unread)} of the space with the params of "
            "trial 0. If it never does, a search over it is wasted."
        )
    if found.no_maps:
        context.observer.warn(
            f"Grad-CAM cannot open what {own_model.name} builds ({found.no_maps}): the report will "
            "not show where it looks."
        )
    return own_model


def is_for_the_network(name: str) -> bool:
    """Whether only a network can read a parameter: names that are no knobs, and architecture.

    >>> [is_for_the_network(name) for name in ("filters", "width", "image_size", "rotation")]
    [True, True, False, False]
    """
    if name not in KNOBS or name in READ_BY_THE_NETWORK:
        return True
    return KNOBS[name].group == "architecture" and name != "image_size"
