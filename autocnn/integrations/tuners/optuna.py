"""A search space for an Optuna objective of one's own."""

from optuna.trial import BaseTrial

from autocnn.core.records import ParamValue
from autocnn.spaces.files import load_space
from autocnn.spaces.space import SearchSpace
from autocnn.tuning.engines.optuna_space import suggest_point


def suggest_params(trial: BaseTrial, space: SearchSpace | str) -> dict[str, ParamValue]:
    """A point of a space: what `build_model` and `fit_model` take as params.

    Every active parameter is asked of `trial.suggest_*` under its own name, so
    `study.best_trial.params` is such a point too, and Optuna's plots show it.

    Args:
        trial: The argument of the objective.
        space: A space, or the name or path of one; parameters of a file may have names of your
            own, for a model of your own.

    Raises:
        SpaceError: When there is no such space.
    """
    if isinstance(space, str):
        space = load_space(space, own_names=True)
    return suggest_point(trial, space)
