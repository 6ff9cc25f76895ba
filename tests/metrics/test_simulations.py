"""How often intervals hold the truth and verdicts are wrong, over simulated splits and studies.

docs/reliability.md has the figures.
"""

from dataclasses import dataclass

import numpy as np
import pytest

from autocnn.core.arrays import DoubleArray, IntArray
from autocnn.core.objective import Goal
from autocnn.core.records import REFIT, Part
from autocnn.metrics.scores import score, score_split
from autocnn.selection.compare import Contender, rank_contenders
from autocnn.selection.plan import Finalist, Held
from tests.samples import retrained, trial

pytestmark = pytest.mark.slow

NUM_SPLITS = 400

NAMES = ("accuracy", "balanced_accuracy", "macro_auc", "log_loss", "ece")


@dataclass(frozen=True)
class Population:
    """Images without end, and a model that is too little confident on them.

    Attributes:
        shares: Of each class.
        skill: How far the right logit stands out.
        num_images: Of each split that is drawn from it.
        most_alike: Images of one group, at most: they share their class and most of their noise.
        is_by_site: Whether groups hold all classes instead, and share how hard their images are.
    """

    shares: tuple[float, ...]
    skill: float
    num_images: int
    most_alike: int = 1
    is_by_site: bool = False

    def draw(self, rng: np.random.Generator, number: int) -> tuple[IntArray, DoubleArray, IntArray]:
        """Labels, probabilities and groups of some images."""
        sizes = rng.integers(1, self.most_alike + 1, number)
        groups = np.repeat(np.arange(number), sizes)[:number]
        labels = rng.choice(len(self.shares), number, p=self.shares)
        own, shared = rng.normal(size=(2, number, len(self.shares)))
        if self.is_by_site:
            own[np.arange(number), labels] += 2 * shared[groups, 0]
        elif self.most_alike > 1:
            labels, own = labels[groups], 0.6 * own + 0.8 * shared[groups]
        logits = own
        logits[np.arange(number), labels] += self.skill
        raised = np.exp(1.3 * logits)
        return labels, raised / raised.sum(axis=1, keepdims=True), groups


POPULATIONS = {
    "78 images": Population((0.27, 0.73), 1.5, 78),
    "20 per class": Population((0.25,) * 4, 2.0, 80),
    "300 in groups": Population((0.2, 0.3, 0.5), 2.0, 300, most_alike=6),
    "600 of sites with all classes": Population((0.3, 0.3, 0.4), 1.0, 600, 10, is_by_site=True),
    "1,000 images": Population((0.1, 0.2, 0.3, 0.4), 2.5, 1000),
}


def coverage(population: Population) -> dict[str, float]:
    """How many of the intervals of a population's splits hold the truth."""
    rng = np.random.default_rng(7)
    labels, probabilities, _ = population.draw(rng, 200_000)
    truth = score(labels, probabilities)
    is_right = probabilities.argmax(axis=1) == labels
    recalls = [is_right[labels == label].mean() for label in range(len(population.shares))]
    held: dict[str, list[bool]] = {name: [] for name in (*NAMES, "sensitivity")}
    for seed in range(NUM_SPLITS):
        labels, probabilities, groups = population.draw(rng, population.num_images)
        names = [str(label) for label in range(len(population.shares))]
        scored = score_split(
            "test", labels, probabilities, names, groups=groups, num_resamples=400, seed=seed
        )
        for name in NAMES:
            interval = scored.intervals[name]
            held[name].append(interval.low <= getattr(truth, name) <= interval.high)
        for one, recall in zip(scored.classes, recalls, strict=True):
            interval = one.intervals["recall"]
            held["sensitivity"].append(interval.low <= recall <= interval.high)
    return {name: float(np.mean(values)) for name, values in held.items()}


@pytest.mark.parametrize("name", POPULATIONS)
def test_intervals_hold_the_truth_as_often_as_they_say(name: str) -> None:
    # 93 to 97 %; 400 splits know a coverage to 1.1 points.
    found = coverage(POPULATIONS[name])
    assert all(0.92 <= share <= 0.98 for share in found.values()), found


# -- verdicts ---------------------------------------------------------------------------------

NUM_STUDIES, NUM_IMAGES, NUM_FOLDS = 1000, 150, 3

PART = 250
"""Of the studies without `--full`."""


def make_study(seed: int, num_rivals: int) -> tuple[list[Finalist], Held]:
    """Finalists that are equally good: the default, and others that err on their own images."""
    rng = np.random.default_rng(seed)
    labels = np.arange(NUM_IMAGES) % 3
    difficulty = rng.normal(size=(NUM_IMAGES, 3))
    groups = np.arange(NUM_IMAGES) // rng.integers(1, 3)
    finalists = []
    for number in range(num_rivals + 1):
        logits = difficulty + 0.7 * rng.normal(size=(NUM_IMAGES, 3))
        logits[np.arange(NUM_IMAGES), labels] += 2.2
        raised = np.exp(logits)
        probabilities = raised / raised.sum(axis=1, keepdims=True)
        parts = (REFIT, *map(Part, range(1, NUM_FOLDS + 1)))
        finalists.append(
            Finalist(
                trial(number),
                epochs=2,
                is_default=number == 0,
                records={part: retrained(number, part) for part in parts},
                predictions={"val": probabilities[:30], "folds": probabilities},
            )
        )
    size = NUM_IMAGES // NUM_FOLDS
    return finalists, Held(labels[:30], labels, groups, (size,) * NUM_FOLDS)


def test_equals_are_seldom_called_better(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """Without ensembles, which of equals that err apart are truly better."""

    def no_ensemble(*arguments: object) -> Contender | None:
        return None

    monkeypatch.setattr("autocnn.selection.compare._ensemble", no_ensemble)
    claims = []
    for seed in range(NUM_STUDIES if request.config.getoption("--full") else PART):
        finalists, held = make_study(seed, num_rivals=3)
        goal = Goal("balanced_accuracy")
        _, sentences = rank_contenders(finalists, held, goal, seed=seed)
        claims.append("is better than the space's default" in sentences[-1])
    assert np.mean(claims) <= 0.05
