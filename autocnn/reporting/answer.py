"""The first screen: the best model, how good it is, what to mind, how to use it."""

from dataclasses import dataclass

from autocnn.core import wording
from autocnn.core.own_model import kept_name, module_name
from autocnn.core.records import CandidateRecord, Interval, Scores, SplitScores, TrialState
from autocnn.reporting import names
from autocnn.reporting.facts import StudyFacts
from autocnn.reporting.table import Table
from autocnn.reporting.tables_of_candidates import steps_table

NUM_WARNINGS = 3
"""Warnings on the first screen; the rest stands in the section on the data."""


@dataclass(frozen=True)
class Usage:
    """How to use the best model.

    Attributes:
        model_path: In the study's folder.
        has_model: Whether it is there.
        sentence: What goes in and what comes out.
        program: Python that predicts one image, without autocnn.
    """

    model_path: str
    has_model: bool
    sentence: str
    program: str


@dataclass(frozen=True)
class Answer:
    """The first screen of a study that has candidates.

    Attributes:
        model: What the best model is, a sentence.
        score_name: What was measured: `accuracy on clean test images`.
        score: Large.
        interval: Its two ends.
        score_notes: On how many images, and what the other sets say.
        gap: Where accuracy is lost; empty where it was not taken apart.
        choice: Why this candidate, sentences.
        steps: Accuracy on each set.
        warnings: The first few.
        more_warnings: How many there are beside.
        usage: How to use it.
    """

    model: str
    score_name: str
    score: str
    interval: str
    score_notes: tuple[str, ...]
    gap: str
    choice: tuple[str, ...]
    steps: Table
    warnings: tuple[str, ...]
    more_warnings: int
    usage: Usage


def answer(facts: StudyFacts) -> Answer | None:
    """The answer that a study gives; None while it has no candidate."""
    best = facts.best
    if best is None:
        return None
    warnings = all_warnings(facts)
    judged = best.test_clean or best.test
    name = "clean test" if best.test_clean else "test"
    return Answer(
        model=_model(facts, best),
        score_name=f"accuracy on {name} images",
        score=wording.percent(judged.scores.accuracy),
        interval=wording.percent_range(judged.intervals.get("accuracy")),
        score_notes=tuple(_score_notes(best)),
        gap=best.gap.sentence if best.gap else "",
        choice=facts.status.choice.sentences if facts.status.choice else (),
        steps=steps_table(best),
        warnings=warnings[:NUM_WARNINGS],
        more_warnings=len(warnings[NUM_WARNINGS:]),
        usage=usage(facts, best),
    )


def all_warnings(facts: StudyFacts) -> tuple[str, ...]:
    """What may spoil the result: of the data, then of where the best candidate looks."""
    audit = facts.audit.warnings if facts.audit else ()
    best = facts.best
    return (*audit, *(best.explanation.warnings if best and best.explanation else ()))


def progress(facts: StudyFacts) -> tuple[str, ...]:
    """How far a study is that is not done, in sentences; empty when it is."""
    status = facts.status
    if status.is_done:
        return ()
    asked, ended = status.config.trials, [trial for trial in facts.trials if not trial.is_open]
    sentences = [
        f"This study is not finished. {len(ended)} of {wording.count(asked, 'trial')} have ended."
    ]
    complete = [trial for trial in ended if trial.state == TrialState.COMPLETE]
    ranked = facts.goal.rank(complete)
    if ranked:
        objective = status.config.objective
        value = wording.metric(objective, ranked[0].objective)
        sentences.append(
            f"Best so far: trial {ranked[0].trial}, {wording.METRICS[objective]} {value} on val. "
            "The best of many trials on val looks better than it is."
        )
    if facts.candidates:
        sentences.append("The candidates below are those of its last end.")
    else:
        sentences.append("No test image has been scored yet.")
    return tuple(sentences)


def usage(facts: StudyFacts, record: CandidateRecord) -> Usage:
    """How to load a candidate with Keras alone."""
    path = f"candidates/{record.candidate:02d}/model.keras"
    height, width, channels = input_shape(facts, record)
    mode, kind = ("L", "grey") if channels == 1 else ("RGB", "RGB")
    grow = "[None, :, :, None]" if channels == 1 else "[None]"
    names = facts.status.data.class_names if facts.status.data else ()
    kept = kept_name(facts.status.config.model, facts.status.model_files)
    own: tuple[str, ...] = ()
    if kept:
        own = ("import sys", 'sys.path.insert(0, "builder")', f"import {module_name(kept)}")
    program = "\n".join(
        (
            *own,
            "import keras, numpy",
            "from PIL import Image",
            f'model = keras.saving.load_model("{path}")',
            f'image = Image.open("image.png").convert("{mode}")',
            f"image = image.resize(({width}, {height}), Image.BILINEAR)",
            f"print(model.predict(numpy.array(image){grow}))",
        )
    )
    needs = "Keras and your own layers, kept in builder/" if kept else "Keras alone"
    sentence = (
        f"It loads with {needs}. It takes {kind} images of "
        f"{wording.square(height, width)} as uint8, "
        f"0 to 255, in the shape (images, {height}, {width}, {channels}), and gives a probability "
        f"per class, in this order: {', '.join(names)}."
    )
    return Usage(path, record.candidate in facts.models, sentence, program)


def input_shape(facts: StudyFacts, record: CandidateRecord) -> tuple[int, int, int]:
    """Height, width and channels of a candidate's images; 0 where they are not known."""
    data = facts.status.data
    height, width, channels = data.image_shape if data else (0, 0, 0)
    return (record.image_size or height, record.image_size or width, channels)


def _model(facts: StudyFacts, record: CandidateRecord) -> str:
    height, width, channels = input_shape(facts, record)
    colours = "grey" if channels == 1 else "RGB"
    family = names.family(record.params, record.builder)
    in_all = "" if record.kind == "refit" else " in all"
    is_anew = record.builder is None and record.params.get("family") != "pretrained"
    start = " trained from scratch," if is_anew else ""
    return (
        f"{names.title(record)}. {family[0].upper()}{family[1:]},{start} with "
        f"{wording.weights(record.num_weights)} weights{in_all}, for {colours} images of "
        f"{wording.square(height, width)}."
    )


def _score_notes(record: CandidateRecord) -> list[str]:
    """On what the large number was measured, and the other numbers of test."""
    notes = []
    clean, test = record.test_clean, record.test
    if clean:
        notes.append(
            f"Measured on the {wording.count(clean.num_images, 'test image')} that have no copy "
            f"in train or val. On all {test.num_images:,}: {_accuracy(test)}."
        )
    else:
        notes.append(f"Measured on {wording.count(test.num_images, 'test image')}.")
    scores = (clean or test).scores
    others = [
        f"{wording.METRICS[name]} {wording.metric(name, getattr(scores, name))}"
        for name in ("balanced_accuracy", "macro_f1", "macro_auc")
        if getattr(scores, name) is not None
    ]
    if others:
        sentence = wording.listing(others)
        notes.append(f"{sentence[0].upper()}{sentence[1:]}.")
    return notes


def _accuracy(scored: SplitScores) -> str:
    interval: Interval | None = scored.intervals.get("accuracy")
    values: Scores = scored.scores
    between = f" ({wording.percent_range(interval)})" if interval else ""
    return f"{wording.percent(values.accuracy)}{between}"
