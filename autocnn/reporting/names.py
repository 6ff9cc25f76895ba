"""What networks and candidates are called in tables, titles and sentences."""

from autocnn.core.own_model import short_name
from autocnn.core.records import CandidateRecord, Params
from autocnn.core.wording import count, images_of
from autocnn.spaces.knobs import Settings

FAMILIES = {
    "plain": "plain CNN",
    "resnet": "residual CNN",
    "separable": "separable CNN",
    "pretrained": "pretrained network",
    "frozen": "logistic regression on pretrained features",
}

PICTURES = {
    "confusion_matrix": "Confusion matrix",
    "roc": "ROC, one class against the rest",
    "pr": "Precision and recall",
    "learning_curves": "Learning curves",
    "reliability": "Reliability",
    "robustness": "Disturbed images",
    "gap": "Where accuracy is lost",
}
"""What each picture of a candidate shows."""


def family(params: Params, builder: str | None = None) -> str:
    """What kind of network some params make; of the user's own, that of a builder."""
    if builder is not None:
        return f"own model {short_name(builder)}"
    settings = Settings({name: value for name, value in params.items() if name == "family"})
    name = settings.text("family")
    words = FAMILIES.get(name, name)
    backbone = params.get("backbone")
    return f"{words} ({backbone})" if backbone else words


def making(record: CandidateRecord) -> str:
    """How a candidate was made, short: a part of a table or a title."""
    if record.kind == "refit":
        return f"trial {record.trial}, retrained"
    if record.kind == "refits":
        number = sum(member.member > 0 for member in record.members)
        own = " and its own model" if number < len(record.members) else ""
        return f"trial {record.trial}, mean of {count(number, 'refit')}{own}"
    if record.kind == "trial":
        return f"trial {record.trial}, not retrained"
    if record.kind == "folds":
        number = len(record.members)
        return (
            f"trial {record.trial}, mean of {number} fold models"
            if number
            else (f"trial {record.trial}, mean of its fold models")
        )
    trials = sorted({member.trial for member in record.members})
    if len(trials) == 1:
        return f"ensemble of {count(len(record.members), 'model')} of trial {trials[0]}"
    names = ", ".join(map(str, trials))
    return f"ensemble of {count(len(record.members), 'model')} of trials {names}"


def title(record: CandidateRecord) -> str:
    """A candidate's name: its number and how it was made."""
    default = ", the default configuration" if record.is_default else ""
    return f"Candidate {record.candidate}: {making(record)}{default}"


def picture_title(name: str, record: CandidateRecord) -> str:
    """The title of a candidate's picture: what it shows, of what, on which images.

    Args:
        name: A key of `PICTURES`.
        record: The candidate.
    """
    text = f"{PICTURES[name]}: candidate {record.candidate} ({making(record)})"
    if name in ("learning_curves", "gap"):
        return text
    number = record.checked.num_images
    if name == "robustness" and record.robustness is not None:
        number = record.robustness.num_images
    return f"{text}, {images_of(record.checked_on, number)}"
