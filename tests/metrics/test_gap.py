"""The gap, taken apart: what is lost where, and each sentence that can be said of it."""

import numpy as np
import pytest

from autocnn.core.records import Gap, ScoredSet, Scores, SplitScores
from autocnn.metrics.gap import Training, take_apart
from autocnn.metrics.intervals import difference_interval, wilson_interval
from autocnn.metrics.scores import score_split
from tests.metrics.predictions import NAMES, make_predictions

SIZES = {"train": 4855, "val": 857, "folds": 5712, "test": 1311, "test_clean": 1095}


def split_scores(name: ScoredSet, accuracy: float, num_images: int) -> SplitScores:
    return SplitScores(
        split=name,
        num_images=num_images,
        scores=Scores(accuracy=accuracy),
        intervals={"accuracy": wilson_interval(accuracy, num_images)},
        classes=(),
    )


def make_gap(
    train: float,
    val: float,
    folds: float | None = None,
    *,
    test: float | None = None,
    test_clean: float | None = None,
    shrink: int = 1,
    training: Training | None = None,
) -> Gap:
    """From accuracies on sets of the size of the brain-tumour data's, or a part of it."""
    accuracies: dict[ScoredSet, float | None] = {
        "train": train,
        "val": val,
        "folds": folds,
        "test": test,
        "test_clean": test_clean,
    }
    return take_apart(
        [
            split_scores(name, accuracy, SIZES[name] // shrink)
            for name, accuracy in accuracies.items()
            if accuracy is not None
        ],
        training,
    )


def test_steps_and_losses() -> None:
    gap = make_gap(0.995, 0.969, 0.971, test_clean=0.975)
    assert [step.scored for step in gap.steps] == ["train", "val", "folds", "test_clean"]
    assert [step.num_images for step in gap.steps] == [4855, 857, 5712, 1095]
    assert [(loss.start, loss.end, loss.cause) for loss in gap.losses] == [
        ("train", "val", "overfitting"),
        ("val", "folds", "luck"),
        ("folds", "test_clean", "shift"),
    ]
    assert [loss.loss.value for loss in gap.losses] == pytest.approx([0.026, -0.002, -0.004])
    assert [loss.is_real for loss in gap.losses] == [True, False, False]
    first = difference_interval(gap.steps[0].accuracy, gap.steps[1].accuracy)
    assert gap.losses[0].loss == first


def test_overfitting() -> None:
    assert make_gap(0.995, 0.969, 0.971, test_clean=0.975).sentence == (
        "Accuracy falls by 0.020 from train (0.995) to clean test (0.975); the largest fall, "
        "from train to val, is 0.026 (95 % interval 0.016 to 0.040): overfitting. More "
        "augmentation or regularisation, or a smaller network, may help. Clean test is no worse "
        "than the folds."
    )


def test_luck() -> None:
    gap = make_gap(0.97, 0.972, 0.94, test_clean=0.935)
    assert [loss.is_real for loss in gap.losses] == [False, True, False]
    assert "the largest fall, from val to the folds, is 0.032" in gap.sentence
    assert "): luck. Val flatters the trial that was chosen by it" in gap.sentence
    assert "overfitting" not in gap.sentence


def test_shift() -> None:
    """Copies never cross the folds, and clean test has none: they are no cause of this loss."""
    gap = make_gap(0.97, 0.968, 0.967, test=0.935)
    assert "the largest fall, from the folds to test, is 0.032" in gap.sentence
    assert "): shift. The test images are of another kind" in gap.sentence
    assert "group" not in gap.sentence
    ungrouped = make_gap(0.97, 0.968, 0.967, test=0.935, training=Training(has_groups=False))
    assert "no groups are named in the data" in ungrouped.sentence


def test_fold_models_that_learn_from_less_are_a_cause_beside_luck() -> None:
    less = Training(fold_share=0.78)
    gap = make_gap(0.97, 0.972, 0.94, test_clean=0.935, training=less)
    assert gap.losses[1].cause == "luck or less training"
    assert (
        "luck or less training. Val flatters the trial that was chosen by it, and the fold models "
        "learn from 78 % as many images."
    ) in gap.sentence


def test_without_folds_luck_and_shift_are_one() -> None:
    gap = make_gap(0.97, 0.968, test=0.935)
    assert [(loss.start, loss.end, loss.cause) for loss in gap.losses][1] == (
        "val",
        "test",
        "luck or shift",
    )
    assert "the largest fall, from val to test, is 0.033" in gap.sentence
    assert gap.sentence.endswith("folds would tell which.")


def test_nothing_lost() -> None:
    assert make_gap(0.99, 0.988, 0.9875, test=0.9885).sentence == (
        "Nothing is lost beyond what chance explains: accuracy is 0.990 on train and 0.989 on test."
    )
    assert make_gap(1.0, 1.0, 1.0, test=1.0).sentence == (
        "Nothing is lost beyond what chance explains: accuracy is 1.000 on train and 1.000 on test."
    )


def test_a_better_test_is_no_alarm() -> None:
    gap = make_gap(0.97, 0.968, 0.967, test=0.985)
    assert not any(loss.is_real for loss in gap.losses)
    assert gap.sentence == (
        "Nothing is lost beyond what chance explains: accuracy is 0.970 on train and 0.985 on "
        "test. Test is 0.018 (0.009 to 0.025) better than the folds: its images are easier, or "
        "the final model gained by more training images."
    )


def test_a_small_loss_needs_no_cure() -> None:
    sentence = make_gap(0.999, 0.9945, 0.994, test=0.992).sentence
    assert sentence.endswith(": overfitting, but little.")


def test_two_losses_are_both_said_the_larger_first() -> None:
    sentence = make_gap(0.99, 0.965, 0.964, test=0.92).sentence
    assert "the largest fall, from the folds to test, is 0.044" in sentence
    assert sentence.index("shift") < sentence.index("Also 0.025 (")
    assert "is lost from train to val: overfitting. More augmentation" in sentence


def test_a_hard_val_is_said_to_look_like_overfitting() -> None:
    sentence = make_gap(0.95, 0.90, 0.971, test_clean=0.98).sentence
    assert sentence.startswith(
        "Accuracy rises by 0.030 from train (0.950) to clean test (0.980); but from train to "
        "val it falls by 0.050"
    )
    assert "The folds are 0.071 (" in sentence
    assert "better than val: val is a hard pick" in sentence


def test_little_at_a_time_is_not_nothing() -> None:
    gap = make_gap(0.99, 0.975, 0.965, test=0.95, shrink=5)
    assert not any(loss.is_real for loss in gap.losses)
    assert gap.sentence.startswith("Accuracy falls by 0.040 (0.0")
    assert "a little at a time: no step alone is beyond chance" in gap.sentence
    assert "The largest fall is from train to val, 0.015." in gap.sentence


@pytest.mark.parametrize("folds", [0.9, None])
def test_tiny_sets_say_that_they_are(folds: float | None) -> None:
    gap = make_gap(0.92, 0.9, folds, test=0.9, shrink=40)
    assert not any(loss.is_real for loss in gap.losses)
    assert gap.sentence.startswith("Nothing is lost beyond what chance explains")
    assert "The sets are small: from train (121 images) to val (21 images) up to 0." in gap.sentence


def test_a_perfect_train_set_is_not_known_without_end() -> None:
    gap = make_gap(1.0, 0.95, test=0.95, shrink=40)
    assert gap.losses[0].loss.high - gap.losses[0].loss.value > 0.1
    assert gap.losses[0].loss.low > -0.05


def test_groups_widen_the_losses() -> None:
    labels, probabilities = make_predictions(600, 3)
    copies = np.arange(600) // 6

    def width(groups: np.ndarray | None) -> float:
        names: tuple[ScoredSet, ...] = ("train", "val", "test")
        splits = [
            score_split(name, labels, probabilities, NAMES[:3], groups=groups, num_resamples=50)
            for name in names
        ]
        loss = take_apart(splits).losses[0].loss
        return loss.high - loss.low

    # The images of a group here err on their own, so the bootstrap sees no copies in them.
    assert width(copies) == pytest.approx(width(None), rel=0.35)
    labels, probabilities = np.repeat(labels[::6], 6), np.repeat(probabilities[::6], 6, axis=0)
    assert width(copies) > 1.8 * width(None)


@pytest.mark.parametrize(
    "names",
    [
        [],
        ["train", "test"],
        ["train", "val"],
        ["val", "train", "test"],
        ["train", "val", "folds"],
        ["train", "val", "test", "test_clean"],
        ["train", "val", "folds", "folds", "test"],
    ],
)
def test_other_sets_or_another_order(names: list[ScoredSet]) -> None:
    with pytest.raises(ValueError, match="splits must be train, val, folds if any, test or"):
        take_apart([split_scores(name, 0.9, 100) for name in names])


# -- another mix of classes -----------------------------------------------------------------


def mixed_scores(name: ScoredSet, recalls: list[float], counts: list[int]) -> SplitScores:
    """Two classes with their recalls."""
    right = [round(recall * count) for recall, count in zip(recalls, counts, strict=True)]
    labels = np.repeat([0, 1], counts)
    is_right = np.concatenate(
        [np.arange(count) < number for count, number in zip(counts, right, strict=True)]
    )
    predicted = np.where(is_right, labels, 1 - labels)
    return score_split(name, labels, np.eye(2)[predicted] * 0.8 + 0.1, ["easy", "hard"])


def gap_of_mixes(recalls: list[float], counts: list[int]) -> Gap:
    return take_apart(
        [
            mixed_scores("train", [0.99, 0.95], [1000, 1000]),
            mixed_scores("val", [0.98, 0.88], [500, 500]),
            mixed_scores("folds", [0.98, 0.88], [1500, 1500]),
            mixed_scores("test_clean", recalls, counts),
        ]
    )


def test_a_loss_that_the_mix_of_classes_explains_is_called_so() -> None:
    gap = gap_of_mixes([0.98, 0.88], [50, 950])
    last = gap.losses[-1]
    assert last.mix == pytest.approx(0.93 - (0.98 * 50 + 0.88 * 950) / 1000)
    assert (last.cause, last.is_real) == ("class mix", True)
    assert "the folds mixed like it would lose 0.045: compare the classes" in gap.sentence


def test_a_loss_beyond_the_mix_is_shift_and_says_its_part() -> None:
    gap = gap_of_mixes([0.9, 0.7], [50, 950])
    assert gap.losses[-1].cause == "shift"
    assert "The other mix of its classes makes 0.045 of it." in gap.sentence


def test_splits_with_the_same_mix_lose_nothing_by_it() -> None:
    gap = gap_of_mixes([0.98, 0.88], [300, 300])
    assert [loss.mix for loss in gap.losses] == pytest.approx([0, 0, 0], abs=1e-12)


def test_without_scores_by_class_no_mix_is_known() -> None:
    assert make_gap(0.97, 0.968, 0.967, test=0.935).losses[-1].mix == 0


def test_a_little_less_to_learn_from_is_no_cause() -> None:
    for share, cause in ((0.98, "luck"), (0.96, "luck or less training")):
        less = Training(fold_share=share)
        gap = make_gap(0.97, 0.972, 0.94, test_clean=0.935, training=less)
        assert gap.losses[1].cause == cause


def test_a_val_that_is_better_than_train_is_said_to_be_easier() -> None:
    sentence = make_gap(0.90, 0.95, test=0.95).sentence
    assert "Val is 0.050 (" in sentence
    assert "better than train: its images are easier, or copies of those in train." in sentence


def test_a_small_part_of_the_mix_is_not_told() -> None:
    gap = gap_of_mixes([0.9, 0.7], [450, 550])
    assert gap.losses[-1].mix == pytest.approx(0.005)
    assert gap.losses[-1].cause == "shift"
    assert "The other mix" not in gap.sentence


def test_a_class_that_the_end_lacks_weighs_nothing() -> None:
    assert gap_of_mixes([0.98, 0.0], [100, 0]).losses[-1].mix == pytest.approx(0.93 - 0.98)


def test_a_class_that_the_start_lacks_leaves_the_mix_unknown() -> None:
    gap = take_apart(
        [
            mixed_scores("train", [0.99, 0.95], [1000, 1000]),
            mixed_scores("val", [0.98, 0.88], [500, 500]),
            mixed_scores("folds", [0.98, 0.0], [1500, 0]),
            mixed_scores("test_clean", [0.98, 0.88], [50, 950]),
        ]
    )
    assert gap.losses[-1].mix == 0
