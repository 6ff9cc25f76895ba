"""The Python API: search, resume, audit; a study as an object, its tables as DataFrames.

Everything here is also a command, and does the same.

settings: names and values as people give them   watch: progress and Ctrl-C
frames: tables as DataFrames                     study: Study, Candidate
functions: search, open_study, load, evaluate
"""

from autocnn.api.functions import Evaluation, evaluate, load, open_study, search
from autocnn.api.study import Candidate, Study

__all__ = ["Candidate", "Evaluation", "Study", "evaluate", "load", "open_study", "search"]
