"""The folds of a study as columns of its split.csv: written once, never cut again.

scikit-learn may shuffle otherwise in its next version; models of the folds as they were would
then be judged on images that they have seen.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from autocnn.core.wording import first_few
from autocnn.data import Dataset
from autocnn.selection.plan import Fold, make_fold


def fold_columns(dataset: Dataset, folds: Sequence[Fold]) -> list[dict[str, int]]:
    """In which fold each image of train is held out: a column for each repeat.

    Args:
        dataset: Images and splits.
        folds: As of `cut_folds`.

    Returns:
        Path -> number of the fold within the repeat, 1 for the first.
    """
    position_of = dataset.position_of
    num_train = len(dataset.positions("train"))
    columns: list[dict[str, int]] = []
    number = 0
    for fold in folds:
        if not columns or len(columns[-1]) == num_train:
            columns.append({})
            number = 0
        number += 1
        held_out = position_of[fold.held_out].tolist()
        columns[-1] |= {dataset.table.paths[position]: number for position in held_out}
    return columns


def folds_of(dataset: Dataset, columns: Sequence[Mapping[str, int]]) -> tuple[Fold, ...]:
    """The folds that `fold_columns` describes.

    Args:
        dataset: The same images and splits.
        columns: Of each repeat: path -> number of its fold.

    Raises:
        ValueError: When these are no folds of train: what is wrong, as the end of a
            sentence.
    """
    train = dataset.positions("train")
    paths = [dataset.table.paths[position] for position in train.tolist()]
    bundles = dataset.bundles[train]
    folds: list[Fold] = []
    for column in columns:
        missing = [path for path in paths if path not in column]
        if missing:
            raise ValueError(f"no fold for {first_few(missing)}")
        beyond = sorted(column.keys() - set(paths))
        if beyond:
            raise ValueError(f"a fold for {first_few(beyond)}, which is not in train")
        numbers = np.array([column[path] for path in paths])
        found = np.unique(numbers)
        if len(found) < 2 or found.tolist() != list(range(1, len(found) + 1)):
            raise ValueError(f"the folds {', '.join(map(str, found.tolist()))}")
        for number in found.tolist():
            is_held_out = numbers == number
            torn = np.intersect1d(bundles[is_held_out], bundles[~is_held_out])
            if len(torn):
                first = [p for p, b in zip(paths, bundles, strict=True) if b == torn[0]]
                raise ValueError(f"copies or a group in several folds: {first_few(first)}")
            folds.append(make_fold(dataset, len(folds) + 1, train[is_held_out]))
    return tuple(folds)
