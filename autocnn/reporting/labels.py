"""Labels that look wrong, on the page: the image, its label, what the models say, how sure."""

from dataclasses import dataclass

from autocnn.core import wording
from autocnn.core.records import LabelIssue
from autocnn.reporting.elements import Picture
from autocnn.reporting.facts import StudyFacts

MOST_SHOWN = 24


@dataclass(frozen=True)
class Suspect:
    """An image whose label looks wrong.

    Attributes:
        path: Of the image.
        label: As it is given.
        label_probability: Of the label.
        predicted: What the models take it for.
        predicted_probability: Of that.
        picture: None where there is none.
        alt: What the picture shows.
    """

    path: str
    label: str
    label_probability: str
    predicted: str
    predicted_probability: str
    picture: Picture | None
    alt: str


@dataclass(frozen=True)
class LabelsView:
    """What the page says of the labels.

    Attributes:
        note: How many look wrong, and what can be done; or why they were not checked.
        suspects: The most doubtful first.
    """

    note: str
    suspects: tuple[Suspect, ...]


def view_labels(facts: StudyFacts) -> LabelsView:
    """The labels of a study that look wrong."""
    if facts.label_issues is None:
        if facts.labels_problem:
            return LabelsView(f"The labels cannot be shown. {facts.labels_problem}", ())
        return LabelsView(
            "The labels were not checked: that takes models that have not learned from the image, "
            "so folds, and a study that has learned something.",
            (),
        )
    suspects = [issue for issue in facts.label_issues if issue.is_suspect]
    if not suspects:
        return LabelsView("No label of train and val looks wrong.", ())
    shown = suspects[:MOST_SHOWN]
    look = "label of train and val looks" if len(suspects) == 1 else "labels of train and val look"
    others = "" if len(shown) == len(suspects) else f" Shown: the {len(shown)} most doubtful."
    return LabelsView(
        f"{len(suspects):,} {look} wrong: models that have not learned from the image take it for "
        f"another class.{others} label_issues.csv lists them all. An image may be right and only "
        "hard: look at each. Write yes into the column drop of those that are wrong, and a search "
        "with --drop-labels leaves them out. Test images are not checked, and never left out.",
        tuple(_suspect(facts, issue) for issue in shown),
    )


def _suspect(facts: StudyFacts, issue: LabelIssue) -> Suspect:
    own = wording.percent(issue.label_probability)
    other = wording.percent(issue.predicted_probability)
    return Suspect(
        path=issue.path,
        label=issue.label,
        label_probability=own,
        predicted=issue.predicted,
        predicted_probability=other,
        picture=facts.label_pictures.get(issue.picture),
        alt=(
            f"Image {issue.path} of {issue.split}: its label is {issue.label} ({own}), predicted "
            f"is {issue.predicted} ({other})."
        ),
    )
