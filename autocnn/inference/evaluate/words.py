"""What an assessment means, in sentences for people."""

from autocnn.core.records import Assessment, FigureComparison, Interval
from autocnn.reporting.wording import SET_NAMES

MOST_NAMED = 3
"""Files and classes that a sentence names."""


def describe(record: Assessment) -> tuple[str, ...]:
    """The comparison with the study first, then what has to be known to read the scores."""
    sentences = [*_compared(record), *_seen(record)]
    if record.num_own_test:
        sentences.append(
            f"{_of(record.num_own_test, record)} are byte copies of the study's own test "
            "images. In so far, here and there are the same images, and the differences are "
            "smaller than between independent ones."
        )
    if record.num_unlike is not None:
        sentences.append(f"{_of(record.num_unlike, record)} are unlike the training images.")
    if record.missing_classes:
        names = ", ".join(map(repr, record.missing_classes[:MOST_NAMED]))
        more = len(record.missing_classes) - MOST_NAMED
        sentences.append(
            f"No image of {names}{f' and {more} more' if more > 0 else ''}: class means "
            "are over the others, and there is no macro AUC."
        )
    if record.unreadable:
        first = "; ".join(f"{one.path} {one.reason}" for one in record.unreadable[:MOST_NAMED])
        more = len(record.unreadable) - MOST_NAMED
        sentences.append(
            f"{len(record.unreadable):,} unreadable {_images(len(record.unreadable))} left out: "
            f"{first}{f'; {more:,} more' if more > 0 else ''}."
        )
    return tuple(sentences)


def with_interval(interval: Interval) -> str:
    """As in the leaderboard.

    >>> with_interval(Interval(value=0.9312, low=0.91, high=0.95))
    '0.9312 [0.9100, 0.9500]'
    """
    return f"{interval.value:.4f} [{interval.low:.4f}, {interval.high:.4f}]"


def _compared(record: Assessment) -> list[str]:
    accuracy = next((one for one in record.comparisons if one.metric == "accuracy"), None)
    if accuracy is None or record.compared_with is None:
        return []
    where = SET_NAMES[record.compared_with]
    here = "the unseen images here" if record.unseen else "here"
    return [
        f"Accuracy: {where} in the study {with_interval(accuracy.study)}, {here} "
        f"{with_interval(accuracy.here)}: {_difference(accuracy)}."
    ]


def _difference(accuracy: FigureComparison) -> str:
    found, verdict = accuracy.difference, "told apart"
    if not accuracy.is_told_apart:
        verdict = "not told apart: it may be chance"
    if found.value >= 0:
        return f"higher by {with_interval(found)}, {verdict}" if found.value else "the same"
    turned = Interval(value=-found.value, low=-found.high, high=-found.low)
    return f"lower by {with_interval(turned)}, {verdict}"


def _seen(record: Assessment) -> list[str]:
    if record.num_seen is None:
        return [
            "Whether some of these images were in training is not known for an exported model: "
            "give the study as MODEL to look for copies."
        ]
    if not record.num_seen:
        return []
    what = f"{_of(record.num_seen, record)} are byte copies of the study's train or val images"
    if record.unseen is None:
        return [f"{what}: the model has learned from them, and these scores say nothing of others."]
    return [f"{what}; the comparison is without them."]


def _of(number: int, record: Assessment) -> str:
    total = record.scores.num_images
    return f"{number:,} of {total:,} {_images(total)}"


def _images(number: int) -> str:
    return "image" if number == 1 else "images"
