"""The files of a candidate: every table beside its picture, drawn from the same values."""

from collections.abc import Iterator, Sequence

from autocnn.data import Dataset
from autocnn.evaluation.metrics import confusion_matrix, roc_curves
from autocnn.finalists import Candidate
from autocnn.records import SPLITS, ConfusionMatrix, RocCurve
from autocnn.report.plots import draw_confusion_matrix, draw_learning_curves, draw_roc
from autocnn.report.style import save_png
from autocnn.report.summary import row_shares
from autocnn.store import StudyFolder
from autocnn.tables import Cell


def write_candidate_files(candidate: Candidate, dataset: Dataset, folder: StudyFolder) -> None:
    """Write candidates/NN: predictions, metrics, confusion matrix, ROC, learning curves.

    Args:
        candidate: A judged model.
        dataset: The images that it was judged on.
        folder: The study.
    """
    record, number = candidate.record, candidate.record.candidate
    labels = dataset.labels[dataset.indices("test")]
    matrix = confusion_matrix(labels, candidate.probabilities["test"], dataset.class_names)
    curves = roc_curves(labels, candidate.probabilities["test"], dataset.class_names)
    history = candidate.trial.history
    what = f"candidate {number} (trial {record.trial}), {record.test.num_images:,} test images"

    columns = ["path", "label", "split", *(f"p.{name}" for name in dataset.class_names)]
    folder.write_candidate_table(number, "predictions", columns, _predictions(candidate, dataset))
    folder.write_candidate_table(number, "confusion_matrix", *_matrix_table(matrix))
    folder.write_candidate_table(
        number,
        "roc",
        ("curve", "kind", "auc", "false_positive_rate", "true_positive_rate"),
        _roc_rows(curves),
    )
    folder.write_learning_curves(number, history, record.history)

    picture = draw_confusion_matrix(matrix, title=f"Confusion matrix: {what}")
    folder.write_candidate_picture(number, "confusion_matrix", lambda f: save_png(picture, f))
    roc = draw_roc(curves, title=f"ROC, one class against the rest: {what}")
    folder.write_candidate_picture(number, "roc", lambda f: save_png(roc, f))
    learning = draw_learning_curves(
        history,
        record.history,
        best_epoch=candidate.trial.best_epoch or 1,
        title=f"Learning curves: candidate {number} (trial {record.trial})",
    )
    folder.write_candidate_picture(number, "learning_curves", lambda f: save_png(learning, f))
    folder.write_candidate(record)


def _predictions(candidate: Candidate, dataset: Dataset) -> Iterator[list[Cell]]:
    """One row per image: train and val by the model of the search, test by the refit."""
    for split in SPLITS:
        positions = dataset.positions(split)
        for position, row in zip(positions, candidate.probabilities[split], strict=True):
            label = dataset.class_names[dataset.table.labels[position]]
            values = [round(float(value), 6) for value in row]
            yield [dataset.table.paths[position], label, split, *values]


def _matrix_table(matrix: ConfusionMatrix) -> tuple[list[str], list[list[Cell]]]:
    """Long form: true label, predicted label, count, share of the true label."""
    rows: list[list[Cell]] = []
    for label, counts, shares in zip(matrix.labels, matrix.counts, row_shares(matrix), strict=True):
        for predicted, count, share in zip(matrix.labels, counts, shares, strict=True):
            rows.append([label, predicted, count, share])
    return ["label", "predicted", "count", "share"], rows


def _roc_rows(curves: Sequence[RocCurve]) -> Iterator[list[Cell]]:
    for curve in curves:
        points = zip(curve.false_positive_rate, curve.true_positive_rate, strict=True)
        for false_rate, true_rate in points:
            yield [curve.name, curve.kind, curve.auc, false_rate, true_rate]
