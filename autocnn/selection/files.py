"""The files of a candidate: every table beside its picture, drawn from the same values."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

import numpy as np
from matplotlib.figure import Figure

from autocnn.core.arrays import FloatArray
from autocnn.core.csv_tables import Cell
from autocnn.core.records import SPLITS, PrCurve, Robustness, RocCurve
from autocnn.data import Dataset
from autocnn.metrics.curves import pr_curves, roc_curves
from autocnn.metrics.scores import confusion_matrix
from autocnn.metrics.weighted import blocks
from autocnn.reporting.names import picture_title
from autocnn.reporting.plots import (
    draw_confusion_matrix,
    draw_gap,
    draw_learning_curves,
    draw_pr,
    draw_reliability,
    draw_robustness,
    draw_roc,
)
from autocnn.reporting.plots.score_values import (
    Table,
    class_scores_table,
    confusion_table,
    gap_table,
    pr_table,
    reliability_table,
    roc_table,
)
from autocnn.reporting.plots.style import save_png
from autocnn.selection.plan import Fold
from autocnn.selection.score import Candidate
from autocnn.storage import StudyFolder

LARGEST_SHARE = 2
"""More than any probability; a rounded one may stand a little above 1."""


def write_candidate_files(
    candidate: Candidate,
    explained: Mapping[str, bytes],
    dataset: Dataset,
    folds: Sequence[Fold],
    folder: StudyFolder,
) -> None:
    """Write candidates/NN: the record, every table, every picture.

    Args:
        candidate: A judged model.
        explained: File name -> JPEG: images with their maps, and augmented ones.
        dataset: The images that it was judged on.
        folds: On which it was compared.
        folder: The study.
    """
    record, number = candidate.record, candidate.record.candidate
    judged, names = candidate.judged, dataset.class_names
    rocs = roc_curves(judged.labels, judged.probabilities, names)
    prs = pr_curves(judged.labels, judged.probabilities, names)
    for name, (columns, rows) in _tables(candidate, dataset, folds, rocs, prs).items():
        has_shares = name in ("predictions", "out_of_fold")
        folder.write_candidate_table(number, name, columns, rows, has_shares=has_shares)
    folder.write_learning_curves(number, candidate.trial.history, record.history)
    for name, figure in _pictures(candidate, dataset, rocs, prs):
        folder.write_candidate_picture(number, name, partial(save_png, figure))
    for name, content in explained.items():
        folder.write_candidate_image(number, name, content)
    if candidate.measured.familiarity is not None:
        folder.write_familiarity(number, candidate.measured.familiarity.arrays())
    folder.write_candidate(record)


def _tables(
    candidate: Candidate,
    dataset: Dataset,
    folds: Sequence[Fold],
    rocs: Sequence[RocCurve],
    prs: Sequence[PrCurve],
) -> dict[str, Table]:
    record = candidate.record
    judged, test = candidate.judged, candidate.predictions["test"]
    names = dataset.class_names
    shares = [f"p.{name}" for name in names]
    matrix = confusion_matrix(judged.labels, judged.probabilities, names)
    scored = (record.train, record.val, record.folds, record.test, record.test_clean)
    tables: dict[str, Table] = {
        "predictions": (
            ["path", "label", "split", "predicted", *shares, "is_clean", "unlike"],
            _predictions(candidate, dataset),
        ),
        "confusion_matrix": confusion_table(matrix),
        "roc": roc_table(rocs),
        "pr": pr_table(prs),
        "classes": class_scores_table([scores for scores in scored if scores is not None]),
    }
    if record.test_clean is not None:
        of_all = confusion_matrix(test.labels, test.probabilities, names)
        tables["confusion_matrix_all_of_test"] = confusion_table(of_all)
    if "folds" in candidate.predictions:
        columns = ["path", "label", "fold", "predicted", *shares]
        tables["out_of_fold"] = columns, _out_of_fold(candidate, dataset, folds)
    if record.calibration is not None:
        tables["reliability"] = reliability_table(record.calibration.bins)
    if record.robustness is not None:
        columns = ["disturbance", "strength", "setting", "accuracy", "drop"]
        tables["robustness"] = columns, _robustness_rows(record.robustness)
    if record.gap is not None:
        tables["gap"] = gap_table(record.gap)
    return tables


def _pictures(
    candidate: Candidate, dataset: Dataset, rocs: Sequence[RocCurve], prs: Sequence[PrCurve]
) -> Iterator[tuple[str, Figure]]:
    record, judged = candidate.record, candidate.judged
    title = partial(picture_title, record=record)
    matrix = confusion_matrix(judged.labels, judged.probabilities, dataset.class_names)
    yield "confusion_matrix", draw_confusion_matrix(matrix, title=title("confusion_matrix"))
    yield "roc", draw_roc(rocs, title=title("roc"))
    yield "pr", draw_pr(prs, title=title("pr"))
    yield (
        "learning_curves",
        draw_learning_curves(
            candidate.trial.history,
            record.history,
            best_epoch=candidate.trial.best_epoch or 1,
            title=title("learning_curves"),
        ),
    )
    if record.calibration is not None:
        yield "reliability", draw_reliability(record.calibration, title=title("reliability"))
    if record.robustness is not None:
        named = [(f"candidate {record.candidate}", record.robustness)]
        yield "robustness", draw_robustness(named, title=title("robustness"))
    if record.gap is not None:
        yield "gap", draw_gap(record.gap, title=title("gap"))


def _predictions(candidate: Candidate, dataset: Dataset) -> Iterator[list[Cell]]:
    """One row per image: train and val by the model of the search, test by the candidate.

    The last cells say whether an image of test is clean, and whether one of val or test is unlike
    the training images, as the candidate sees them; they are empty for the others.
    """
    is_clean = dataset.is_clean_test
    for split in SPLITS:
        positions = dataset.positions(split).tolist()
        unlike = candidate.measured.is_unlike.get(split)
        found = _answers(dataset, positions, candidate.predictions[split].probabilities)
        for index, (path, label, *answer) in enumerate(found):
            yield [
                *(path, label, split, *answer),
                bool(is_clean[positions[index]]) if split == "test" else None,
                None if unlike is None else bool(unlike[index]),
            ]


def _out_of_fold(
    candidate: Candidate, dataset: Dataset, folds: Sequence[Fold]
) -> Iterator[list[Cell]]:
    """One row per image and repeat, predicted by the fold model that has not seen it."""
    numbers = np.repeat([fold.number for fold in folds], [len(fold.held_out) for fold in folds])
    positions = dataset.position_of[np.concatenate([fold.held_out for fold in folds])].tolist()
    found = _answers(dataset, positions, candidate.predictions["folds"].probabilities)
    for number, (path, label, *answer) in zip(numbers.tolist(), found, strict=True):
        yield [path, label, number, *answer]


def _answers(
    dataset: Dataset, positions: Sequence[int], probabilities: FloatArray
) -> Iterator[list[Cell]]:
    """Path, label, predicted and the texts of all probabilities (n, k) of n images.

    The truth is `label`, the answer `predicted`, as in every table.
    """
    paths, labels, names = dataset.table.paths, dataset.table.labels, dataset.class_names
    predicted = probabilities.argmax(axis=1).tolist()
    found = zip(positions, predicted, _share_texts(probabilities), strict=True)
    for position, answer, texts in found:
        yield [paths[position], names[labels[position]], names[answer], texts]


def _share_texts(probabilities: FloatArray) -> Iterator[str]:
    """Probabilities (n, k) to six decimals, those of an image with commas between.

    There are a million such numbers, and 10^8 cells for 100,000 images of 1,000 classes: the text
    of each number is made once.
    """
    texts = np.zeros(LARGEST_SHARE * 10**6 + 1, "S9")
    for block in blocks(probabilities.shape):
        millionths = np.rint(probabilities[block].astype(np.float64) * 1e6).astype(np.int32)
        new = np.unique(millionths[texts[millionths] == b""])
        texts[new] = [f"{share}," for share in (new / 1e6).tolist()]
        for row in texts[millionths]:
            yield row.tobytes().translate(None, b"\0").decode()[:-1]  # NumPy fills up with zeros


def _robustness_rows(robustness: Robustness) -> Iterator[list[Cell]]:
    for one in robustness.corruptions:
        yield [one.name, one.strength, one.setting, one.accuracy, one.drop]
