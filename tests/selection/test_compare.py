"""The choice among finalists: on folds, the best or the simplest near it, in words."""

import tracemalloc
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from numpy.typing import NDArray

from autocnn.core.arrays import FloatArray
from autocnn.core.config import Prefer
from autocnn.core.objective import Goal
from autocnn.core.records import OWN, REFIT, Part
from autocnn.core.wording import fraction_interval
from autocnn.metrics.calibration import apply_temperature, calibrate, fit_temperature
from autocnn.metrics.comparison import compare, standard_error
from autocnn.metrics.ensembles import choose_ensemble, fit_disagreement, temperature_of_mean
from autocnn.metrics.scores import score, score_split
from autocnn.selection.compare import Contender, describe, rank_contenders
from autocnn.selection.plan import Finalist, Held, OnDemand, SeenSet
from tests.samples import retrained, trial

NUM_IMAGES, NUM_FOLDS = 600, 3
GOAL = Goal("accuracy")

HELD = Held(
    val_labels=np.arange(60) % 2,
    labels=np.arange(NUM_IMAGES) % 2,
    groups=np.arange(NUM_IMAGES),
    fold_sizes=(200, 200, 200),
)


def predict(
    labels: NDArray[np.integer], wrong: NDArray[np.integer], *, sure: float = 0.9
) -> NDArray[np.float64]:
    """Probabilities that are right but for the images in `wrong`."""
    predicted = labels.copy()
    predicted[wrong] = 1 - predicted[wrong]
    return np.where(np.eye(2, dtype=bool)[predicted], sure, 1 - sure)


def finalist(
    number: int,
    *,
    wrong: NDArray[np.integer],
    num_weights: int = 1000,
    sure: float = 0.9,
    is_default: bool = False,
) -> Finalist:
    records = {
        part: retrained(number, part).model_copy(update={"num_weights": num_weights})
        for part in (REFIT, *map(Part, (1, 2, 3)))
    }
    return Finalist(
        trial(number),
        epochs=2,
        is_default=is_default,
        records=records,
        predictions={
            "val": predict(HELD.val_labels, np.arange(3)),
            "folds": predict(HELD.labels, wrong, sure=sure),
        },
    )


def spread(number: int, *, start: int = 0) -> NDArray[np.integer]:
    """As many images in each fold, but for a few, so that folds differ a little."""
    return np.concatenate(
        [
            np.arange(start, start + number + extra) + 200 * fold
            for fold, extra in enumerate((-3, 0, 3))
        ]
    )


def rank(
    *finalists: Finalist, held: Held = HELD, goal: Goal = GOAL, prefer: Prefer = "score"
) -> tuple[list[Contender], tuple[str, ...]]:
    return rank_contenders(finalists, held, goal, seed=0, prefer=prefer)


def test_each_finalist_gives_a_refit_and_the_mean_of_its_folds() -> None:
    contenders, _ = rank(
        finalist(4, wrong=spread(20)), finalist(0, wrong=spread(60), is_default=True)
    )
    kinds = [(c.kind, c.leader.number) for c in contenders if c.kind != "ensemble"]
    assert sorted(kinds) == [("folds", 0), ("folds", 4), ("refit", 0), ("refit", 4)]
    folds = next(c for c in contenders if c.kind == "folds" and c.leader.number == 4)
    assert folds.num_weights == NUM_FOLDS * 1000


def test_the_mean_and_the_deviation_are_those_of_the_folds() -> None:
    contenders, _ = rank(finalist(4, wrong=spread(20)))
    scores = [1 - 17 / 200, 1 - 20 / 200, 1 - 23 / 200]
    assert contenders[0].fold_scores == pytest.approx(scores)
    assert contenders[0].cv_mean == pytest.approx(np.mean(scores))
    assert contenders[0].cv_sd == pytest.approx(np.std(scores, ddof=1))


def test_the_best_is_chosen_and_what_the_simplest_costs_is_said() -> None:
    large = finalist(4, wrong=spread(20), num_weights=1_000_000)
    small = finalist(7, wrong=spread(21, start=20), num_weights=20_000)
    contenders, sentences = rank(large, small)
    best = next(c for c in contenders if c.kind != "ensemble")
    assert best.leader == large
    assert sentences[0].startswith("Candidate 1 (")
    assert "is the best on 3 folds: accuracy 0." in sentences[0]
    number = 1 + [c.num_weights for c in contenders].index(20_000)
    assert sentences[1].startswith(
        f"The simplest is candidate {number} (the refit of trial 7, 0.02 M weights): accuracy -"
    )


def test_the_simplest_within_one_standard_error_is_chosen_on_demand() -> None:
    large = finalist(4, wrong=spread(20), num_weights=1_000_000)
    small = finalist(7, wrong=spread(21, start=20), num_weights=20_000)
    contenders, sentences = rank(large, small, prefer="simple")
    assert (contenders[0].kind, contenders[0].leader) == ("refit", small)
    assert (
        "Candidate 1 (the refit of trial 7, 0.02 M weights) is the simplest within"
        in (sentences[0])
    )
    assert "accuracy 0.8950 ± 0.0150" in sentences[0]
    assert sentences[1].startswith("The best is candidate 2 (")
    assert "accuracy +0." in sentences[1]


def test_the_default_that_is_chosen_for_its_size_is_not_said_to_be_the_best() -> None:
    large = finalist(4, wrong=spread(20), num_weights=1_000_000)
    small = finalist(7, wrong=spread(21, start=20), num_weights=20_000, is_default=True)
    _, sentences = rank(large, small, prefer="simple")
    assert sentences[-1] == "It is the space's default configuration."


def test_a_small_network_that_is_worse_by_more_is_not_chosen() -> None:
    large = finalist(4, wrong=spread(20), num_weights=1_000_000)
    small = finalist(7, wrong=spread(40), num_weights=20_000)
    contenders, sentences = rank(large, small, prefer="simple")
    assert (contenders[0].kind, contenders[0].leader) == ("refit", large)
    assert "is the best on 3 folds" in sentences[0]


def test_one_that_loses_on_the_same_images_is_not_near() -> None:
    """Folds of .93, .95, .97 against .92, .94, .96: each loses, so the spread is no error."""
    wrong = [np.arange(n) + 200 * fold for fold, n in enumerate((14, 10, 6))]
    more = [np.arange(n) + 200 * fold for fold, n in enumerate((16, 12, 8))]
    large = finalist(4, wrong=np.concatenate(wrong), num_weights=1_000_000)
    small = finalist(7, wrong=np.concatenate(more), num_weights=20_000)
    contenders, _ = rank(large, small, prefer="simple")
    assert contenders[0].leader == large


def test_repeats_of_the_folds_are_no_further_evidence() -> None:
    """The same images held out three times over: the error stays that of so many images."""
    large, small = finalist(4, wrong=spread(20)), finalist(7, wrong=spread(24, start=10))
    thrice = replace(
        HELD,
        labels=np.tile(HELD.labels, 3),
        groups=np.tile(HELD.groups, 3),
        fold_sizes=HELD.fold_sizes * 3,
    )
    often = [
        replace(
            one, predictions={**one.predictions, "folds": np.tile(one.predictions["folds"], (3, 1))}
        )
        for one in (large, small)
    ]
    errors = []
    for held, (one, two) in ((HELD, (large, small)), (thrice, often)):
        first, second = (one.predictions["folds"], two.predictions["folds"])
        errors.append(
            standard_error(
                held.labels, first, second, metric="accuracy", groups=held.groups, seed=0
            )
        )
    assert errors[0] == pytest.approx(errors[1])


def test_finalists_that_err_on_different_images_make_an_ensemble() -> None:
    one = finalist(4, wrong=spread(30))
    two = finalist(5, wrong=spread(30, start=40), sure=0.85)
    three = finalist(6, wrong=spread(30, start=80), sure=0.8)
    contenders, _ = rank(one, two, three)
    ensemble = next(c for c in contenders if c.kind == "ensemble")
    assert sum(ensemble.shares) == pytest.approx(1.0)
    assert ensemble.finalists == (one, two, three)
    assert (ensemble.cv_mean or 0) > max(c.cv_mean or 0 for c in contenders if c is not ensemble)
    assert describe(ensemble) == "the ensemble of trials 4, 5 and 6"
    assert ensemble.num_weights == 3000


def test_an_ensemble_of_one_is_none() -> None:
    contenders, _ = rank(finalist(4, wrong=spread(5)), finalist(5, wrong=spread(100)))
    assert [c.kind for c in contenders].count("ensemble") <= 1
    alone, _ = rank(finalist(4, wrong=spread(5)))
    assert sorted(c.kind for c in alone) == ["folds", "refit"]


def test_it_says_when_the_default_is_beaten() -> None:
    _, sentences = rank(
        finalist(4, wrong=spread(10)), finalist(0, wrong=spread(60), is_default=True)
    )
    assert sentences[-1].startswith(
        "It is better than the space's default configuration (trial 0): accuracy +0.25"
    )
    assert (
        "on train images that neither had seen and that chose none of the trials" in sentences[-1]
    )


def test_what_is_not_shown_is_not_called_equal() -> None:
    better, default = (
        finalist(4, wrong=spread(20)),
        finalist(0, wrong=spread(21, start=40), num_weights=10**6, is_default=True),
    )
    _, sentences = rank(better, default)
    assert "is not shown to be better than the space's default configuration" in sentences[-1]


def test_the_verdict_is_in_the_objective() -> None:
    """Class 1 is rare: more of it right, a little less of the rest."""
    labels = (np.arange(NUM_IMAGES) % 15 == 0).astype(int)
    held = replace(HELD, labels=labels)
    rare, common = np.flatnonzero(labels), np.flatnonzero(1 - labels)

    def one(number: int, wrong: NDArray[np.integer], **facts: bool) -> Finalist:
        made = finalist(number, wrong=wrong, **facts)
        return replace(made, predictions={**made.predictions, "folds": predict(labels, wrong)})

    weighted, default = one(4, common[:60]), one(0, rare[:30], is_default=True)
    _, sentences = rank(weighted, default, held=held, goal=Goal("balanced_accuracy"))
    assert sentences[-1].startswith("It is better than the space's default")
    assert "balanced accuracy +0." in sentences[-1]


def test_it_says_when_it_is_the_default() -> None:
    contenders, sentences = rank(
        finalist(4, wrong=spread(20), num_weights=10**6),
        finalist(0, wrong=spread(20), is_default=True),
    )
    assert contenders[0].leader.number == 0
    assert sentences[-1].startswith("It is the space's default configuration")


def test_without_the_default_nothing_is_said_of_it() -> None:
    assert not any("default" in said for said in rank(finalist(4, wrong=spread(20)))[1])


def test_temperatures_are_fitted_out_of_fold() -> None:
    contenders, _ = rank(finalist(4, wrong=spread(60), sure=0.99))
    # 70 % are right: log(0.99 / 0.01) over the temperature must be log(0.7 / 0.3).
    expected = np.log(99) / np.log(0.7 / 0.3)
    assert contenders[0].temperatures[0] == pytest.approx(expected, rel=1e-6)


def test_without_folds_val_decides() -> None:
    held = replace(HELD, labels=HELD.labels[:0], groups=HELD.groups[:0], fold_sizes=())
    one, two = (finalist(number, wrong=spread(9)) for number in (4, 0))
    contenders, sentences = rank(one, two, held=held)
    assert [(c.kind, c.leader) for c in contenders] == [("refit", one), ("refit", two)]
    assert (contenders[0].cv_mean, contenders[0].cv_sd, contenders[0].fold_scores) == (
        None,
        None,
        (),
    )
    assert "best on val" in sentences[0]
    assert "may be luck" in sentences[0]


@pytest.mark.parametrize(("prefer", "place"), [("score", 0), ("simple", 2)])
def test_without_folds_an_ensemble_is_chosen_on_val(prefer: Prefer, place: int) -> None:
    """Of what the trials' own models predict, which stand in the place of lost refits."""
    held = replace(HELD, labels=HELD.labels[:0], groups=HELD.groups[:0], fold_sizes=())
    one, two = (
        replace(
            finalist(number, wrong=spread(9)),
            predictions={
                "val": predict(HELD.val_labels, np.arange(start, start + 5)),
                "folds": np.zeros((0, 2)),
            },
            records={part: retrained(number, part) for part in [OWN if is_own else REFIT]},
        )
        for number, start, is_own in ((4, 0, False), (0, 10, True))
    )
    contenders, sentences = rank(one, two, held=held, prefer=prefer)
    ensemble = contenders.pop(place)
    assert (ensemble.kind, ensemble.finalists, ensemble.shares) == (
        "ensemble",
        (one, two),
        (0.5,) * 2,
    )
    assert [(c.kind, c.leader) for c in contenders] == [("refit", one), ("trial", two)]
    averaged, *alone = (
        score(held.val_labels, contender.predict_seen("val")).log_loss or 0.0
        for contender in (ensemble, *contenders)
    )
    assert 0 < averaged < min(alone)
    said = "has the smallest log loss on val" if prefer == "score" else "is the best on val"
    assert said in sentences[0]


def test_labels_that_cannot_be_learned_are_said_to_be() -> None:
    wrong = np.random.default_rng(0).permutation(NUM_IMAGES)[:290]
    _, sentences = rank(finalist(4, wrong=wrong), finalist(0, wrong=spread(40), is_default=True))
    assert not any("Nothing was learned" in said for said in sentences)
    _, sentences = rank(finalist(4, wrong=wrong))
    assert sentences[0].startswith("Nothing was learned that holds for new images")
    assert "where guessing gives 0.5000" in sentences[0]
    contenders, sentences = rank_contenders((finalist(4, wrong=wrong),), HELD, GOAL, seed=3)
    found = score_split("folds", HELD.labels, contenders[0].calibrated, ["0", "1"], seed=3)
    assert fraction_interval(found.intervals["balanced_accuracy"]) in sentences[0]


def test_a_trial_that_could_not_be_retrained_stands_for_itself() -> None:
    own = replace(finalist(4, wrong=spread(20)), records={OWN: retrained(4, OWN)})
    held = replace(HELD, labels=HELD.labels[:0], groups=HELD.groups[:0], fold_sizes=())
    contenders, sentences = rank(own, held=held)
    assert [contender.kind for contender in contenders] == ["trial"]
    assert contenders[0].models == [(own, OWN, 1.0, contenders[0].temperatures[0])]
    assert "Candidate 1 (the model of trial 4 itself) is the best on val" in sentences[0]


def test_singles_are_scored_as_they_are_shipped() -> None:
    """At their temperature, as ensembles are: log loss would favour those for that alone."""
    (refit, *_), _ = rank(finalist(4, wrong=spread(60), sure=0.99), goal=Goal("log_loss"))
    temperature = refit.temperatures[0]
    expected = [
        score(HELD.labels[part], apply_temperature(refit.out_of_fold[part], temperature)).log_loss
        for part in HELD.parts()
    ]
    assert refit.fold_scores == pytest.approx(expected)
    raw = score(HELD.labels, refit.out_of_fold).log_loss
    assert raw is not None and refit.cv_mean is not None
    assert refit.cv_mean < raw - 0.5


def test_an_ensemble_is_scored_with_shares_of_the_other_folds() -> None:
    one, two = finalist(4, wrong=spread(30)), finalist(5, wrong=spread(30, start=40), sure=0.85)
    contenders, _ = rank(one, two)
    ensemble = next(contender for contender in contenders if contender.kind == "ensemble")
    part = HELD.parts()[0]
    rest = ~np.isin(np.arange(NUM_IMAGES), np.arange(NUM_IMAGES)[part])
    singles = [next(c for c in contenders if c.finalists == (f,)) for f in (one, two)]
    calibrated = np.stack([single.calibrated for single in singles])
    truth = calibrated[:, np.arange(NUM_IMAGES), HELD.labels]
    shares = choose_ensemble(truth[:, rest])
    expected = np.tensordot(shares, calibrated[:, part], axes=1)
    np.testing.assert_allclose(ensemble.out_of_fold[part], expected)


def test_of_many_finalists_the_predictions_of_one_are_in_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    num_classes = 100
    held = replace(HELD, labels=np.arange(NUM_IMAGES) % num_classes)
    monkeypatch.setattr("autocnn.metrics.weighted.CHUNK_ELEMENTS", num_classes)
    monkeypatch.setattr("autocnn.metrics.scores.MOST_RANKED", 0)

    def draw(number: int) -> NDArray[np.float64]:
        rng = np.random.default_rng(number)
        found = rng.random((NUM_IMAGES, num_classes)) + 20 * np.eye(num_classes)[held.labels]
        found[rng.permutation(NUM_IMAGES)[:100]] = 1.0
        shares: NDArray[np.float64] = found / found.sum(axis=1, keepdims=True)
        return shares

    def peak(number: int) -> float:
        """Of the memory while so many finalists are ranked, in arrays of probabilities."""
        finalists = [
            replace(
                finalist(one, wrong=spread(3)),
                predictions=OnDemand[SeenSet, FloatArray]({"folds": partial(draw, one)}),
            )
            for one in range(number)
        ]
        tracemalloc.start()
        try:
            rank_contenders(finalists, held, GOAL, seed=3)
            return tracemalloc.get_traced_memory()[1] / (NUM_IMAGES * num_classes * 8)
        finally:
            tracemalloc.stop()

    peak(2)  # imports count too
    few, many = peak(2), peak(24)
    assert many < few + 1, (few, many)


# -- several refits ----------------------------------------------------------------------------


def with_refits(one: Finalist, number: int, *, own: bool = False) -> Finalist:
    more = [Part(member=n) for n in range(2, number + 1)] + [OWN] * own
    return replace(one, records={**one.records, **{p: retrained(one.number, p) for p in more}})


def test_the_mean_of_several_refits_comes_before_one_of_them() -> None:
    """On the folds both are the same: of each image one model is asked."""
    several = with_refits(finalist(4, wrong=spread(20)), 3)
    contenders, sentences = rank(several, finalist(0, wrong=spread(60), is_default=True))
    assert [c.kind for c in contenders if c.leader is several] == ["refits", "refit", "folds"]
    first = contenders[0]
    assert first.num_weights == 3 * 1000
    assert [part.name for _, part, _, _ in first.models] == ["refit", "refit-2", "refit-3"]
    assert [share for _, _, share, _ in first.models] == pytest.approx([1 / 3] * 3)
    assert sentences[0].startswith("Candidate 1 (the mean of 3 refits of trial 4, 3,000 weights)")
    assert sentences[1] == (
        "The simplest is candidate 2 (the refit of trial 4, 1,000 weights). The folds cannot "
        "distinguish the two: there one model predicts each image."
    )


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (1, "the mean of the refit of trial 4 and its own model, 10 weights"),
        (2, "the mean of 2 refits of trial 4 and its own model, 15 weights"),
    ],
)
def test_the_trials_own_model_is_averaged_too(number: int, said: str) -> None:
    one = with_refits(finalist(4, wrong=spread(20), num_weights=5), number, own=True)
    (first, second, *_), sentences = rank(one)
    assert (first.kind, second.kind) == ("refits", "refit")
    assert [part.member for _, part, _, _ in first.models] == list(range(number + 1))
    assert [part for _, part, _, _ in second.models] == [REFIT]
    assert f"({said})" in sentences[0]


def test_a_mean_is_sharpened_by_what_the_finalists_say_of_means() -> None:
    """Each image was predicted by one model of each finalist; the mean of both is too unsure."""
    one = with_refits(finalist(4, wrong=spread(60)), 3)
    other = finalist(0, wrong=spread(60, start=30))
    contenders, _ = rank(one, other)
    sharpening = {(c.kind, c.leader.number): c.sharpening for c in contenders}
    ensemble = next(c for c in contenders if c.kind == "ensemble")
    assert sharpening["refit", 4] == sharpening["refit", 0] == 1.0
    assert sharpening["refits", 4] == sharpening["folds", 0] < 0.9
    # Two finalists have chosen its temperature; of one of them it has three models.
    assert sharpening["refits", 4] < ensemble.sharpening < 1.0
    mean = np.mean([calibrate(f.predictions["folds"], c) for f, c in _temperatures(one, other)], 0)
    apart = fit_disagreement(HELD.labels, mean, num_models=2)
    assert sharpening["refits", 4] == pytest.approx(temperature_of_mean(apart, [1 / 3] * 3))
    alone, _ = rank(one)
    assert {c.sharpening for c in alone} == {1.0}


def _temperatures(*finalists: Finalist) -> list[tuple[Finalist, float]]:
    return [(f, fit_temperature(HELD.labels, f.predictions["folds"])) for f in finalists]


def test_the_simplest_is_one_refit() -> None:
    several = with_refits(finalist(4, wrong=spread(20)), 3)
    for held in (
        HELD,
        replace(HELD, labels=HELD.labels[:0], groups=HELD.groups[:0], fold_sizes=()),
    ):
        assert rank(several, held=held)[0][0].kind == "refits"
        assert rank(several, held=held, prefer="simple")[0][0].kind == "refit"


def test_in_an_ensemble_a_trial_shares_its_weight_among_its_refits() -> None:
    one = with_refits(finalist(4, wrong=spread(30)), 2)
    other = with_refits(finalist(7, wrong=spread(30, start=60)), 2)
    contenders, _ = rank(one, other)
    assert [c.kind for c in contenders].count("refits") == 2
    ensemble = next(c for c in contenders if c.kind == "ensemble")
    assert ensemble.num_weights == 4 * 1000
    assert len(ensemble.models) == 4
    assert sum(share for _, _, share, _ in ensemble.models) == pytest.approx(1.0)


def test_where_lower_is_better_the_lowest_leads() -> None:
    goal = Goal("log_loss")
    worse, better = finalist(0, wrong=spread(60), is_default=True), finalist(4, wrong=spread(10))
    contenders, sentences = rank(worse, better, goal=goal)
    assert contenders[0].leader is better
    assert sentences[-1].startswith(
        "It is better than the space's default configuration (trial 0): log loss -"
    )
    large = finalist(4, wrong=spread(20), num_weights=1_000_000)
    small = finalist(7, wrong=spread(40), num_weights=20_000)
    contenders, _ = rank(large, small, goal=goal, prefer="simple")
    assert contenders[0].leader is large, "the small one is worse by more than its error"


def test_where_one_is_the_best_in_all_there_is_no_ensemble() -> None:
    contenders, _ = rank(finalist(4, wrong=spread(5)), finalist(5, wrong=spread(100)))
    assert [c.kind for c in contenders].count("ensemble") == 0
    folds = next(c for c in contenders if c.kind == "folds" and c.leader.number == 4)
    assert describe(folds) == "the mean of the fold models of trial 4"


def test_the_verdict_is_corrected_for_all_that_could_have_been_chosen() -> None:
    one = finalist(4, wrong=spread(30))
    two = finalist(5, wrong=spread(30, start=40), sure=0.85)
    default = finalist(6, wrong=spread(30, start=80), sure=0.8, is_default=True)
    _, sentences = rank(one, two, default)
    assert sentences[-1].endswith(
        " of the trials; the choice among 3 was made on them, which the interval allows for."
    )
    _, sentences = rank(
        finalist(4, wrong=spread(10)), finalist(0, wrong=spread(60), is_default=True)
    )
    assert sentences[-1].endswith("chose none of the trials.")


@pytest.mark.parametrize("least", [0.0, -1.0])
def test_a_score_that_is_not_defined_on_a_fold_never_leads(
    monkeypatch: pytest.MonkeyPatch, least: float
) -> None:
    def precision(labels: NDArray[np.integer], probabilities: NDArray[np.floating]) -> float:
        taken = probabilities.argmax(axis=1) == 1
        return float(labels[taken].mean()) + least if taken.any() else float("nan")

    monkeypatch.setattr("autocnn.selection.compare.measure_of", lambda goal: precision)
    none_taken = finalist(4, wrong=np.flatnonzero(HELD.labels[:200] == 1), num_weights=900)
    good = finalist(7, wrong=spread(20))
    contenders, sentences = rank(none_taken, good, goal=Goal("mine.py:precision"))
    assert contenders[0].leader is good
    assert not any(np.isnan(c.fold_scores).any() for c in contenders)
    assert not any("nan" in said for said in sentences)
    assert sentences[1] == (
        "The simplest is candidate 3 (the refit of trial 4, 900 weights), whose mine:precision is "
        "not defined on every fold."
    )
    contenders, _ = rank(none_taken, good, goal=Goal("mine.py:precision"), prefer="simple")
    assert contenders[0].leader is good


def test_where_no_score_is_defined_on_every_fold_val_decides(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        "autocnn.selection.compare.measure_of", lambda goal: lambda *_: float("nan")
    )
    first, second = finalist(7, wrong=spread(20)), finalist(4, wrong=spread(10), num_weights=9)
    contenders, sentences = rank(first, second, goal=Goal("mine.py:gain"))
    assert [c.leader for c in contenders] == [first, first, second, second]
    assert (contenders[0].cv_mean, contenders[0].fold_scores) == (None, ())
    assert sentences[-1].startswith("Candidate 1 (the refit of trial 7) is the best on val. No")


def test_an_ensemble_is_scored_as_it_is_shipped() -> None:
    one, two = finalist(4, wrong=spread(30)), finalist(5, wrong=spread(30, start=40), sure=0.85)
    contenders, _ = rank(one, two, goal=Goal("log_loss"))
    ensemble = next(c for c in contenders if c.kind == "ensemble")
    assert ensemble.temperature != pytest.approx(1.0, abs=0.05)
    expected = [score(HELD.labels[p], ensemble.calibrated[p]).log_loss for p in HELD.parts()]
    assert ensemble.fold_scores == pytest.approx(expected)


# -- what changes of the code showed -----------------------------------------------------------


def test_the_choice_between_a_trial_and_an_ensemble_is_one_of_two() -> None:
    one = finalist(4, wrong=spread(30))
    default = finalist(5, wrong=spread(30, start=40), sure=0.85, is_default=True)
    contenders, sentences = rank(one, default)
    assert contenders[0].leader is one and "ensemble" in [c.kind for c in contenders]
    assert "; the choice among 2 was made on them" in sentences[-1]


def test_the_simplest_is_held_against_the_default_where_it_is_chosen() -> None:
    large = finalist(0, wrong=spread(20), num_weights=1_000_000, is_default=True)
    small = finalist(7, wrong=spread(21, start=20), num_weights=20_000)
    contenders, sentences = rank(large, small, prefer="simple")
    assert contenders[0].leader is small
    assert sentences[-1].startswith("It is not shown to be better than the space's default")


def test_an_ensemble_weighs_its_models_at_their_temperatures() -> None:
    one, two = (
        replace(made, predictions={"val": predict(HELD.val_labels, np.arange(wrong), sure=sure)})
        for made, wrong, sure in (
            (finalist(4, wrong=spread(20)), 3, 0.9),
            (finalist(7, wrong=spread(20)), 9, 0.7),
        )
    )
    nothing = np.zeros((0, 2))
    ensemble = Contender("ensemble", (one, two), (0.25, 0.75), (2.0, 0.5), 1.5, (), 2000, nothing)
    assert ensemble.leader is two
    first, second = (f.predictions["val"] for f in (one, two))
    mean = 0.25 * apply_temperature(first, 2.0) + 0.75 * apply_temperature(second, 0.5)
    np.testing.assert_allclose(ensemble.predict_seen("val"), apply_temperature(mean, 1.5))
    assert replace(ensemble, kind="refit").predict_seen("val") is second


def test_alone_a_model_has_all_the_weight_and_no_temperature_but_its_own() -> None:
    contenders, _ = rank(finalist(4, wrong=spread(20)))
    assert {(c.shares, c.temperature) for c in contenders} == {((1.0,), 1.0)}


@pytest.mark.parametrize("goal", [GOAL, Goal("log_loss")])
@pytest.mark.parametrize(("right", "wrong", "chosen"), [(2, 4, 7), (1, 5, 4)])
def test_near_is_within_one_standard_error_and_not_half_of_it(
    goal: Goal, right: int, wrong: int, chosen: int
) -> None:
    """2 more errors of 6 images that differ are 2 / sqrt(6) of an error; 4 of 6 are 1.6 of it."""
    errors = spread(20)
    others = np.concatenate([errors[right:], np.arange(100, 100 + wrong)])
    large = finalist(4, wrong=errors, num_weights=1_000_000)
    small = finalist(7, wrong=others, num_weights=20_000)
    contenders, _ = rank(large, small, goal=goal, prefer="simple")
    assert contenders[0].leader.number == chosen


def test_where_none_is_near_an_ensemble_it_is_chosen_as_the_simplest() -> None:
    one = finalist(4, wrong=spread(30))
    two = finalist(5, wrong=spread(30, start=40), sure=0.85)
    three = finalist(6, wrong=spread(30, start=80), sure=0.8)
    contenders, sentences = rank(one, two, three, prefer="simple")
    assert contenders[0].kind == "ensemble"
    assert "is the best on 3 folds" in sentences[0]


def test_whether_anything_was_learned_is_asked_of_the_one_that_is_chosen() -> None:
    best = finalist(4, wrong=spread(90), num_weights=1_000_000)
    near = finalist(7, wrong=spread(93, start=20), num_weights=20_000)
    assert not any("Nothing" in said for said in rank(best, near)[1])
    contenders, sentences = rank(best, near, prefer="simple")
    assert contenders[0].leader is near
    assert sentences[0].startswith("Nothing was learned")


@pytest.mark.parametrize(
    ("groups", "simplest", "learned", "verdict"),
    [
        (HELD.groups, 4, "Candidate 1", "It is better than"),
        (HELD.groups // 20, 7, "Nothing was learned", "It is not shown to be better than"),
    ],
)
def test_images_of_one_group_are_one_piece_of_evidence(
    groups: NDArray[np.integer], simplest: int, learned: str, verdict: str
) -> None:
    held = replace(HELD, groups=groups)
    large = finalist(4, wrong=spread(10), num_weights=1_000_000)
    small = finalist(7, wrong=spread(18, start=20), num_weights=20_000)
    assert rank(large, small, held=held, prefer="simple")[0][0].leader.number == simplest
    assert rank(finalist(4, wrong=spread(85)), held=held)[1][0].startswith(learned)
    default = finalist(0, wrong=spread(35), is_default=True)
    assert rank(small, default, held=held)[1][-1].startswith(verdict)


def test_the_interval_against_the_default_allows_for_the_choice() -> None:
    one = finalist(4, wrong=spread(30))
    two = finalist(5, wrong=spread(30, start=40), sure=0.85)
    default = finalist(6, wrong=spread(30, start=80), sure=0.8, is_default=True)
    contenders, sentences = rank_contenders((one, two, default), HELD, GOAL, seed=3)
    first, second = contenders[0], next(c for c in contenders if c.finalists == (default,))
    found = compare(
        HELD.labels, first.calibrated, second.calibrated, other=1, num_comparisons=3, seed=3
    )
    assert f"accuracy {fraction_interval(found.difference, sign=True)}, on" in sentences[-1]


def test_only_another_simplest_is_held_against_the_best() -> None:
    best = finalist(4, wrong=spread(20))
    _, sentences = rank(best, finalist(7, wrong=spread(60)))
    assert len(sentences) == 1
    assert "is the best on 3 folds" in sentences[0]
    contenders, sentences = rank(best, finalist(7, wrong=spread(60), num_weights=900))
    small = next(c for c in contenders if c.num_weights == 900)
    found = compare(HELD.labels, small.calibrated, contenders[0].calibrated, other=1)
    assert f"accuracy {fraction_interval(found.difference, sign=True)} against" in sentences[1]


def test_an_objective_of_the_user_decides_like_any_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """The default configuration never takes class 1 on the first fold, and is right elsewhere."""

    def precision(labels: NDArray[np.integer], probabilities: NDArray[np.floating]) -> float:
        taken = probabilities.argmax(axis=1) == 1
        return float(labels[taken].mean()) if taken.any() else float("nan")

    monkeypatch.setattr("autocnn.selection.compare.measure_of", lambda goal: precision)
    default = finalist(0, wrong=np.flatnonzero(HELD.labels[:200] == 1), is_default=True)
    large = finalist(4, wrong=spread(60), num_weights=1_000_000)
    small = finalist(7, wrong=spread(61, start=20), num_weights=20_000)
    goal = Goal("mine.py:precision")
    contenders, sentences = rank(default, large, small, goal=goal, prefer="simple")
    assert contenders[0].leader is small
    assert sentences[-1].startswith(
        "It is worse than the space's default configuration (trial 0): mine:precision -0."
    )
