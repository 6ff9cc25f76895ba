"""Which labels of train and val look wrong, by what the finalists' models say of them.

Test is not looked at: images are left out on this advice, and who leaves out what a model gets
wrong makes its score better than it is.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from autocnn.core.arrays import FloatArray
from autocnn.core.events import Observer
from autocnn.core.records import LabelIssue, SplitScores
from autocnn.core.wording import count
from autocnn.data import Dataset
from autocnn.data.thumbnails import draw_thumbnail
from autocnn.metrics.calibration import apply_temperature, calibrate, fit_temperature, kept_type
from autocnn.metrics.evidence import is_at_chance
from autocnn.metrics.label_issues import LabelDoubts, doubt_labels
from autocnn.metrics.weighted import blocks
from autocnn.selection.plan import Finalist, FinalistsPlan
from autocnn.storage import StudyFolder

MOST_ROWS = 10_000
"""Of label_issues.csv: more nobody looks at."""

MOST_PICTURES = 24

MANY = 0.1
"""Share of suspects beyond which the models' own mistakes are most of them."""


def write_label_issues(
    plan: FinalistsPlan,
    finalists: Sequence[Finalist],
    scored: SplitScores | None,
    folder: StudyFolder,
    observer: Observer,
    *,
    has_pictures: bool = True,
) -> None:
    """Write label_issues.csv with its thumbnails, or say why there is none.

    Args:
        plan: Images and folds.
        finalists: With what their models predicted of val and the folds.
        scored: Of the chosen candidate, on the folds; None without folds.
        folder: The study.
        observer: Hears how many labels look wrong.
        has_pictures: Whether thumbnails are kept.
    """
    if scored is None or is_at_chance(scored):
        why = "the study has no folds" if scored is None else "nothing was learned from them"
        observer.note(f"The labels were not checked: {why}.")
        _tell(folder.remove_label_issues(), observer)
        return
    dataset = plan.dataset
    positions, probabilities = _predict_unseen(plan, finalists)
    labels = dataset.table.labels[positions]
    doubts = doubt_labels(labels, probabilities, copies=copy_numbers(dataset)[positions])
    shown = [i for i in doubts.order.tolist() if doubts.predicted[i] != labels[i]]
    pictured = [i for i in shown if doubts.is_suspect[i]][:MOST_PICTURES]
    pictured = pictured if has_pictures else []
    names = {i: f"{number:02d}.jpg" for number, i in enumerate(pictured, start=1)}
    pixels = dataset.images().open()
    pictures = {
        name: draw_thumbnail(np.asarray(pixels[dataset.rows[positions[i]]]))
        for i, name in names.items()
    }
    issues = [
        _issue(dataset, int(positions[i]), doubts, i, names.get(i, "")) for i in shown[:MOST_ROWS]
    ]
    _tell(folder.write_label_issues(issues, pictures), observer)
    observer.note(_in_words(int(doubts.is_suspect.sum()), len(labels), folder))


def _tell(aside: Path | None, observer: Observer) -> None:
    """Say where the list of before is, if marks of it may be lost."""
    if aside is not None:
        observer.warn(
            f"label_issues.csv could not be read in full: it is kept as {aside}, and what was "
            "written into its column drop may be missing in the new one."
        )


def _predict_unseen(
    plan: FinalistsPlan, finalists: Sequence[Finalist]
) -> tuple[NDArray[np.int64], FloatArray]:
    """Positions of train and val in the table, and their probabilities by models without them.

    The mean of the finalists' calibrated probabilities: train by the fold models, the mean of the
    repeats; val by the trials' own models, which were chosen by val, but have not learned from it.
    """
    dataset, held = plan.dataset, plan.held()
    held_out = dataset.position_of[np.concatenate([fold.held_out for fold in plan.folds])]
    positions, place, repeats = np.unique(held_out, return_inverse=True, return_counts=True)
    positions = np.concatenate([positions, dataset.positions("val")])
    shape = len(positions), dataset.num_classes
    probabilities: FloatArray = np.zeros(shape, kept_type(len(positions) * dataset.num_classes))
    train, val = np.split(probabilities, [len(repeats)])
    for finalist in finalists:
        out_of_fold = finalist.predictions["folds"]
        temperature = fit_temperature(held.labels, out_of_fold)
        for block in blocks(out_of_fold.shape):
            np.add.at(train, place[block], apply_temperature(out_of_fold[block], temperature))
        val += calibrate(finalist.predictions["val"], temperature)
    train /= repeats[:, np.newaxis]
    probabilities /= len(finalists)
    return positions, probabilities


def copy_numbers(dataset: Dataset) -> NDArray[np.int64]:
    """(n,) The same number for images that show the same; a patient's images do not."""
    numbers = np.arange(len(dataset.table))
    for group in dataset.copies:
        numbers[list(group.members)] = group.members[0]
    return numbers


def _issue(
    dataset: Dataset, position: int, doubts: LabelDoubts, index: int, picture: str
) -> LabelIssue:
    names, predicted = dataset.class_names, int(doubts.predicted[index])
    return LabelIssue(
        path=dataset.table.paths[position],
        label=names[dataset.table.labels[position]],
        predicted=names[predicted],
        label_probability=float(doubts.own[index]),
        predicted_probability=float(doubts.probabilities[index, predicted]),
        split=dataset.split_names[position],
        is_suspect=bool(doubts.is_suspect[index]),
        picture=picture,
    )


def _in_words(num_suspect: int, num_images: int, folder: StudyFolder) -> str:
    if not num_suspect:
        return f"None of {num_images:,} labels of train and val looks wrong."
    look = "looks" if num_suspect == 1 else "look"
    many = (
        ""
        if num_suspect <= MANY * num_images
        else ("That is many: most are likely mistakes of the models, so begin with the first. ")
    )
    return (
        f"{count(num_suspect, 'label')} of {num_images:,} in train and val {look} wrong: "
        f"{folder.label_issues_path} lists the most doubtful first, report.html shows them. "
        f"{many}Images that you have confirmed are left out by --drop-labels."
    )
