"""What a study found, how to use it, and what it takes to make it again."""

import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from autocnn.core import wording
from autocnn.core.config import StudyConfig
from autocnn.core.objective_text import function_of
from autocnn.core.own_model import kept_name, module_name
from autocnn.core.records import CandidateRecord, ScoredSet, SplitScores
from autocnn.metrics.evidence import (
    MIN_CLASS_IMAGES,
    MIN_IMAGES,
    equivalent_images,
    guessing,
    independent_images,
    is_at_chance,
)
from autocnn.reporting import names
from autocnn.reporting.candidates import steps_table, worst_class
from autocnn.reporting.elements import Cell, Row, Table, make_table, text_columns
from autocnn.reporting.facts import StudyFacts
from autocnn.reporting.programs import Taken, write_program

_PLACES: dict[ScoredSet, str] = {
    "folds": "the folds",
    "test": "test images",
    "test_clean": "clean test images",
}
"""Where the large number was measured."""

NUM_WARNINGS = 3
"""Warnings on the first screen; the rest stands in the section on the data."""

MOST_NAMED = 100
"""Classes that a sentence names."""

MACHINE_ONLY = ("data", "name", "results", "cache_dir", "cache_limit_gb", "disk_limit_gb")
"""Settings that are written elsewhere in the command, or that change no number."""


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
        more_warnings: Section and number of those beside, in words.
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
    more_warnings: tuple[tuple[str, str], ...]
    usage: Usage


def view_answer(facts: StudyFacts) -> Answer | None:
    """The answer that a study gives; None while it has no candidate."""
    best = facts.best
    if best is None:
        return None
    warnings, objective = all_warnings(facts), facts.goal.objective
    headline = leading_set(best, objective)
    return Answer(
        model=_model(facts, best),
        score_name=f"{wording.metric_name(objective)} on {_PLACES[headline.split]}",
        score=wording.metric(objective, headline.scores.of(objective)),
        interval=wording.metric_range(objective, headline.interval_of(objective)),
        score_notes=tuple(_score_notes(facts, best, headline)),
        gap=best.gap.sentence if best.gap else "",
        choice=facts.status.choice.sentences if facts.status.choice else (),
        steps=steps_table(best),
        warnings=warnings[:NUM_WARNINGS],
        more_warnings=_more_warnings(best, len(warnings[NUM_WARNINGS:])),
        usage=describe_use(facts, best),
    )


def leading_set(record: CandidateRecord, objective: str) -> SplitScores:
    """The scores that lead the report: of clean test, or of the folds where it is too small.

    Args:
        record: The best candidate.
        objective: What the search improved.
    """
    judged = record.judged
    if record.folds is None or not _has_copies(record) or _carries(record, objective):
        return judged
    return record.folds


def _has_copies(record: CandidateRecord) -> bool:
    return record.num_test_clean != record.test.num_images


def _carries(record: CandidateRecord, objective: str) -> bool:
    """Whether the clean part of test is large enough for a verdict."""
    clean = record.test_clean
    if clean is None:
        return False
    return equivalent_images(clean, record.test, objective) >= MIN_IMAGES


def all_warnings(facts: StudyFacts) -> tuple[str, ...]:
    """What may spoil the result: a model at chance, the data, where the best candidate looks."""
    audit = facts.audit.warnings if facts.audit else ()
    best = facts.best
    looks = best.explanation.warnings if best and best.explanation else ()
    return (*(_chance_warning(best) if best else ()), *audit, *looks)


def _more_warnings(best: CandidateRecord, number: int) -> tuple[tuple[str, str], ...]:
    """Where the last ones of all warnings stand: those of the data, then where it looks."""
    looks = min(number, len(best.explanation.warnings) if best.explanation else 0)
    found = (
        ("data", wording.count(number - looks, "more warning"), number - looks),
        ("explanation", f"{wording.count(looks, 'more warning')} of where it looks", looks),
    )
    return tuple((section, words) for section, words, number in found if number)


def _chance_warning(best: CandidateRecord) -> Iterator[str]:
    """That test does not show that anything was learned."""
    judged = best.judged
    if is_at_chance(judged):
        value = wording.percent_interval(judged.intervals["balanced_accuracy"])
        yield (
            f"Nothing was learned, as far as {wording.SET_NAMES[judged.split]} shows: balanced "
            f"accuracy {value}, where guessing gives {wording.percent(guessing(judged))}."
        )


def view_progress(facts: StudyFacts) -> tuple[str, ...]:
    """How far a study is that is not done, in sentences; empty when it is."""
    status = facts.status
    if status.is_done:
        return ()
    asked, ended = status.config.num_trials, [t for t in facts.trials if not t.is_open]
    number = wording.count(len(ended), "trial")
    if asked is not None:
        number = f"{len(ended):,} of {wording.count(asked, 'trial')}"
    have = "has" if len(ended) == 1 else "have"
    sentences = [f"This study is not finished. {number} {have} ended."]
    ranked = facts.goal.rank([trial for trial in ended if trial.may_win])
    if ranked:
        objective = status.config.objective
        value = wording.metric(objective, ranked[0].objective)
        sentences.append(
            f"Best so far: trial {ranked[0].trial}, {wording.metric_name(objective)} {value} on "
            "val. The best of many trials on val looks better than it is."
        )
    if facts.candidates:
        sentences.append("The candidates below are those of its last end.")
    else:
        sentences.append("No test image has been scored yet.")
    return tuple(sentences)


def describe_use(facts: StudyFacts, record: CandidateRecord) -> Usage:
    """How to load a candidate with Keras alone."""
    path = f"candidates/{record.candidate:02d}/model.keras"
    height, width, channels = input_shape(facts, record)
    kind = "grey" if channels == 1 else "RGB"
    names = facts.status.data.class_names if facts.status.data else ()
    kept = kept_name(facts.status.config.model, facts.status.model_files)
    own: tuple[str, ...] = ()
    if kept:
        own = ("import sys", 'sys.path.insert(0, "builder")', f"import {module_name(kept)}")
    program = write_program(
        "keras",
        path,
        Taken(
            channels,
            size=(width, height),
            levels=facts.status.data.levels if facts.status.data else None,
            fit=facts.status.config.fit,
        ),
        classes='json.loads(Path("study.json").read_text("utf-8"))["data"]["class_names"]',
        before=own,
    )
    needs = "Keras and your own layers, kept in builder/" if kept else "Keras alone"
    sentence = (
        f"It loads with {needs}. It takes {kind} images of "
        f"{wording.square(height, width)} as uint8, "
        f"0 to 255, in the shape (images, {height}, {width}, {channels}), and gives a probability "
        f"per class, in this order: {wording.first_few(names, limit=MOST_NAMED)}."
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
    in_all = " in all" if record.members else ""
    is_anew = record.builder is None and "backbone" not in record.params
    start = " trained from scratch," if is_anew else ""
    return (
        f"{names.title(record)}. {wording.capital(family)},{start} with "
        f"{wording.weights(record.num_weights)} weights{in_all}, for {colours} images of "
        f"{wording.square(height, width)}."
    )


def _score_notes(facts: StudyFacts, record: CandidateRecord, headline: SplitScores) -> list[str]:
    """On what the large number was measured, the other numbers, and those of all of test."""
    scores, objective = headline.scores, facts.goal.objective
    has_groups = facts.audit is not None and facts.audit.groups_across_splits > 0
    kin = "copy or image of their group" if has_groups else "copy"
    others = [
        f"{wording.METRICS[name]} {wording.metric(name, getattr(scores, name))}"
        for name in ("accuracy", "balanced_accuracy", "macro_f1", "macro_auc")
        if name != objective and getattr(scores, name) is not None
    ]
    return [
        *_measured_on(record, headline, objective, kin),
        *([f"{wording.capital(wording.listing(others))}."] if others else []),
        *_worst_class(headline),
        *_rare_classes(record.test_clean),
    ]


def _measured_on(
    record: CandidateRecord, headline: SplitScores, objective: str, kin: str
) -> Iterator[str]:
    """On what, and how much of test it is.

    Args:
        record: The best candidate.
        headline: Its scores that lead.
        objective: What the search improved.
        kin: What test images have in train or val that are not clean.
    """
    clean, test = record.test_clean, record.test
    if headline is record.folds:
        images = wording.count(headline.num_images, "image")
        yield f"Measured on {images} of train, each by a fold model that had not seen it."
        if clean is None:
            yield f"Every test image has a {kin} in train or val, so test cannot carry a verdict."
        else:
            have = "has" if clean.num_images == 1 else "have"
            yield (
                f"Only {wording.count(clean.num_images, 'test image')} {have} no {kin} in train or "
                f"val, too few for a verdict{_counted(clean)}: {_value(clean, objective)} on them."
            )
    elif clean is not None:
        yield (
            f"Measured on the {wording.count(clean.num_images, 'test image')} without a {kin} in "
            "train or val."
        )
        if not _carries(record, objective):
            yield (
                f"That is too few for a verdict{_counted(clean)}, as the rarest class decides, "
                "and there are no folds to lead with."
            )
    else:
        yield f"Measured on {wording.count(test.num_images, 'test image')}."
        if record.num_test_clean == 0:
            yield f"All of them have a {kin} in train or val: the figure says little of new images."
    if clean is not None or headline is record.folds:
        yield f"On all {test.num_images:,} test images: {_value(test, objective)}."


def _counted(scored: SplitScores) -> str:
    """That groups count as one image, where there are any."""
    has_groups = independent_images(scored) < scored.num_images
    return " where a group counts as one image" if has_groups else ""


def _worst_class(scored: SplitScores) -> Iterator[str]:
    """The class of which the fewest images are right."""
    worst = worst_class(scored)
    if worst is not None:
        yield (
            f"Worst class: {worst.label}, {wording.percent(worst.recall)} of "
            f"{wording.count(worst.num_images, 'image')} right "
            f"({wording.percent_range(worst.intervals.get('recall'))})."
        )


def _rare_classes(clean: SplitScores | None) -> Iterator[str]:
    """The classes of which clean test has too few images to speak of them alone."""
    if clean is None:
        return
    counts = sorted((independent_images(one), one.label) for one in clean.classes)
    rare = [f"{label} ({number:.0f})" for number, label in counts if number < MIN_CLASS_IMAGES]
    if rare:
        yield (
            f"Clean test has fewer than {MIN_CLASS_IMAGES} images of {wording.first_few(rare)}"
            f"{_counted(clean)}."
        )


def _value(scored: SplitScores, name: str) -> str:
    """A score with its interval."""
    value, interval = scored.scores.of(name), scored.interval_of(name)
    between = f" ({wording.metric_range(name, interval)})" if interval else ""
    return f"{wording.metric_name(name)} {wording.metric(name, value)}{between}"


@dataclass(frozen=True)
class Repeat:
    """All that repeating a study needs.

    Attributes:
        command: The command that began it.
        again: The command that repeats it from its folder.
        facts, settings, versions, machine: Names and values.
        looks: When the test split was opened, a sentence each.
    """

    command: str
    again: str
    facts: Table
    settings: Table
    versions: Table
    machine: Table | None
    looks: tuple[str, ...]


def view_repeat(facts: StudyFacts) -> Repeat:
    """What it takes to make a study again."""
    status = facts.status
    machine = {**(status.machine or {}), **(status.resources or {})}
    settings = status.config.model_dump(mode="json")
    return Repeat(
        command=command_line(status.config, facts.name),
        again=_again(facts),
        facts=_pairs("study", "The study.", _study_facts(facts)),
        settings=_pairs("settings", "Its settings, resolved.", settings.items()),
        versions=_pairs("versions", "Versions of packages.", status.versions.items()),
        machine=_pairs("machine", "The machine, and how trials share it.", machine.items())
        if machine
        else None,
        looks=_looks(facts),
    )


def _again(facts: StudyFacts) -> str:
    config = facts.status.config
    path = f"{config.results}/{facts.name}/study.json"
    words = ["autocnn", "search", "--config", path, "--name", f"{facts.name}-again"]
    words += ["--model", config.model] if config.model else []
    words += ["--objective", config.objective] if function_of(config.objective) else []
    return shlex.join(words)


def command_line(config: StudyConfig, name: str) -> str:
    """The command that asks for a study: what differs from the defaults.

    >>> command_line(StudyConfig(data="brain tumours", trials=20, budget_s=90.0), "mine")
    "autocnn search 'brain tumours' --name mine --trials 20 --budget 90s"
    """
    usual = StudyConfig(engine=config.engine).model_copy(update={"engine": StudyConfig().engine})
    words = ["autocnn", "search", config.data, "--name", name]
    for field in StudyConfig.model_fields:
        value = getattr(config, field)
        if field in MACHINE_ONLY or value == getattr(usual, field) or value is None:
            continue
        flag = "--" + field.removesuffix("_s").removesuffix("_gb").replace("_", "-")
        if isinstance(value, bool):
            words.append(flag)
        elif field.endswith("_s"):
            words += [flag, f"{value:g}s"]
        elif field.endswith("_gb"):
            words += [flag, f"{value:g}GB"]
        elif isinstance(value, tuple):
            parts = (part if isinstance(part, str) else f"{part:g}" for part in value)
            words += [flag, ",".join(parts)]
        else:
            words += [flag, str(value)]
    if str(config.results) != str(usual.results):
        words += ["--results", str(config.results)]
    return shlex.join(words)


def _study_facts(facts: StudyFacts) -> Iterator[tuple[str, object]]:
    status = facts.status
    yield "name", facts.name
    yield "begun", wording.moment(status.created)
    if status.resumed:
        yield "resumed", ", ".join(map(wording.moment, status.resumed))
    yield "state", status.status
    yield "time, all sessions", wording.duration(status.seconds)
    yield "seed", status.config.seed
    yield "most epochs per trial", status.epochs
    yield "folds", status.num_folds or "none"
    if status.data:
        height, width, channels = (*status.data.image_shape, 0, 0, 0)[:3]
        split = (f"{number:,} {name}" for name, number in status.data.split.items())
        yield "images", ", ".join(split)
        yield (
            "default size",
            f"{wording.square(height, width)}, {wording.count(channels, 'channel')}",
        )
        yield "fingerprint of the data", status.data.fingerprint
    if status.space_fingerprint:
        yield "fingerprint of the space", status.space_fingerprint


def _looks(facts: StudyFacts) -> tuple[str, ...]:
    """When the test split was opened, and for what."""
    sentences = []
    for number, look in enumerate(facts.status.test_looks, start=1):
        trials = wording.listing([str(finalist.trial) for finalist in look.finalists])
        over = "" if look.is_over else " The judging has not finished."
        further = (
            " The choice may be fitted to what an earlier opening showed." if number > 1 else ""
        )
        sentences.append(
            f"{wording.moment(look.at)}: the test split was opened for the models of trials "
            f"{trials}.{over}{further}"
        )
    return tuple(sentences)


def _pairs(name: str, caption: str, pairs: Iterable[tuple[str, object]]) -> Table:
    rows: list[Row] = [[Cell(str(key)), Cell(wording.setting(value))] for key, value in pairs]
    return make_table(name, caption, columns=text_columns("what", "value"), rows=rows)
