"""Candidates whose layers Grad-CAM cannot open have no explanation, and the others have theirs."""

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from autocnn.selection.explain import _explained_images, explain_candidates
from autocnn.selection.plan import FinalistsPlan
from autocnn.selection.score import Candidate


def test_a_candidate_without_maps_has_no_explanation() -> None:
    plan = cast(FinalistsPlan, SimpleNamespace(sample=np.arange))
    measured = SimpleNamespace(maps=None, random_maps=None)
    candidate = cast(Any, SimpleNamespace(record=None, measured=measured))
    assert explain_candidates(plan, [cast(Candidate, candidate)]) == [(candidate, {})]


def test_of_test_only_the_images_with_maps_are_read() -> None:
    asked: list[list[int]] = []

    class Decoded:
        image_shape = (8, 8, 1)

        def open(self) -> "Decoded":
            return self

        def __getitem__(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
            asked.append(rows.tolist())
            return np.zeros((len(rows), 8, 8, 1), np.uint8)

    arrays = {4: SimpleNamespace(image_shape=(4, 4, 1)), 8: Decoded()}
    dataset = SimpleNamespace(arrays=arrays, indices=lambda split: np.array([5, 6, 7, 9]))
    plan = cast(FinalistsPlan, SimpleNamespace(dataset=dataset))
    candidate = cast(Any, SimpleNamespace(measured=SimpleNamespace(explained=np.array([1, 3]))))
    found = _explained_images(plan, candidate, np.zeros((2, 8, 8)))
    assert found.shape == (2, 8, 8, 1)
    assert asked == [[6, 9]]
