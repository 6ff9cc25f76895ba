"""The gap between train and test, taken apart into what has a name and a cure.

From train to val: overfitting. From val to the folds: luck, as the models that a search
chooses are those that val flatters, or less training, as fold models see fewer images. From
the folds to test: shift (test is of another kind), or images that belong together and were
not named as a group. Where the classes are mixed otherwise, as in a test split whose copies
were mostly of one class, that alone changes the accuracy, and it is said how much.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from autocnn.core.records import Gap, GapCause, GapLoss, GapStep, Interval, ScoredSet, SplitScores
from autocnn.core.wording import SETS_IN_SENTENCES as NAMES
from autocnn.core.wording import capital
from autocnn.metrics.intervals import difference_interval

_BEFORE_TEST: tuple[list[ScoredSet], ...] = (["train", "val", "folds"], ["train", "val"])

SMALL_LOSS = 0.01
"""Accuracy that is not worth a cure."""

WIDE_LOSS = 0.05
"""Accuracy that must not go unseen without a word."""

MUCH_LESS = 0.97
"""Share of the images below which a fold model learns from markedly fewer."""


@dataclass(frozen=True)
class Training:
    """How the models of the folds and of test were trained, beside the trial's own.

    Attributes:
        fold_share: Images that a fold model learned from, as a share of the trial's.
        has_groups: Whether the data say which images belong together.
    """

    fold_share: float = 1.0
    has_groups: bool = True

    @property
    def has_less(self) -> bool:
        """Whether fold models learned from markedly fewer images than the trial's own."""
        return self.fold_share < MUCH_LESS


def take_apart(splits: Sequence[SplitScores], training: Training | None = None) -> Gap:
    """Where accuracy is lost between train and test, and what that means.

    The interval of a loss adds up those of its two sets (`difference_interval`), as if
    they were independent, as sets without a common image are. (The folds are the images of
    train, but no loss is between the two.) All intervals speak of other images, not of other
    trainings: the folds and test are predicted by other models than train and val, so a
    loss of the size of `cv_sd` may also be the training's.

    Args:
        splits: Scores on train, val, folds (where there are any) and test_clean (test,
            where it is clean), in this order.
        training: Of the models behind them; None: nothing is known that could be a cause.

    Raises:
        ValueError: When they are other sets or in another order.
    """
    way = [scores.split for scores in splits]
    before, last = way[:-1], way[-1:]
    if before not in _BEFORE_TEST or last not in (["test"], ["test_clean"]):
        raise ValueError(f"splits must be train, val, folds if any, test or test_clean, got {way}.")
    steps = tuple(
        GapStep(
            scored=scores.split, num_images=scores.num_images, accuracy=scores.intervals["accuracy"]
        )
        for scores in splits
    )
    mixes = (mix_loss(*pair) for pair in pairwise(splits))
    known = training or Training()
    losses = tuple(
        _loss(*pair, mix, known) for pair, mix in zip(pairwise(steps), mixes, strict=True)
    )
    return Gap(steps=steps, losses=losses, sentence=_sentence(steps, losses, known))


def mix_loss(start: SplitScores, end: SplitScores) -> float:
    """The accuracy that `start` would lose if its classes were mixed as those of `end`.

    The classes of `start` keep their recalls; their weights become the shares of `end`.
    0 where the recalls or the counts of the classes are not known.

    Args:
        start: The set with the recalls.
        end: The set with the mix, of the same classes.
    """
    recalls = [scores.recall for scores in start.classes]
    counts = [scores.num_images for scores in end.classes]
    known = [
        (recall, count)
        for recall, count in zip(recalls, counts, strict=False)
        if recall is not None and count
    ]
    is_known = known and len(known) == sum(count > 0 for count in counts)
    if start.scores.accuracy is None or not is_known:
        return 0.0
    mixed = sum(recall * count for recall, count in known) / sum(counts)
    return start.scores.accuracy - mixed


def _loss(start: GapStep, end: GapStep, mix: float, training: Training) -> GapLoss:
    loss = difference_interval(start.accuracy, end.accuracy)
    is_mix = loss.low > 0 and loss.low - mix <= 0
    cause = "class mix" if is_mix else _cause(start.scored, end.scored, training)
    return GapLoss(
        start=start.scored, end=end.scored, loss=loss, cause=cause, mix=mix, is_real=loss.low > 0
    )


def _cause(start: ScoredSet, end: ScoredSet, training: Training) -> GapCause:
    if start == "train":
        return "overfitting"
    if start == "folds":
        return "shift"
    if end != "folds":
        return "luck or shift"
    return "luck or less training" if training.has_less else "luck"


def _sentence(steps: Sequence[GapStep], losses: Sequence[GapLoss], training: Training) -> str:
    """Which step loses most and what that means, then what else there is to know."""
    real = sorted((loss for loss in losses if loss.is_real), key=lambda loss: -loss.loss.value)
    total = difference_interval(steps[0].accuracy, steps[-1].accuracy)
    if real:
        parts = [_largest(steps, total.value, real[0], training)]
        parts += [
            f"Also {_size(loss)} is lost {_place(loss)}: {_meaning(loss, training)}"
            for loss in real[1:]
        ]
    elif total.low > 0:
        parts = [_sum_of_little(steps, total, max(losses, key=lambda loss: loss.loss.value))]
    else:
        start, end = steps[0], steps[-1]
        parts = [
            "Nothing is lost beyond what chance explains: accuracy is "
            f"{start.accuracy.value:.3f} on {NAMES[start.scored]} and "
            f"{end.accuracy.value:.3f} on {NAMES[end.scored]}."
        ]
    parts += [_gain(loss) for loss in losses if loss.loss.high < 0]
    last = losses[-1]
    if real and last.loss.value <= 0 <= last.loss.high:
        parts.append(f"{_capital(last.end)} is no worse than {NAMES[last.start]}.")
    return " ".join([*parts, *_unseen(steps, losses)])


def _largest(steps: Sequence[GapStep], total: float, largest: GapLoss, training: Training) -> str:
    """The largest real loss, and what it means."""
    size = f"{largest.loss.value:.3f} (95 % interval {_range(largest.loss)})"
    if total > 0:
        fall = f"the largest fall, {_place(largest)}, is {size}"
    else:
        fall = f"but {_place(largest)} it falls by {size}"
    return f"{_way(steps, total)}; {fall}: {_meaning(largest, training)}"


def _sum_of_little(steps: Sequence[GapStep], total: Interval, largest: GapLoss) -> str:
    """No step is beyond chance alone, but all of them together are."""
    return (
        f"{_way(steps, total.value, _range(total))}, a little at a time: no step alone is "
        f"beyond chance. The largest fall is {_place(largest)}, {largest.loss.value:.3f}."
    )


def _way(steps: Sequence[GapStep], total: float, limits: str = "") -> str:
    """Train, test, and the difference, with its limits where they are given."""
    start, end = (
        f"{NAMES[step.scored]} ({step.accuracy.value:.3f})" for step in (steps[0], steps[-1])
    )
    change = "rises" if total < 0 else "falls"
    size = f"{abs(total):.3f} ({limits})" if limits else f"{abs(total):.3f}"
    return f"Accuracy {change} by {size} from {start} to {end}"


def _meaning(loss: GapLoss, training: Training) -> str:
    """What a real loss means, and where it is not small what else to know or what may help."""
    cures = {
        "overfitting": "More augmentation or regularisation, or a smaller network, may help.",
        "class mix": f"{_capital(loss.end)} holds other shares of the classes, and "
        f"{NAMES[loss.start]} mixed like it would lose {loss.mix:.3f}: compare the classes one by "
        "one.",
        "luck": "Val flatters the trial that was chosen by it; the folds are the figure to trust.",
        "luck or less training": "Val flatters the trial that was chosen by it, and the fold "
        f"models learn from {100 * training.fold_share:.0f} % as many images.",
        "luck or shift": "Val flatters the trial that was chosen by it, or the test images are of "
        "another kind; folds would tell which.",
        "shift": _shift(loss, training),
    }
    little, cure = loss.loss.value < SMALL_LOSS, cures[loss.cause]
    meaning = "the mix of classes" if loss.cause == "class mix" else loss.cause
    return f"{meaning}, but little." if little else f"{meaning}. {cure}"


def _shift(loss: GapLoss, training: Training) -> str:
    """What may be behind a loss from the folds to test."""
    part = f"The other mix of its classes makes {loss.mix:.3f} of it. "
    groups = ""
    if not training.has_groups:
        groups = (
            " Or images that belong together (of one patient, say) stand in several folds: no "
            "groups are named in the data."
        )
    return (
        f"{part if loss.mix > SMALL_LOSS else ''}The test images are of another kind (another "
        f"machine, place or time).{groups}"
    )


def _gain(loss: GapLoss) -> str:
    """A step after which accuracy is higher than chance explains."""
    reasons: dict[ScoredSet, str] = {
        "val": "its images are easier, or copies of those in train",
        "folds": "val is a hard pick, and looks like more overfitting than there is",
    }
    reason = reasons.get(
        loss.end, "its images are easier, or the final model gained by more training images"
    )
    verb = "are" if loss.end == "folds" else "is"
    size = f"{-loss.loss.value:.3f} ({-loss.loss.high:.3f} to {-loss.loss.low:.3f})"
    return f"{_capital(loss.end)} {verb} {size} better than {NAMES[loss.start]}: {reason}."


def _unseen(steps: Sequence[GapStep], losses: Sequence[GapLoss]) -> list[str]:
    """A word of caution where a set is too small to show a large loss."""
    open_losses = [loss for loss in losses if not loss.is_real and loss.loss.high > WIDE_LOSS]
    if not open_losses:
        return []
    widest = max(open_losses, key=lambda loss: loss.loss.high)
    sizes = {step.scored: step.num_images for step in steps}
    start, end = (f"{NAMES[name]} ({sizes[name]:,} images)" for name in (widest.start, widest.end))
    return [f"The sets are small: from {start} to {end} up to {widest.loss.high:.3f} may be lost."]


def _place(loss: GapLoss) -> str:
    return f"from {NAMES[loss.start]} to {NAMES[loss.end]}"


def _size(loss: GapLoss) -> str:
    return f"{loss.loss.value:.3f} ({_range(loss.loss)})"


def _range(interval: Interval) -> str:
    return f"{interval.low:.3f} to {interval.high:.3f}"


def _capital(name: ScoredSet) -> str:
    return capital(NAMES[name])
