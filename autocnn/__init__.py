"""autocnn: find the CNN that generalises on your own labelled images.

    import autocnn

    study = autocnn.search("images/", trials=50, budget="2h", name="mine")
    print(study.leaderboard[["rank", "kind", "cv_mean", "test_accuracy"]])
    model = autocnn.load("mine")
    print(model.predict(["new/1.png", "new/2.png"]))

Names load when they are first used: importing autocnn imports nothing heavy.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from autocnn.api import (
        Audit,
        Candidate,
        Comparison,
        Evaluation,
        Study,
        StudySummary,
        audit,
        compare,
        evaluate,
        list_spaces,
        list_studies,
        load,
        open_study,
        predict,
        search,
        serve,
    )
    from autocnn.classifier import AutoCNNClassifier
    from autocnn.core.config import StudyConfig
    from autocnn.core.errors import AutocnnError
    from autocnn.spaces.files import load_space

__version__ = "0.1.0"

__all__ = [
    "Audit",
    "AutoCNNClassifier",
    "AutocnnError",
    "Candidate",
    "Comparison",
    "Evaluation",
    "Study",
    "StudyConfig",
    "StudySummary",
    "__version__",
    "audit",
    "compare",
    "evaluate",
    "list_spaces",
    "list_studies",
    "load",
    "load_space",
    "open_study",
    "predict",
    "search",
    "serve",
]

_HOMES = {
    "Audit": "autocnn.api",
    "AutoCNNClassifier": "autocnn.classifier",
    "AutocnnError": "autocnn.core.errors",
    "Candidate": "autocnn.api",
    "Comparison": "autocnn.api",
    "Evaluation": "autocnn.api",
    "Study": "autocnn.api",
    "StudyConfig": "autocnn.core.config",
    "StudySummary": "autocnn.api",
    "audit": "autocnn.api",
    "compare": "autocnn.api",
    "evaluate": "autocnn.api",
    "list_spaces": "autocnn.api",
    "list_studies": "autocnn.api",
    "load": "autocnn.api",
    "load_space": "autocnn.spaces.files",
    "open_study": "autocnn.api",
    "predict": "autocnn.api",
    "search": "autocnn.api",
    "serve": "autocnn.api",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'autocnn' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
