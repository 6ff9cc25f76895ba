"""A model of the user's own: found, tried before any training, and kept with the study."""

from dataclasses import replace

from autocnn.core.errors import ConfigError, Text
from autocnn.core.own_model import OwnModel, kept_own_model, locate_own_model
from autocnn.execution.tasks import TRY_OWN_MODEL, OwnModelResult, OwnModelTask
from autocnn.spaces.knobs import KNOBS
from autocnn.study.session import Session

TIMEOUT_S = 300.0
"""A function that takes longer for one network trains or downloads where it should build."""

READ_BY_THE_NETWORK = ("dropout", "stochastic_depth")
"""Knobs outside the architecture that only a network can read."""


def find_own_model(session: Session) -> OwnModel | None:
    """The own model that the config names, with its files as they were when the study began.

    Args:
        session: Of a study that begins or goes on. Where the user's file is gone, the study's
            own copy counts.

    Raises:
        ConfigError: When there is no such file, nor a copy.
    """
    config, files = session.config, session.status.model_files or {}
    if config.model is None:
        return None
    try:
        own_model = locate_own_model(config.model)
    except ConfigError:
        kept = kept_own_model(config.model, files, session.folder.own_model_dir)
        if kept is None:
            raise
        place = config.model.rpartition(":")[0]
        session.observer.warn(f"{place} is gone; the study's own copy of the model is used.")
        return kept
    return replace(own_model, files=files)


def check_own_model(session: Session, own_model: OwnModel) -> None:
    """Try the own model on the params of trial 0, in a process, and keep a copy of its files.

    Args:
        session: With its data; its own model learns its files.
        own_model: Of the session.

    Raises:
        ConfigError: When it breaks a rule.
    """
    params = dict(session.space.start[0])
    height, width, channels = session.dataset.images(int(params.get("image_size", 0))).image_shape
    session.observer.stage("try your model")
    task = OwnModelTask(
        own_model,
        params,
        (height, width, channels),
        session.dataset.num_classes,
        session.resources.precision,
    )
    outcome = session.run_alone(
        TRY_OWN_MODEL, task, log_path=session.folder.own_model_log_path, timeout_s=TIMEOUT_S
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
    session.own_model = replace(own_model, files=found.files)
    session.folder.write_own_model(session.own_model.read_files())
    unread = sorted(name for name in params if is_for_the_network(name) and name not in found.read)
    if unread:
        session.observer.warn(
            f"{own_model.name} does not read {', '.join(unread)} of the space with the params of "
            "trial 0. If it never does, a search over it is wasted."
        )
    if found.no_maps:
        session.observer.warn(
            f"Grad-CAM cannot open what {own_model.name} builds ({found.no_maps}): the report will "
            "not show where it looks."
        )


def is_for_the_network(name: str) -> bool:
    """Whether only a network can read a parameter: names that are no knobs, and architecture.

    >>> [is_for_the_network(name) for name in ("filters", "width", "image_size", "rotation")]
    [True, True, False, False]
    """
    if name not in KNOBS or name in READ_BY_THE_NETWORK:
        return True
    return KNOBS[name].group == "architecture" and name != "image_size"
