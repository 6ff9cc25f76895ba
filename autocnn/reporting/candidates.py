"""The candidates on the page: leaderboard, side by side, and the gap of each, taken apart."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from autocnn.core import wording
from autocnn.core.objective_text import function_of
from autocnn.core.records import (
    CandidateRecord,
    ClassScores,
    Comparison,
    Interval,
    ScoredSet,
    Scores,
    SplitScores,
)
from autocnn.reporting import names
from autocnn.reporting.elements import (
    Cell,
    Column,
    Figure,
    Row,
    Scale,
    Section,
    Table,
    make_table,
    number_columns,
    text_columns,
)
from autocnn.reporting.facts import PICTURES, StudyFacts
from autocnn.reporting.overview import MOST_ROWS as MOST_CLASSES

CAUSES = {
    "overfitting": "overfitting",
    "luck": "luck: the pick was best on val by chance",
    "luck or less training": "luck: the pick was best on val by chance; or the fold models "
    "learned from less",
    "luck or shift": "luck: the pick was best on val by chance; or test images of another kind",
    "shift": "test images of another kind, or groups that the data do not name",
    "leakage or shift": "test images of another kind (shift), or scores that were too high "
    "before (leakage)",
    "class mix": "the classes are mixed otherwise: compare them one by one",
}
PICTURE_TITLES = {
    "confusion_matrix": "Confusion matrix",
    "roc": "ROC curves",
    "pr": "Precision and recall",
    "reliability": "Reliability",
    "learning_curves": "Learning curves",
    "gap": "From train to test",
    "robustness": "Disturbed images",
}


def leaderboard_table(
    candidates: Sequence[CandidateRecord], objective: str, *, chosen: int
) -> Table:
    """All candidates, best first; ranks that test cannot distinguish are shown as ties.

    Args:
        candidates: By rank.
        objective: What the search improved.
        chosen: Number of the best candidate, by whatever decided.
    """
    judged = [record.judged for record in candidates]
    scale = None  # no bar of what has no end
    if objective != "log_loss" and function_of(objective) is None:
        scale = Scale.over([scored.interval_of(objective) for scored in judged])
    has_clean = any(record.test_clean for record in candidates)
    has_folds = any(record.cv_mean is not None for record in candidates)
    has_robustness = any(record.robustness for record in candidates)
    name, where = wording.metric_name(objective), "clean test" if has_clean else "test"
    columns = [
        Column("rank"),
        *text_columns("candidate"),
        *([Column(f"{name}, folds ± sd")] if has_folds else []),
        Column(f"{name}, val"),
        *number_columns("train", "val"),
        Column(f"{name}, {where} [95 %]"),
        *([Column(where)] if objective != "accuracy" else []),
        *(number_columns("all of test") if has_clean else []),
        *number_columns("macro AUC", "log loss", "calibration error"),
        *(number_columns("mean drop when disturbed") if has_robustness else []),
        *number_columns("weights", "ms per image", "MB"),
    ]
    rows: list[Row] = [
        [
            _rank(record),
            Cell(
                _name(record),
                record.candidate,
                below=names.family(record.params, record.builder)
                + (", chosen" if record.candidate == chosen else ""),
            ),
            *([_folds(record, objective)] if has_folds else []),
            _metric(objective, record.objective),
            _accuracy(record.train),
            _accuracy(record.val),
            _with_bar(scored, scale, objective),
            *([_accuracy(scored)] if objective != "accuracy" else []),
            *([_accuracy(record.test)] if has_clean else []),
            _metric("macro_auc", scored.scores.macro_auc),
            _metric("log_loss", scored.scores.log_loss),
            _metric("ece", scored.scores.ece),
            *([_drop(record)] if has_robustness else []),
            Cell(wording.weights(record.num_weights), record.num_weights),
            Cell(wording.decimal(record.latency_ms, 1), record.latency_ms),
            Cell(wording.decimal(record.size_mb, 1), record.size_mb),
        ]
        for record, scored in zip(candidates, judged, strict=True)
    ]
    caption = (
        f"Ranked by {name} on {'folds' if has_folds else 'val'}, behind the chosen one, never by "
        "test. =1: not distinguished from candidate 1 on test. Scores without a name are "
        "accuracies."
    )
    return make_table(
        "candidates",
        caption,
        columns=columns,
        rows=rows,
        is_sortable=True,
        scale=_reach(scale, objective) if scale else "",
    )


def steps_table(record: CandidateRecord, *, name: str = "steps") -> Table:
    """Accuracy on each set, from train to clean test, with its interval and a bar.

    Args:
        record: A candidate.
        name: Of the table, unique on the page.
    """
    steps = _steps(record)
    scale = Scale.over([interval for _, _, interval, _ in steps])
    rows: list[Row] = [
        [
            Cell(wording.SET_NAMES[scored], number),
            Cell(f"{images:,}", images),
            Cell(wording.percent_interval(interval, value), value, bar=scale.bar(interval)),
        ]
        for number, (scored, images, interval, value) in enumerate(steps)
    ]
    columns = [*text_columns("set"), *number_columns("images", "accuracy [95 %]")]
    caption = f"Accuracy of candidate {record.candidate} from train to test."
    return make_table(name, caption, columns=columns, rows=rows, scale=_reach(scale))


def losses_table(record: CandidateRecord) -> Table | None:
    """What a candidate loses from each set to the next; None where it was not measured."""
    if record.gap is None:
        return None
    rows: list[Row] = [
        [
            f"{wording.SET_NAMES[loss.start]} to {wording.SET_NAMES[loss.end]}",
            Cell(_loss(loss.loss), loss.loss.value),
            "yes" if loss.is_real else "no",
            CAUSES[loss.cause],
        ]
        for loss in record.gap.losses
    ]
    columns = [
        *text_columns("step"),
        Column("points lost [95 %]"),
        *text_columns("beyond chance", "what a loss here means"),
    ]
    caption = (
        f"Accuracy that candidate {record.candidate} loses at each step, in percentage points. "
        "Beyond chance: the interval leaves 0 out."
    )
    return make_table("losses", caption, columns=columns, rows=rows)


def view_gap(facts: StudyFacts, best: CandidateRecord) -> Section | None:
    """Where the best candidate loses accuracy, and where all do; None where not measured."""
    if best.gap is None:
        return None
    return Section(
        sentences=(best.gap.sentence,),
        table=losses_table(best),
        figure=figure(facts, best, "gap"),
        all_candidates=_gap_table(facts.candidates),
    )


def _gap_table(candidates: Sequence[CandidateRecord]) -> Table | None:
    """Points lost by every candidate at each step; None where there is but one."""
    taken = [record for record in candidates if record.gap is not None]
    if len(taken) < 2:
        return None
    losses = [loss for record in taken if record.gap for loss in record.gap.losses]
    pairs = list(dict.fromkeys((loss.start, loss.end) for loss in losses))
    columns = [
        Column("candidate"),
        *text_columns("made from"),
        *(Column(f"{wording.SET_NAMES[a]} to {wording.SET_NAMES[b]}") for a, b in pairs),
    ]
    rows: list[Row] = []
    for record in taken:
        found = {(s.start, s.end): s.loss for s in (record.gap.losses if record.gap else ())}
        rows.append(
            [
                Cell(str(record.candidate), record.candidate),
                names.making(record),
                *(Cell(_loss(found.get(p)), found[p].value if p in found else None) for p in pairs),
            ]
        )
    caption = "Points of accuracy that each candidate loses at each step [95 %]."
    return make_table("gaps", caption, columns=columns, rows=rows, is_sortable=True)


def class_table(record: CandidateRecord) -> Table:
    """Scores of each class on test, with intervals; of very many, those of least recall.

    Args:
        record: A candidate.
    """
    judged, classes = record.judged, record.judged.classes
    if len(classes) > MOST_CLASSES:
        classes = tuple(sorted(classes, key=lambda one: 1.0 if one.recall is None else one.recall))
    names = ("recall", "specificity", "precision", "f1", "auc")
    titles = ("sensitivity (recall)", "specificity", "precision", "F1", "AUC")
    rows: list[Row] = [
        [
            Cell(scores.label, scores.label, below=wording.count(scores.num_images, "image")),
            *(_class_score(scores, name) for name in names),
        ]
        for scores in classes
    ]
    caption = (
        f"Each class against the rest, on {wording.SET_NAMES[judged.split]}: candidate "
        f"{record.candidate}. Intervals are 95{wording.SPACE}%."
    )
    columns = [*text_columns("class"), *number_columns(*titles)]
    if len(classes) > MOST_CLASSES:
        caption += " Those of least recall come first; all are in classes.csv."
    return make_table(
        f"classes-{record.candidate}",
        caption,
        columns=columns,
        rows=rows,
        is_sortable=True,
        most=MOST_CLASSES,
    )


def calibration_table(record: CandidateRecord) -> Table | None:
    """Calibration before and after the temperature; None where it was not fitted."""
    fitted, judged = record.calibration, wording.SET_NAMES[record.checked_on]
    if fitted is None:
        return None
    rows: list[Row] = [
        [
            f"{name}, {when}",
            Cell(wording.percent(scores.ece), scores.ece),
            Cell(wording.decimal(scores.log_loss), scores.log_loss),
        ]
        for name, when, scores in (
            (fitted.fitted_on, "before", fitted.fitted_before),
            (fitted.fitted_on, "after", fitted.fitted_after),
            (judged, "before", fitted.test_before),
            (judged, "after", fitted.test_after),
        )
    ]
    more = "It is part of the model."
    if fitted.sharpening < 1:
        more = (
            "The mean of several models is right more often than it says: in the model it is "
            f"{fitted.sharpening:.2f} times as high."
        )
    caption = (
        f"Calibration of candidate {record.candidate}. Temperature {fitted.temperature:.2f}, "
        f"fitted on {fitted.num_images:,} images: "
        f"{wording.temperature_effect(fitted.temperature)}. {more}"
    )
    columns = [*text_columns("images"), *number_columns("calibration error", "log loss")]
    return make_table(f"calibration-{record.candidate}", caption, columns=columns, rows=rows)


def comparison_table(candidates: Sequence[CandidateRecord]) -> Table | None:
    """Every candidate against those of better rank on the same test images; None without any.

    A matrix: the row's candidate minus the column's. Pairs that test distinguishes stand out.

    Args:
        candidates: By rank.
    """
    number = sum(len(record.comparisons) for record in candidates)
    if not number:
        return None
    better = [record.candidate for record in candidates[:-1]]
    rows: list[Row] = []
    for record in candidates[1:]:
        found = {one.other: one for one in record.comparisons}
        rows.append([_name(record), *(_pair(found.get(other)) for other in better)])
    images = wording.images_of(candidates[0].checked_on, candidates[0].checked.num_images)
    metric = next(other.metric for record in candidates for other in record.comparisons)
    caption = (
        f"{wording.capital(wording.metric_name(metric))} on the same {images}: the row's candidate "
        f"minus the column's, its 95{wording.SPACE}% interval, and p. Distinguished, where the "
        "interval excludes 0, are the pairs with ≠ on colour. Intervals and p (of a permutation "
        "test, or of the interval where that is larger) are corrected for "
        f"{wording.count(number, 'comparison')}."
    )
    columns = [*text_columns("candidate"), *number_columns(*(f"minus {one}" for one in better))]
    return make_table("comparisons", caption, columns=columns, rows=rows)


def _pair(found: Comparison | None) -> Cell:
    """A pair in the matrix; empty for the pairs on its other side."""
    if found is None:
        return Cell("")
    value, _, ends = difference(found).partition(" [")
    sign = f"≠{wording.SPACE}" if found.is_told_apart else ""
    return Cell(
        f"{sign}{value}",
        note="distinguished" if found.is_told_apart else "not distinguished",
        below=f"[{ends}, p {wording.p_value(found.p_value)}",
        is_marked=found.is_told_apart,
    )


def _steps(record: CandidateRecord) -> list[tuple[ScoredSet, int, Interval | None, float | None]]:
    """Set, images, interval, accuracy: all that were scored, test too."""
    scored = [record.train, record.val, record.folds, record.test, record.test_clean]
    taken = {step.scored: step.accuracy for step in record.gap.steps} if record.gap else {}
    return [
        (s.split, s.num_images, s.intervals.get("accuracy", taken.get(s.split)), s.scores.accuracy)
        for s in scored
        if s is not None
    ]


def _reach(scale: Scale, name: str = "accuracy") -> str:
    end = "1" if wording.is_decimal(name) else f"100{wording.SPACE}%"
    return f"Bars reach from {wording.metric(name, scale.low)} to {end}."


def _rank(record: CandidateRecord) -> Cell:
    if record.tied_with is None:
        return Cell(str(record.rank), record.rank)
    note = f"not distinguished from candidate {record.tied_with} on test"
    return Cell(f"{record.rank}{wording.SPACE}={record.tied_with}", record.rank, note=note)


def _name(record: CandidateRecord) -> str:
    default = ", the default" if record.is_default else ""
    return f"{record.candidate}: {names.making(record)}{default}"


def _metric(name: str, value: float | None) -> Cell:
    return Cell(wording.metric(name, value), value)


def _accuracy(scored: SplitScores) -> Cell:
    return Cell(wording.percent(scored.scores.accuracy), scored.scores.accuracy)


def _with_bar(scored: SplitScores, scale: Scale | None, objective: str) -> Cell:
    interval, value = scored.interval_of(objective), scored.scores.of(objective)
    below = _ends(interval, partial(wording.metric, objective))
    bar = scale.bar(interval) if scale else None
    return Cell(wording.metric(objective, value), value, bar=bar, below=below)


def _folds(record: CandidateRecord, objective: str) -> Cell:
    if record.cv_mean is None:
        return Cell(wording.ABSENT)
    mean, spread = (wording.metric(objective, v) for v in (record.cv_mean, record.cv_sd))
    below = "" if record.cv_sd is None else f"± {_bare(spread)}"
    return Cell(mean, record.cv_mean, below=below)


def _bare(text: str) -> str:
    return text.removesuffix(f"{wording.SPACE}%")


def _ends(interval: Interval | None, show: Callable[[float], str]) -> str:
    """The ends of an interval for the line below its value, where the unit stands."""
    return f"{_bare(show(interval.low))} to {_bare(show(interval.high))}" if interval else ""


def _drop(record: CandidateRecord) -> Cell:
    drop = record.robustness.mean_drop if record.robustness else None
    return Cell(wording.points(drop, sign=False), drop)


def _loss(interval: Interval | None, *, sign: bool = False) -> str:
    if interval is None:
        return wording.ABSENT
    ends = (interval.value, interval.low, interval.high)
    value, low, high = (wording.points(end, sign=sign) for end in ends)
    return f"{value} [{low}, {high}]"


def _class_score(scores: ClassScores, name: str) -> Cell:
    value: float | None = getattr(scores, name)
    interval = scores.intervals.get(name)
    show = wording.decimal if name == "auc" else wording.percent
    return Cell(show(value), value, below=_ends(interval, show))


def difference(found: Comparison) -> str:
    """In percentage points, or as decimals of what is no share of images."""
    if not wording.is_decimal(found.metric):
        return _loss(found.difference, sign=True)
    ends = (found.difference.value, found.difference.low, found.difference.high)
    value, low, high = (
        wording.signed(end, places=wording.places_of(end, 3, most=5)) for end in ends
    )
    return f"{value} [{low}, {high}]"


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


def view_candidates(facts: StudyFacts) -> tuple[CandidatePanel, ...]:
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
    return CandidatePanel(
        number=record.candidate,
        title=names.title(record),
        gap=record.gap.sentence if record.gap else "",
        has_pictures=record in facts.pictured,
        figures=tuple(figure(facts, record, name) for name in PICTURES)
        if record in facts.pictured
        else (),
        scores=steps_table(record, name=f"steps-{record.candidate}"),
        classes=class_table(record) if record.judged.classes else None,
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
    scores: Scores = record.checked.scores
    images = wording.images_of(record.checked_on, record.checked.num_images)
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
    tried = record.robustness.corruptions if record.robustness else ()
    if not tried:
        return "accuracy under disturbances."
    worst = max(tried, key=lambda c: c.drop)
    return (
        f"most is lost under {worst.name} of strength {worst.strength}: "
        f"{wording.points(worst.drop, sign=False)} points, to {wording.percent(worst.accuracy)}."
    )


def worst_class(scored: SplitScores) -> ClassScores | None:
    """The class of which least is right, of equals the largest; None where all of each is."""
    found = [c for c in scored.classes if c.recall is not None and c.recall < 1]
    return min(found, key=lambda c: (c.recall, -c.num_images), default=None)


def _lowest(record: CandidateRecord) -> str:
    least = worst_class(record.checked)
    return f"; fewest of {_class(least)}, {wording.percent(least.recall)}" if least else ""


def _least_area(record: CandidateRecord) -> str:
    found = [c for c in record.checked.classes if c.auc is not None]
    least = min(found, key=lambda c: c.auc or 0.0, default=None)
    return f"; the least is {_class(least)} with {wording.decimal(least.auc)}" if least else ""


def _least_precise(record: CandidateRecord) -> str:
    found = [c for c in record.checked.classes if c.precision is not None]
    least = min(found, key=lambda c: c.precision or 0.0, default=None)
    if least is None:
        return ""
    precision, recall = wording.percent(least.precision), wording.percent(least.recall)
    return f"; least precise is {_class(least)} with {precision} at a recall of {recall}"


def _class(scores: ClassScores) -> str:
    return " ".join(scores.label.split())
