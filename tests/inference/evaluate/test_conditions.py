"""Conditions on an evaluation: read, compared, and what was not measured does not hold."""

import numpy as np
import pytest

from autocnn.core.errors import UsageError
from autocnn.core.records import Assessment
from autocnn.inference.evaluate.conditions import check_conditions, parse_condition
from autocnn.metrics.scores import confusion_matrix, score_split
from tests.metrics.predictions import make_predictions

CLASSES = ("benign", "of low", "low", "опухоль")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("clean accuracy low >= 0.93", ("clean", "accuracy", None, "low", ">=", 0.93)),
        ("all accuracy>=93%", ("all", "accuracy", None, "value", ">=", 0.93)),
        ("ALL balanced accuracy high > .5", ("all", "balanced_accuracy", None, "high", ">", 0.5)),
        ("all Macro AUC value >= 1", ("all", "macro_auc", None, "value", ">=", 1.0)),
        ("all log_loss high <= 0.5", ("all", "log_loss", None, "high", "<=", 0.5)),
        ("all calibration error < 5e-2", ("all", "ece", None, "value", "<", 0.05)),
        ("all recall of benign low >= 0", ("all", "recall", "benign", "low", ">=", 0.0)),
        ("all F1 of low >= 0.9", ("all", "f1", "low", "value", ">=", 0.9)),
        ("all f1 of low low >= 0.9", ("all", "f1", "low", "low", ">=", 0.9)),
        ("all ppv of of low high >= 0.9", ("all", "precision", "of low", "high", ">=", 0.9)),
        (
            "clean specificity of опухоль > 0.9",
            ("clean", "specificity", "опухоль", "value", ">", 0.9),
        ),
    ],
)
def test_a_condition_is_read(text: str, expected: tuple[object, ...]) -> None:
    one = parse_condition(text, CLASSES)
    found = (one.scored, one.metric, one.label, one.end, one.sign, one.bound)
    assert found == expected
    assert one.text == text.strip()


@pytest.mark.parametrize(
    ("text", "rule", "remedy"),
    [
        ("", "SET METRIC [low|high|value] OPERATOR NUMBER", "clean accuracy low"),
        ("accuracy >= 0.9", "with SET all or clean", "clean accuracy low"),
        ("test accuracy >= 0.9", "with SET all or clean", "clean accuracy low"),
        ("all accuracy = 0.9", "OPERATOR one of >=, <=, >, <", "clean accuracy low"),
        ("all acuracy >= 0.9", "METRIC must be one of accuracy, ", "Did you mean accuracy?"),
        ("all kappa of benign >= 0.9", "sensitivity of CLASS", "clean accuracy low"),
        ("all recal of benign >= 0.9", "sensitivity of CLASS", "Did you mean recall of CLASS?"),
        ("all recall of bening >= 0.9", "CLASS must be one of 'benign'", "Did you mean 'benign'?"),
        ("all accuracy >= much", "NUMBER must be a number, got 'much'", "0.93 or 93%"),
        ("all accuracy >= nan", "NUMBER must be a number, got 'nan'", "0.93 or 93%"),
    ],
)
def test_what_is_no_condition_is_said_with_the_rule(text: str, rule: str, remedy: str) -> None:
    with pytest.raises(UsageError) as error:
        parse_condition(text, CLASSES)
    assert rule in error.value.message
    assert remedy in error.value.remedy


def assess(**changes: object) -> Assessment:
    """An evaluation of 200 images, 50 of them seen in training; the last class has no image."""
    labels, probabilities = make_predictions(200, 4, seed=1)
    labels = np.minimum(labels, 2)
    sides = [
        score_split("test", labels[part], probabilities[part], CLASSES, num_resamples=50)
        for part in (slice(None), slice(50, None))
    ]
    facts: dict[str, object] = {
        "model": "mine",
        "study": "mine",
        "candidate": 1,
        "data": "new",
        "split": "all",
        "num_seen": 50,
        "scores": sides[0],
        "unseen": sides[1],
        "confusion": confusion_matrix(labels, probabilities, CLASSES),
        "bins": (),
    }
    return Assessment.model_validate(facts | changes)


def check(text: str, record: Assessment) -> tuple[bool, float | None, str]:
    (found,) = check_conditions(record, [parse_condition(text, CLASSES)])
    assert found.condition == text
    return found.holds, found.found, found.reason


def test_the_value_and_the_ends_are_compared() -> None:
    record = assess()
    interval = record.scores.intervals["accuracy"]
    for end, value in (("low", interval.low), ("high", interval.high), ("value", interval.value)):
        assert check(f"all accuracy {end} >= {value - 1e-9}", record) == (True, value, "")
        assert check(f"all accuracy {end} > {value + 1e-9}", record) == (False, value, "")
        assert check(f"all accuracy {end} <= {value + 1e-9}", record)[0]
        assert not check(f"all accuracy {end} < {value - 1e-9}", record)[0]
    recall = record.scores.classes[1].intervals["recall"]
    assert check("all sensitivity of of low low >= 0", record) == (True, recall.low, "")


def test_a_class_may_be_called_as_an_end() -> None:
    for text, label, end in (
        ("risk low", "risk low", "value"),
        ("risk low high", "risk low", "high"),
        ("risk high", "risk", "high"),
        ("risk value", "risk", "value"),
    ):
        found = parse_condition(f"all sensitivity of {text} >= 0.9", ["risk", "risk low"])
        assert (found.label, found.end) == (label, end), text


def test_clean_is_what_the_model_has_not_seen() -> None:
    record = assess()
    assert record.unseen is not None
    value = record.unseen.intervals["accuracy"].value
    assert value != record.scores.intervals["accuracy"].value
    assert check("clean accuracy >= 0", record) == (True, value, "")
    unseen = assess(num_seen=0, unseen=None)
    assert check("clean accuracy >= 0", unseen)[1] == unseen.scores.intervals["accuracy"].value


@pytest.mark.parametrize(
    ("text", "changes", "reason"),
    [
        ("clean accuracy >= 0", {"num_seen": 200, "unseen": None}, "all images were seen"),
        ("clean accuracy >= 0", {"num_seen": None, "unseen": None}, "name the study"),
        ("all macro auc >= 0", {}, "not defined"),
        ("all recall of опухоль >= 0", {}, "no image of 'опухоль'"),
    ],
)
def test_what_was_not_measured_does_not_hold(
    text: str, changes: dict[str, object], reason: str
) -> None:
    holds, found, said = check(text, assess(**changes))
    assert (holds, found) == (False, None)
    assert reason in said
