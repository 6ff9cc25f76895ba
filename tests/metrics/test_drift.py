"""Drift: quiet where there is none, loud where there is some, whatever the batches."""

from typing import Any

import numpy as np
import pytest

from autocnn.core.records import Familiarity
from autocnn.metrics.drift import Drift, DriftCounter
from autocnn.metrics.familiarity import quantiles_of

CLASSES = ("a", "b", "c")
SHARES = {"a": 0.5, "b": 0.3, "c": 0.2}


def distances(number: int, *, seed: int, shift: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.asarray(np.clip(rng.gamma(2.0, 0.05, number) + shift, 0, 2), np.float32)


def predictions(number: int, shares: Any = SHARES, *, seed: int) -> np.ndarray:
    """Sure ones, of classes with these shares."""
    rng = np.random.default_rng(seed)
    return np.eye(3)[rng.choice(3, number, p=[shares[name] for name in CLASSES])]


def familiarity(number: int = 400, *, seed: int = 0, **changes: Any) -> Familiarity:
    """As of a study with so many unseen test images."""
    found = distances(number, seed=seed)
    threshold = float(np.quantile(distances(20_000, seed=99), 0.99))
    facts: dict[str, Any] = {
        "neighbours": 5,
        "num_reference": 512,
        "threshold": threshold,
        "val_share": 0.01,
        "test_share": 0.01,
        "unseen_share": float((found > threshold).mean()),
        "unseen_quantiles": quantiles_of(found),
        "num_unseen": number,
    }
    return Familiarity(**(facts | changes))


def count(
    shown: np.ndarray, far: np.ndarray | None, *, facts: Familiarity | None, batch: int = 1000
) -> Drift:
    counter = DriftCounter(CLASSES, facts, SHARES, 600)
    for start in range(0, len(shown), batch):
        part = slice(start, start + batch)
        counter.add(shown[part], None if far is None else far[part])
    return counter.result()


def numbers(found: Drift) -> list[float]:
    """All that was measured."""
    intervals = [found.unlike, found.expected_unlike, found.farther]
    for shift in found.classes:
        intervals += [shift.here, shift.study, shift.difference]
    ends = [end for one in intervals if one is not None for end in (one.value, one.low, one.high)]
    assert found.class_p_value is not None
    return [found.num_images, found.class_p_value, *ends]


def test_images_like_those_of_the_study_seldom_alarm() -> None:
    alarms = np.zeros(3)
    for seed in range(200):
        facts = familiarity(seed=1000 + seed)
        shown, far = predictions(300, seed=seed), distances(300, seed=seed)
        counter = DriftCounter(CLASSES, facts, SHARES, 1e9)
        counter.add(shown, far)
        found = counter.result()
        assert found.class_p_value is not None
        alarms += [found.is_unlike, found.is_farther, found.class_p_value < 0.05]
    assert alarms[0] / 200 <= 0.05
    assert 0.005 <= alarms[1] / 200 <= 0.05  # one side of 95 %
    assert 0.01 <= alarms[2] / 200 <= 0.1


def test_a_shift_within_what_is_familiar_is_seen() -> None:
    found = count(predictions(300, seed=1), distances(300, seed=1, shift=0.03), facts=familiarity())
    assert found.is_farther
    assert found.farther is not None
    ours, theirs = distances(300, seed=1, shift=0.03), distances(400, seed=0)
    pairs = (ours[:, None] > theirs[None, :]).mean()
    assert found.farther.value == pytest.approx(pairs, abs=0.01)
    assert found.is_shifted
    assert "they lie farther out" in " ".join(found.sentences)
    assert "scores may not hold" in found.sentences[-1]


def test_the_interval_of_the_pairs_is_that_of_a_bootstrap() -> None:
    rng = np.random.default_rng(0)
    ours, theirs = distances(200, seed=5, shift=0.01), distances(400, seed=0)
    found = count(predictions(200, seed=5), ours, facts=familiarity())
    drawn = [
        (rng.choice(ours, 200)[:, None] > rng.choice(theirs, 400)[None, :]).mean()
        for _ in range(400)
    ]
    assert found.farther is not None
    low, high = np.percentile(drawn, [2.5, 97.5])
    assert found.farther.low == pytest.approx(low, abs=0.015)
    assert found.farther.high == pytest.approx(high, abs=0.015)


def test_other_pictures_are_unlike() -> None:
    found = count(predictions(80, seed=1), distances(80, seed=1, shift=1.0), facts=familiarity())
    assert found.unlike is not None
    assert (found.unlike.value, found.is_unlike, found.is_farther) == (1.0, True, True)
    assert "more than chance explains" in found.sentences[0]


def test_other_cases_change_the_classes() -> None:
    shares = {"a": 0.3, "b": 0.3, "c": 0.4}
    found = count(predictions(500, shares, seed=1), distances(500, seed=1), facts=familiarity())
    assert found.class_p_value is not None
    assert found.class_p_value < 0.001
    assert {one.label for one in found.classes[:2]} == {"a", "c"}
    assert not found.is_unlike
    assert "'c' 0.390 in place of 0.200 (+0.1" in found.sentences[2]
    assert "'b'" not in found.sentences[2]
    assert found.sentences[-1].startswith("The mix of classes is another one")


def test_batches_do_not_matter_and_unreadable_images_do_not_count() -> None:
    shown, far = predictions(103, seed=3), distances(103, seed=3)
    shown[10], far[10] = np.nan, np.nan
    keep = np.arange(103) != 10
    whole = count(shown, far, facts=familiarity())
    assert whole.num_images == 102
    batched = count(shown, far, facts=familiarity(), batch=7)
    assert batched.sentences == whole.sentences
    assert numbers(batched) == pytest.approx(numbers(whole))
    assert count(shown[keep], far[keep], facts=familiarity()).sentences == whole.sentences


def test_copies_of_one_image_are_counted_in_the_middle() -> None:
    facts = familiarity(unseen_quantiles=(0.0, 0.0, 0.0, 0.0, 0.5), num_unseen=5, unseen_share=0.0)
    counter = DriftCounter(CLASSES, facts, SHARES, 600)
    counter.add(predictions(50, seed=1), np.zeros(50, np.float32))
    farther = counter.result().farther
    assert farther is not None
    assert farther.value == pytest.approx(0.375)


def test_equals_are_equal_though_the_study_s_were_rounded() -> None:
    far = np.full(100, 0.12345632, np.float32)
    found = count(
        predictions(50, seed=1), far[:50], facts=familiarity(unseen_quantiles=quantiles_of(far))
    )
    assert found.farther is not None
    assert found.farther.value == pytest.approx(0.5)
    assert not found.is_farther


@pytest.mark.parametrize("number", [1, 2, 3, 8])
def test_a_few_images_like_those_of_the_study_seldom_lie_farther_out(number: int) -> None:
    facts, alarms = familiarity(200), 0
    for seed in range(300):
        found = count(predictions(number, seed=seed), distances(number, seed=seed), facts=facts)
        alarms += found.is_farther
    assert alarms <= 0.06 * 300
    all_far = np.full(8, 2.0, np.float32)
    assert count(predictions(8, seed=1), all_far, facts=facts).is_farther


@pytest.mark.parametrize("changes", [{"unseen_quantiles": (), "num_unseen": 0}, None])
def test_what_an_older_study_did_not_keep_is_said(changes: dict[str, Any] | None) -> None:
    facts = None if changes is None else familiarity(**changes)
    far = None if changes is None else distances(90, seed=1)
    found = count(predictions(90, seed=1), far, facts=facts)
    assert found.farther is None
    words = " ".join(found.sentences)
    assert ("earlier version" in words) == (changes is not None)
    assert ("the model cannot say" in words) == (changes is None)


def test_without_images_or_counts_nothing_is_compared() -> None:
    empty = DriftCounter(CLASSES, familiarity(), SHARES, 600).result()
    assert empty.sentences == ("No image could be read: there is nothing to compare.",)
    assert not empty.is_shifted
    unknown = DriftCounter(CLASSES, familiarity(), {}, 0)
    unknown.add(predictions(50, seed=1), distances(50, seed=1))
    assert unknown.result().class_p_value is None
    few = DriftCounter(CLASSES, None, SHARES, 600)
    few.add(predictions(2, seed=1), None)
    assert few.result().class_p_value is None
    assert "too few" in few.result().sentences[1]
