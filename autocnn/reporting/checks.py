"""What was checked beside the score: mistakes, disturbed images, where a model looks."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from autocnn.core import wording
from autocnn.core.records import CandidateRecord, Corruption, ExplainedImage, Explanation
from autocnn.reporting.candidates import figure
from autocnn.reporting.elements import (
    Cell,
    Column,
    Figure,
    Picture,
    Row,
    Section,
    Table,
    make_table,
    number_columns,
    text_columns,
)
from autocnn.reporting.facts import StudyFacts

MOST_MISTAKES = 24

MOST_RIGHT = 8


@dataclass(frozen=True)
class Example:
    """A test image with what the model said, and where it looked.

    Attributes:
        path: Of the image.
        label, predicted: True and predicted class.
        probability: Of the predicted class, in percent.
        picture: The image beside its map; None where the file is missing.
        alt: What the picture shows.
    """

    path: str
    label: str
    predicted: str
    probability: str
    picture: Picture | None
    alt: str


@dataclass(frozen=True)
class Gallery:
    """Examples of the best candidate.

    Attributes:
        note: How many mistakes there are, or why there are none to show.
        mistakes: The surest first.
        right: Images that it got right, for comparison.
    """

    note: str
    mistakes: tuple[Example, ...]
    right: tuple[Example, ...]


def view_mistakes(facts: StudyFacts, record: CandidateRecord) -> Gallery:
    """The worst mistakes of a candidate and some images that it got right."""
    explanation, accuracy = record.explanation, record.checked.scores.accuracy
    num_mistakes = None
    if accuracy is not None:
        num_mistakes = round((1 - accuracy) * record.checked.num_images)
    images = explanation.images if explanation else ()
    wrong = sorted((i for i in images if not i.is_right), key=lambda i: (-i.probability, i.path))
    right = [image for image in images if image.is_right]
    return Gallery(
        note=_note(record, num_mistakes, wrong[:MOST_MISTAKES]),
        mistakes=tuple(_example(facts, image) for image in wrong[:MOST_MISTAKES]),
        right=tuple(_example(facts, image) for image in right[:MOST_RIGHT]),
    )


def _note(
    record: CandidateRecord, num_mistakes: int | None, shown: Sequence[ExplainedImage]
) -> str:
    name = f"Candidate {record.candidate}"
    images = wording.images_of(record.checked_on, record.checked.num_images)
    if num_mistakes == 0:
        return f"{name} makes no mistake on {images}."
    taken = (
        ""
        if num_mistakes is None
        else f"{name} takes {num_mistakes:,} of {images} for another class. "
    )
    if not shown:
        return (
            f"{taken}No pictures of mistakes were made for it: its predictions stand in "
            f"candidates/{record.candidate:02d}/predictions.csv."
        )
    most = max(Counter(image.label for image in shown).values())
    return (
        f"{taken}Shown: {len(shown)}, of each true class the surest, at most {most}. On the left "
        "is the image, on the right where the model looked (Grad-CAM): the lighter, the more; the "
        "line surrounds the strongest half."
    )


def _example(facts: StudyFacts, image: ExplainedImage) -> Example:
    probability = wording.percent(image.probability)
    verdict = "rightly" if image.is_right else f"but it is {image.label}"
    return Example(
        path=image.path,
        label=image.label,
        predicted=image.predicted,
        probability=probability,
        picture=facts.examples.get(image.picture),
        alt=(
            f"Test image {image.path} and its Grad-CAM map: predicted {image.predicted} with "
            f"{probability}, {verdict}; {wording.percent(image.border_share)} of the attention is "
            "on the border."
        ),
    )


def view_robustness(
    facts: StudyFacts, best: CandidateRecord, compared: Picture | None
) -> Section | None:
    """How the candidates stand disturbed images; None where the best was not tried.

    Args:
        facts: Of the study.
        best: The best candidate.
        compared: A picture of all candidates; None: the one that the best has is shown.
    """
    table = robustness_table(best)
    if table is None:
        return None
    shown = figure(facts, best, "robustness") if compared is None else _compare_all(facts, compared)
    return Section(table=table, figure=shown, all_candidates=_drops_table(facts.candidates))


def _compare_all(facts: StudyFacts, picture: Picture) -> Figure:
    drops = [
        f"candidate {r.candidate} loses {wording.points(r.robustness.mean_drop, sign=False)}"
        for r in facts.candidates
        if r.robustness
    ]
    alt = (
        "Accuracy of all candidates under each disturbance, by strength. In points of accuracy, "
        f"on average {wording.listing(drops)}."
    )
    return Figure("robustness", "Accuracy by strength", picture, alt)


def robustness_table(record: CandidateRecord) -> Table | None:
    """Accuracy of a candidate under each disturbance, by strength; None where not measured."""
    measured = record.robustness
    if measured is None:
        return None
    strengths = sorted({c.strength for c in measured.corruptions})
    found = {(c.name, c.strength): c for c in measured.corruptions}
    rows: list[Row] = [
        [name, *(_disturbed(found.get((name, strength))) for strength in strengths)]
        for name in dict.fromkeys(c.name for c in measured.corruptions)
    ]
    images = wording.images_of(record.checked_on, measured.num_images)
    columns = [
        *text_columns("disturbance"),
        *(Column(f"strength {strength}: accuracy (points lost)") for strength in strengths),
    ]
    caption = (
        f"Accuracy of candidate {record.candidate} on {images}, disturbed; undisturbed: "
        f"{wording.percent(measured.accuracy)}. On average "
        f"{wording.points(measured.mean_drop, sign=False)} points are lost."
    )
    return make_table("disturbances", caption, columns=columns, rows=rows, is_sortable=True)


def _drops_table(candidates: Sequence[CandidateRecord]) -> Table | None:
    """Points lost under each disturbance by every candidate; None where there is but one."""
    measured = [record for record in candidates if record.robustness is not None]
    if len(measured) < 2:
        return None
    names = list(
        dict.fromkeys(c.name for r in measured if r.robustness for c in r.robustness.corruptions)
    )
    drops = [_mean_drops(record) for record in measured]
    rows: list[Row] = [
        [name, *(Cell(wording.points(d.get(name), sign=False), d.get(name)) for d in drops)]
        for name in names
    ]
    # Without values to sort by, the mean stays below the others.
    rows.append([Cell("mean"), *(Cell(wording.points(d["mean"], sign=False)) for d in drops)])
    columns = [
        *text_columns("disturbance"),
        *number_columns(*(f"candidate {record.candidate}" for record in measured)),
    ]
    caption = "Points of accuracy that each candidate loses, mean over the strengths."
    return make_table("drops", caption, columns=columns, rows=rows, is_sortable=True)


def _mean_drops(record: CandidateRecord) -> dict[str, float]:
    assert record.robustness is not None
    drops: dict[str, list[float]] = {}
    for corruption in record.robustness.corruptions:
        drops.setdefault(corruption.name, []).append(corruption.drop)
    means = {name: sum(values) / len(values) for name, values in drops.items()}
    return means | {"mean": record.robustness.mean_drop}


def _disturbed(corruption: Corruption | None) -> Cell:
    if corruption is None:
        return Cell(wording.ABSENT)
    accuracy = wording.percent(corruption.accuracy)
    drop = wording.points(corruption.drop, sign=False)
    return Cell(f"{accuracy} ({drop})", corruption.accuracy, below=corruption.setting)


def view_explanation(facts: StudyFacts, best: CandidateRecord) -> Section | None:
    """Where the candidates look; None where it was not asked of the best."""
    if best.explanation is None:
        return None
    return Section(
        sentences=looking(best),
        warnings=best.explanation.warnings,
        all_candidates=_looking_table(facts.candidates),
    )


def looking(record: CandidateRecord) -> tuple[str, ...]:
    """Where a candidate looks, in sentences; empty where it was not asked."""
    explained = record.explanation
    if explained is None:
        return ()
    sentences = [
        f"The attention of candidate {record.candidate} was measured on "
        f"{wording.images_of(record.checked_on, explained.num_images)}.",
        f"{wording.percent(explained.border_share)} of it is on the border, which is "
        f"{wording.percent(explained.border_area)} of the image: "
        f"{_compare(explained.border_share, explained.border_area)}.",
    ]
    if explained.outside_share is not None and explained.outside_area is not None:
        sentences.append(
            f"{wording.percent(explained.outside_share)} is outside the object, which is "
            f"{wording.percent(explained.outside_area)} of the image: "
            f"{_compare(explained.outside_share, explained.outside_area)}."
        )
    else:
        sentences.append("No object stands out from its background, so nothing is outside it.")
    sentences.append(
        "Maps of the same network with random weights agree with a rank correlation of "
        f"{wording.decimal(explained.randomized_similarity, 2)}: near 1, the maps would not depend "
        "on what was learned."
    )
    if explained.agreement is not None:
        sentences.append(
            "Maps of the other candidates agree with a rank correlation of "
            f"{wording.decimal(explained.agreement, 2)}."
        )
    return tuple(sentences)


def _compare(share: float, area: float) -> str:
    if share > 1.1 * area:
        return "more than no preference would give"
    return "less than no preference would give" if share < 0.9 * area else "as no preference gives"


def _looking_table(candidates: Sequence[CandidateRecord]) -> Table | None:
    """Where each candidate looks; None where there is but one."""
    explained = [(r, r.explanation) for r in candidates if r.explanation is not None]
    if len(explained) < 2:
        return None
    columns = number_columns(
        "candidate",
        "on the border",
        "the border is",
        "outside the object",
        "the outside is",
        "with random weights",
        "with other candidates",
    )
    rows = [[Cell(str(r.candidate), r.candidate), *_looking_cells(e)] for r, e in explained]
    caption = (
        "Where each candidate looks: shares of its attention beside shares of the image, and the "
        "rank correlation of its maps with others."
    )
    return make_table("looking", caption, columns=columns, rows=rows, is_sortable=True)


def _looking_cells(explained: Explanation) -> list[Cell]:
    shares = (
        explained.border_share,
        explained.border_area,
        explained.outside_share,
        explained.outside_area,
    )
    similarities = (explained.randomized_similarity, explained.agreement)
    return [
        *(Cell(wording.percent(share), share) for share in shares),
        *(Cell(wording.decimal(value, 2), value) for value in similarities),
    ]
