"""Where the candidates look: numbers from their maps, and pictures of single images."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from autocnn.core.arrays import FloatArray
from autocnn.core.records import ExplainedImage
from autocnn.metrics.explanation import border_shares, choose_explained, explain
from autocnn.reporting.plots.overlay import draw_overlay, encode_overlay
from autocnn.selection.judge import NUM_EXPLAINED, pictured_per_class
from autocnn.selection.plan import FinalistsPlan
from autocnn.selection.score import Candidate

Pictures = Mapping[str, bytes]
"""File name -> JPEG."""

MOST_OTHERS = 3
"""Better candidates of other trials that a candidate's maps are compared with."""


def explain_candidates(
    plan: FinalistsPlan, candidates: Sequence[Candidate]
) -> list[tuple[Candidate, Pictures]]:
    """Add the explanation to each record, and draw the images that it shows.

    Candidates without maps, which only a model of the user's own can lack, have none.

    The numbers are from judged images that all candidates share, a sample of each class; the
    pictures are each candidate's own worst mistakes and some right ones.

    Args:
        plan: Images.
        candidates: With their maps, best first.
    """
    shared = plan.sample(NUM_EXPLAINED)
    maps = {
        candidate.record.candidate: _pick(candidate, candidate.measured.maps, shared)
        for candidate in candidates
        if candidate.measured.maps is not None
    }
    explained: list[tuple[Candidate, Pictures]] = []
    for candidate in candidates:
        record, measured = candidate.record, candidate.measured
        if measured.maps is None or measured.random_maps is None:
            explained.append((candidate, {}))
            continue
        images = _explained_images(plan, candidate, measured.maps)
        others = [
            maps[other.record.candidate]
            for other in candidates
            if other.record.candidate in maps and other.record.trial != record.trial
        ]
        pictured, pictures = _picture(plan, candidate, measured.maps, images)
        predicted = measured.test[shared].argmax(axis=1)
        explanation = explain(
            images[_places(candidate, shared)],
            maps[record.candidate],
            predicted=[plan.dataset.class_names[label] for label in predicted],
            randomized_maps=_pick(candidate, measured.random_maps, shared),
            other_maps=others[:MOST_OTHERS],
            pictured=pictured,
        )
        record = record.model_copy(update={"explanation": explanation})
        explained.append((replace(candidate, record=record), pictures))
    return explained


def _pick(candidate: Candidate, maps: FloatArray, positions: NDArray[np.integer]) -> FloatArray:
    """Maps of images by their positions in the test split."""
    found: FloatArray = maps[_places(candidate, positions)]
    return found


def _places(candidate: Candidate, positions: NDArray[np.integer]) -> NDArray[np.intp]:
    """Where images stand among those with maps, by their positions in the test split."""
    return np.searchsorted(candidate.measured.explained, positions)


def _explained_images(
    plan: FinalistsPlan, candidate: Candidate, maps: FloatArray
) -> NDArray[np.uint8]:
    """(images with maps, height, width, channels) at the size of the maps; no others are read."""
    side = maps.shape[1]
    sizes = (images for images in plan.dataset.arrays.values() if images.image_shape[0] == side)
    rows = plan.dataset.indices("test")[candidate.measured.explained]
    images: NDArray[np.uint8] = next(sizes).open()[rows]
    return images


def _picture(
    plan: FinalistsPlan, candidate: Candidate, maps: FloatArray, images: NDArray[np.uint8]
) -> tuple[list[ExplainedImage], Pictures]:
    """The worst mistakes and some right images of each class, with their maps."""
    dataset, test, judged = plan.dataset, candidate.predictions["test"], candidate.judged
    chosen = choose_explained(
        judged.labels,
        judged.probabilities,
        per_class=pictured_per_class(dataset.num_classes),
        seed=plan.seed,
    )
    positions = plan.judged[chosen]
    found = _pick(candidate, maps, positions)
    records, pictures = [], {}
    shown = zip(positions, images[_places(candidate, positions)], found, strict=True)
    for number, (position, image, one_map) in enumerate(shown, start=1):
        name = f"explained-{number:02d}.jpg"
        pictures[name] = encode_overlay(draw_overlay(image, one_map))
        predicted = int(test.probabilities[position].argmax())
        label = int(test.labels[position])
        records.append(
            ExplainedImage(
                path=dataset.table.paths[dataset.positions("test")[position]],
                label=dataset.class_names[label],
                predicted=dataset.class_names[predicted],
                probability=float(test.probabilities[position, predicted]),
                is_right=predicted == label,
                border_share=float(border_shares(one_map[None])[0]),
                picture=name,
            )
        )
    return records, pictures
