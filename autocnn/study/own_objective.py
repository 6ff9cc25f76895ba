"""What a study improves, as its processes measure it: the classes, and the user's own function."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace

from autocnn.core.errors import ConfigError, StudyChangedError
from autocnn.core.objective import Goal
from autocnn.core.objective_text import function_of
from autocnn.core.own_model import locate_own_model, new_files
from autocnn.metrics.own_objective import measure_of, try_measure
from autocnn.study.context import Context


def find_goal(
    context: Context, objective_files: Mapping[str, str] | None, class_names: Sequence[str]
) -> Goal:
    """The goal with all that measuring it needs; an objective that cannot be measured is named.

    Args:
        context: Of a study that begins or goes on.
        objective_files: Files of a function when the study began; None: it begins now, or has
            none.
        class_names: Of the data.

    Raises:
        UsageError: When there is no such class, file or function, or it returns no number.
        StudyChangedError: When the function is gone or another than when the study began.
    """
    goal = replace(context.goal, class_names=tuple(class_names))
    text = function_of(goal.objective)
    if text is not None:
        try:
            function = locate_own_model(text, setting="objective")
        except ConfigError as error:
            if objective_files is None:
                raise
            raise StudyChangedError(
                f"{text}: an objective must stay as it was when its study began, got none.",
                remedy="Put it back, then resume the study.",
            ) from error
        function = replace(function, files=dict(objective_files or {}))
        before = list(sys.modules)
        function.load()
        if objective_files is None:
            function = replace(function, files=new_files(function, before))
        goal = replace(goal, function=function)
    measure = measure_of(goal)
    if measure is not None:
        try_measure(measure, len(class_names))
    return goal
