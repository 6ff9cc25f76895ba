"""A finished model on other labelled images: the same scores, pictures and intervals.

reference: what its study knows   labels: DATA's classes as the model's   assess: the scores
conditions: on the scores         words: what they mean
files: the folder that is left
"""

from autocnn.inference.evaluate.assess import Assessed, assess
from autocnn.inference.evaluate.conditions import check_conditions, parse_condition
from autocnn.inference.evaluate.files import check_target, default_target, write_assessment
from autocnn.inference.evaluate.reference import (
    Reference,
    export_reference,
    open_reference,
    study_reference,
)

__all__ = [
    "Assessed",
    "Reference",
    "assess",
    "check_conditions",
    "check_target",
    "default_target",
    "export_reference",
    "open_reference",
    "parse_condition",
    "study_reference",
    "write_assessment",
]
