"""What an assessment means, in sentences for people."""

from autocnn.core.records import Assessment, FigureComparison, Interval, OperatingPoint
from autocnn.core.wording import SET_NAMES, count, first_few, fraction_interval, point_rule


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
        names = first_few([repr(name) for name in record.missing_classes])
        sentences.append(
            f"No image of {names}: class means are over the others, and there is no macro AUC."
        )
    if record.unreadable:
        named = first_few([f"{one.path} {one.reason}" for one in record.unreadable])
        sentences.append(f"{count(len(record.unreadable), 'unreadable image')} left out: {named}.")
    return tuple(sentences)


def describe_point(point: OperatingPoint | None) -> tuple[str, ...]:
    """That scores are not those of the operating point at which the model decides elsewhere."""
    if point is None:
        return ()
    return (
        f"The export decides at an operating point in `autocnn predict` ({point_rule(point)}); "
        "these scores are of the largest probability.",
    )


def _compared(record: Assessment) -> list[str]:
    accuracy = next((one for one in record.comparisons if one.metric == "accuracy"), None)
    if accuracy is None or record.compared_with is None:
        return []
    where = SET_NAMES[record.compared_with]
    here = "the unseen images here" if record.unseen else "here"
    return [
        f"Accuracy: {where} in the study {fraction_interval(accuracy.study)}, {here} "
        f"{fraction_interval(accuracy.here)}: {_difference(accuracy)}."
    ]


def _difference(accuracy: FigureComparison) -> str:
    found, verdict = accuracy.difference, "more than chance explains"
    if not accuracy.is_told_apart:
        verdict = "which may be chance"
    if found.value >= 0:
        return f"higher by {fraction_interval(found)}, {verdict}" if found.value else "the same"
    turned = Interval(value=-found.value, low=-found.high, high=-found.low)
    return f"lower by {fraction_interval(turned)}, {verdict}"


def _seen(record: Assessment) -> list[str]:
    if record.num_seen is None:
        return [
            "Whether some of these images were in training is not known: an exported model, or a "
            "study without its split.csv, cannot tell. Give the study as MODEL to look for copies."
        ]
    found: list[str] = []
    if record.num_seen:
        what, learned_from = _what_was_seen(record, record.num_seen)
        found.append(
            f"{what}: the model has learned from {learned_from}, and these scores say nothing of "
            "others."
            if record.unseen is None
            else f"{what}; the comparison is without them."
        )
    if record.num_near is None:
        found.append(
            "Near copies of the study's images (turned, scaled, compressed again) were not looked "
            "for: its images are gone, or there are too many."
        )
    return found


def _what_was_seen(record: Assessment, num_seen: int) -> tuple[str, str]:
    """How many images are copies, how many of a group with train or val; what was learned from."""
    num_kin = record.num_kin or 0
    if num_kin == num_seen:
        what = f"{_of(num_kin, record)} are of a group with images in the study's train or val"
        return what, "their groups"
    kind = "byte copies" if record.num_near is None else "copies"
    what = f"{_of(num_seen - num_kin, record)} are {kind} of the study's train or val images"
    if record.num_near:
        what += f" ({record.num_near:,} turned, scaled, compressed again or the like)"
    if num_kin:
        return f"{what}, and {num_kin:,} more of a group with one", "them or their groups"
    return what, "them"


def _of(number: int, record: Assessment) -> str:
    total = record.scores.num_images
    return f"{number:,} of {count(total, 'image')}"
