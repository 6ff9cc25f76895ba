"""A model that was judged at the end of a study, as an object."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from autocnn.api.frames import to_frame
from autocnn.api.html import candidate_html
from autocnn.core.errors import StudyError
from autocnn.core.keras_import import import_keras
from autocnn.core.records import CandidateRecord, Params, SplitScores
from autocnn.core.wording import SET_NAMES, fraction
from autocnn.storage import StudyFolder

if TYPE_CHECKING:
    import keras
    import pandas as pd

    from autocnn.inference.predict.model import Model


@dataclass(frozen=True)
class Candidate:
    """A model that was judged at the end of a study.

    Attributes:
        path: Of its study.
        record: Everything that was measured.

    >>> import autocnn
    >>> best = autocnn.open_study("mine").best
    >>> best
    Candidate(1: folds of trial 20, clean test accuracy 0.9780)
    >>> best.params["family"], best.scores.num_images
    ('separable', 1095)
    >>> interval = best.scores.intervals["accuracy"]
    >>> interval.low, interval.high
    (0.968, 0.983)
    """

    path: Path
    record: CandidateRecord

    @property
    def number(self) -> int:
        """Its number: 1 is the chosen one."""
        return self.record.candidate

    @property
    def kind(self) -> str:
        """`refit`, `refits`, `trial`, `folds` or `ensemble`."""
        return self.record.kind

    @property
    def trial(self) -> int:
        """The trial whose params it has."""
        return self.record.trial

    @property
    def params(self) -> Params:
        """The params of that trial."""
        return self.record.params

    @property
    def scores(self) -> SplitScores:
        """Its scores with their 95 % intervals, on test without copies of other images.

        `record` has those of all sets: `record.test` of all of test.
        """
        return self.record.judged

    @property
    def model_path(self) -> Path:
        """The model as a `.keras` file.

        Raises:
            StudyError: When it was deleted.
        """
        folder = StudyFolder(self.path)
        if not folder.has_model(self.number):
            raise StudyError(
                f"{self.path}: candidate {self.number} must have a model, got none any more.",
                remedy="Take another candidate, or run the study again.",
            )
        return folder.candidate_model_path(self.number)

    @property
    def predictions(self) -> "pd.DataFrame":
        """path, label, split, predicted, a column `p.<class>` per class, is_clean and unlike.

        `is_clean` says of test images whether they have no copy in train or val, `unlike` of those
        of val and test whether they are unlike the training images; both are None for the others,
        and missing in older studies.

        Raises:
            StudyError: When predictions.csv is gone or cannot be read.
        """
        rows = list(StudyFolder(self.path).read_candidate_table(self.number, "predictions"))
        if not rows:
            raise StudyError(f"{self.path}: candidate {self.number} has no predictions.csv.")
        columns = list(rows[0])
        return to_frame(columns, [[_value(name, row[name]) for name in columns] for row in rows])

    @property
    def maps(self) -> "pd.DataFrame":
        """Test images with a map of where the model looked, mistakes first.

        path, label, predicted, probability, is_right, and `picture`: the file of the image beside
        its map. Empty where the study made none.
        """
        explained = self.record.explanation.images if self.record.explanation is not None else ()
        folder = StudyFolder(self.path).candidate_dir(self.number)
        columns = ["path", "label", "predicted", "probability", "is_right"]
        rows = [
            [*(getattr(one, name) for name in columns), str(folder / one.picture)]
            for one in explained
        ]
        return to_frame([*columns, "picture"], rows)

    def load(self, *, trust_code: bool = False) -> "Model":
        """The model, which predicts files, arrays and PIL images.

        Args:
            trust_code: As for `autocnn.load`.

        Raises:
            UsageError: When it needs code that is not trusted.
            StudyError: When the model was deleted.
        """
        from autocnn.inference.predict.model import load

        return load(str(self.path), candidate=self.number, trust_code=trust_code)

    def keras(self) -> "keras.Model":
        """The bare Keras model: uint8 images of its size in, probabilities out.

        Raises:
            UsageError: When this process has imported Keras on another backend.
            StudyError: When the model was deleted.
        """
        model: keras.Model = import_keras().models.load_model(self.model_path, compile=False)
        return model

    def __repr__(self) -> str:
        judged, accuracy = self.scores, ""
        if judged.scores.accuracy is not None:
            where = SET_NAMES[judged.split]
            accuracy = f", {where} accuracy {fraction(judged.scores.accuracy)}"
        return f"Candidate({self.number}: {self.kind} of trial {self.trial}{accuracy})"

    def _repr_html_(self) -> str:
        """What it is, its accuracy on each set with intervals, its params."""
        return candidate_html(self.record)


def _value(column: str, text: str) -> float | bool | str | None:
    """A cell of predictions.csv."""
    if column.startswith("p."):
        return float(text)
    if column in ("is_clean", "unlike"):
        return {"true": True, "false": False}.get(text)
    return text
