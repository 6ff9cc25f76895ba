"""The Python API: search, resume, audit; a study as an object, its tables as DataFrames.

Each command of the command line is one of these, parsed and printed.

functions: search, open_study, load, list_spaces   study, candidate: Study, Candidate
data_audit: audit                                  predictions: predict
studies: list_studies, compare                     doctor: examine (this machine)
serving: serve
evaluation: evaluate                               frames: tables as DataFrames
settings: names and values as people give them     watch, display: progress and Ctrl-C
plots, html: what a notebook shows                 inputs: data that a program holds

Names load when they are first used, so that a command loads what it needs.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from autocnn.api.candidate import Candidate
    from autocnn.api.data_audit import Audit, audit
    from autocnn.api.doctor import Finding, examine
    from autocnn.api.evaluation import Evaluation, evaluate
    from autocnn.api.functions import list_spaces, load, open_study, search
    from autocnn.api.predictions import predict
    from autocnn.api.serving import serve
    from autocnn.api.studies import Comparison, StudySummary, compare, list_studies
    from autocnn.api.study import Study
    from autocnn.inference.metadata import read_metadata
    from autocnn.inference.predict.rows import Row, Summary
    from autocnn.spaces.files import is_path, load_space, shipped_names
    from autocnn.spaces.knobs import KNOBS
    from autocnn.spaces.space import SearchSpace, format_value
    from autocnn.storage import study_names

__all__ = [
    "KNOBS",
    "Audit",
    "Candidate",
    "Comparison",
    "Evaluation",
    "Finding",
    "Row",
    "SearchSpace",
    "Study",
    "StudySummary",
    "Summary",
    "audit",
    "compare",
    "evaluate",
    "examine",
    "format_value",
    "is_path",
    "list_spaces",
    "list_studies",
    "load",
    "load_space",
    "open_study",
    "predict",
    "read_metadata",
    "search",
    "serve",
    "shipped_names",
    "study_names",
]

_MODULES = {
    "autocnn.api.candidate": ("Candidate",),
    "autocnn.api.data_audit": ("Audit", "audit"),
    "autocnn.api.doctor": ("Finding", "examine"),
    "autocnn.api.evaluation": ("Evaluation", "evaluate"),
    "autocnn.api.functions": ("list_spaces", "load", "open_study", "search"),
    "autocnn.api.predictions": ("predict",),
    "autocnn.api.serving": ("serve",),
    "autocnn.api.studies": ("Comparison", "StudySummary", "compare", "list_studies"),
    "autocnn.api.study": ("Study",),
    "autocnn.inference.metadata": ("read_metadata",),
    "autocnn.inference.predict.rows": ("Row", "Summary"),
    "autocnn.spaces.files": ("is_path", "load_space", "shipped_names"),
    "autocnn.spaces.knobs": ("KNOBS",),
    "autocnn.spaces.space": ("SearchSpace", "format_value"),
    "autocnn.storage": ("study_names",),
}


def __getattr__(name: str) -> Any:
    import importlib

    for module, names in _MODULES.items():
        if name in names:
            return getattr(importlib.import_module(module), name)
    raise AttributeError(f"module 'autocnn.api' has no attribute {name!r}")


def __dir__() -> list[str]:
    return list(__all__)
