"""A search space in Optuna's terms."""

from optuna.trial import BaseTrial

from autocnn.core.records import ParamValue
from autocnn.spaces.space import AnyParameter, Categorical, Float, Int, SearchSpace


def suggest_point(trial: BaseTrial, space: SearchSpace) -> dict[str, ParamValue]:
    """A point of a space, each active parameter suggested by a trial, parents first.

    Args:
        trial: Of Optuna: from `ask`, in an objective, or fixed.
        space: What may be tried.
    """
    return space.walk(lambda parameter: _suggest(trial, parameter))


def _suggest(trial: BaseTrial, parameter: AnyParameter) -> ParamValue:
    value: ParamValue
    match parameter:
        case Categorical():
            value = trial.suggest_categorical(parameter.name, parameter.choices)  # type: ignore[assignment]
        case Int():
            value = trial.suggest_int(
                parameter.name,
                parameter.low,
                parameter.high,
                step=parameter.step,
                log=parameter.log,
            )
        case Float():
            value = trial.suggest_float(
                parameter.name, parameter.low, parameter.high, log=parameter.log
            )
    return value
