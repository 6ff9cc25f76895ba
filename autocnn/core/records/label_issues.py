"""Labels that models doubt which have not learned from them."""

from autocnn.core.records.base import Record, SplitName


class LabelIssue(Record):
    """A row of label_issues.csv.

    Attributes:
        path: Of the image.
        label: As it is given.
        predicted: What the models take it for.
        label_probability, predicted_probability: Of these two, by the mean of the finalists.
        split: Where the image is; never test.
        is_suspect: Whether the label is likely wrong.
        picture: File in `label_issues/` of the study; empty where there is none.
    """

    path: str
    label: str
    predicted: str
    label_probability: float
    predicted_probability: float
    split: SplitName
    is_suspect: bool
    picture: str = ""
