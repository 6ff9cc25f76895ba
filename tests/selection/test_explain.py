"""Candidates whose layers Grad-CAM cannot open have no explanation, and the others have theirs."""

from types import SimpleNamespace
from typing import Any, cast

import numpy as np

from autocnn.selection.explain import explain_candidates
from autocnn.selection.plan import FinalistsPlan
from autocnn.selection.score import Candidate


def test_a_candidate_without_maps_has_no_explanation() -> None:
    plan = cast(FinalistsPlan, SimpleNamespace(sample=np.arange))
    measured = SimpleNamespace(maps=None, random_maps=None)
    candidate = cast(Any, SimpleNamespace(record=None, measured=measured))
    assert explain_candidates(plan, [cast(Candidate, candidate)]) == [(candidate, {})]
