"""One candidate as the report shows it: its scores, its pictures with what they say, its tables."""

from dataclasses import dataclass

from autocnn.core import wording
from autocnn.core.records import CandidateRecord, ClassScores, Scores
from autocnn.reporting import names
from autocnn.reporting.checks import worst_drop
from autocnn.reporting.facts import PICTURES, StudyFacts
from autocnn.reporting.pictures import Picture
from autocnn.reporting.table import Cell, Table, make_table, text_columns
from autocnn.reporting.tables_of_candidates import calibration_table, class_table, steps_table

PICTURE_TITLES = {
    "confusion_matrix": "Confusion matrix",
    "roc": "ROC curves",
    "pr": "Precision and recall",
    "reliability": "Reliability",
    "learning_curves": "Learning curves",
    "gap": "From train to test",
    "robustness": "Disturbed images",
}


@dataclass(frozen=True)
class Figure:
    """A picture with its words.

    Attributes:
        name: `roc`, ...
        title: Above it.
        picture: None where the file is missing.
        alt: What it shows, with the number that matters.
    """

    name: str
    title: str
    picture: Picture | None
    alt: str


@dataclass(frozen=True)
class CandidatePanel:
    """One candidate, to be laid beside another one.

    Attributes:
        number: Of the candidate.
        title: Its name.
        gap: Where it loses accuracy; may be empty.
        has_pictures: Whether they are in the page.
        figures: Its pictures.
        scores: Accuracy on each set.
        classes: Scores of each class; None without any.
        calibration: Before and after; None where it was not fitted.
        params: The params of its trial.
    """

    number: int
    title: str
    gap: str
    has_pictures: bool
    figures: tuple[Figure, ...]
    scores: Table
    classes: Table | None
    calibration: Table | None
    params: Table


def candidate_panels(facts: StudyFacts) -> tuple[CandidatePanel, ...]:
    """All candidates, by rank."""
    return tuple(_panel(facts, record) for record in facts.candidates)


def figure(facts: StudyFacts, record: CandidateRecord, name: str) -> Figure:
    """One picture of a candidate, as far as it is there."""
    return Figure(
        name=name,
        title=PICTURE_TITLES[name],
        picture=facts.pictures.get((record.candidate, name)),
        alt=f"{PICTURE_TITLES[name]} of candidate {record.candidate}: {_say(facts, record, name)}",
    )


def _panel(facts: StudyFacts, record: CandidateRecord) -> CandidatePanel:
    judged = record.test_clean or record.test
    return CandidatePanel(
        number=record.candidate,
        title=names.title(record),
        gap=record.gap.sentence if record.gap else "",
        has_pictures=record in facts.pictured,
        figures=tuple(figure(facts, record, name) for name in PICTURES)
        if record in facts.pictured
        else (),
        scores=steps_table(record, name=f"steps-{record.candidate}"),
        classes=class_table(record) if judged.classes else None,
        calibration=calibration_table(record),
        params=_params(record),
    )


def _params(record: CandidateRecord) -> Table:
    rows = [[Cell(name), Cell(wording.setting(value))] for name, value in record.params.items()]
    caption = f"Params of trial {record.trial}; the others have their defaults."
    columns = text_columns("param", "value")
    return make_table(f"params-{record.candidate}", caption, columns=columns, rows=rows)


def _say(facts: StudyFacts, record: CandidateRecord, name: str) -> str:
    """What a picture of a candidate shows, with the number that matters."""
    scores: Scores = record.test.scores
    images = wording.count(record.test.num_images, "test image")
    if name == "confusion_matrix":
        return f"{wording.percent(scores.accuracy)} of {images} are right{_lowest(record)}."
    if name == "roc":
        return f"macro AUC {wording.decimal(scores.macro_auc)}{_least_area(record)}."
    if name == "pr":
        return f"macro F1 {wording.percent(scores.macro_f1)}{_least_precise(record)}."
    if name == "reliability":
        return f"probabilities are off by {wording.percent(scores.ece)} on average."
    if name == "learning_curves":
        trial = facts.trial_of(record)
        best = f", best at epoch {trial.best_epoch} of {len(trial.history)}" if trial else ""
        return (
            f"accuracy by epoch{best}; train {wording.percent(record.train.scores.accuracy)}, "
            f"val {wording.percent(record.val.scores.accuracy)}."
        )
    if name == "gap":
        return record.gap.sentence if record.gap else "accuracy on each set."
    worst = worst_drop(record)
    if worst is None:
        return "accuracy under disturbances."
    return (
        f"most is lost under {worst.name} of strength {worst.strength}: "
        f"{wording.points(worst.drop, sign=False)} points, to {wording.percent(worst.accuracy)}."
    )


def _lowest(record: CandidateRecord) -> str:
    found = [c for c in record.test.classes if c.recall is not None]
    least = min(found, key=lambda c: c.recall or 0.0, default=None)
    return f"; fewest of {_class(least)}, {wording.percent(least.recall)}" if least else ""


def _least_area(record: CandidateRecord) -> str:
    found = [c for c in record.test.classes if c.auc is not None]
    least = min(found, key=lambda c: c.auc or 0.0, default=None)
    return f"; the least is {_class(least)} with {wording.decimal(least.auc)}" if least else ""


def _least_precise(record: CandidateRecord) -> str:
    found = [c for c in record.test.classes if c.precision is not None]
    least = min(found, key=lambda c: c.precision or 0.0, default=None)
    if least is None:
        return ""
    precision, recall = wording.percent(least.precision), wording.percent(least.recall)
    return f"; least precise is {_class(least)} with {precision} at a recall of {recall}"


def _class(scores: ClassScores) -> str:
    return " ".join(scores.label.split())
