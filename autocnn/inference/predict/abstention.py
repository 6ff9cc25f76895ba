"""When a model says `unsure` instead of a guess."""

from dataclasses import dataclass

from autocnn.core.errors import Text, UsageError
from autocnn.core.records import ExportMetadata, OperatingPoint
from autocnn.core.wording import CHOSEN_ON
from autocnn.metrics.rejection import bounded_threshold, fewest_images


@dataclass(frozen=True)
class Abstention:
    """A threshold on the largest probability, and what is known of it.

    Attributes:
        threshold: An answer with a smaller probability is unsure.
        coverage: Share of the study's unseen images that it answers; None where not known.
        error: Share of wrong ones among those answers; None where not known.
        source: `folds` or `val`: what this was measured on.
        bound: The error on new images of the same kind is at most this, with 95 % confidence; None
            where it was not asked for.
    """

    threshold: float
    coverage: float | None = None
    error: float | None = None
    source: str = ""
    bound: float | None = None

    def describe(self) -> str:
        """One or two sentences, for whoever asked."""
        sentence = f"Unsure below a probability of {self.threshold:.4g}"
        if self.coverage is None or self.error is None:
            return f"{sentence}."
        sentence = (
            f"{sentence}: {CHOSEN_ON[self.source]} this answered {self.coverage:.1%} of the "
            f"images, {self.error:.2%} of the answers wrong."
        )
        if self.bound is None:
            return sentence
        return (
            f"{sentence} On new images like these at most {self.bound:.2%}, with 95 % confidence."
        )


def choose_abstention(
    metadata: ExportMetadata, *, unsure: float | None = None, max_error: float | None = None
) -> Abstention | None:
    """What was asked for, as a threshold; None: every image gets an answer.

    Args:
        metadata: Of the model: holds its rejection curve, and the operating point that decides
            where nothing else is asked for.
        unsure: The threshold itself, 0 to 1.
        max_error: Share of the answers that may be wrong, 0 to 1, with 95 % confidence.

    Raises:
        UsageError: When both are given, one is out of range, no threshold is known to keep to
            so few errors, or the model decides for one class at an operating point.
    """
    if unsure is not None and max_error is not None:
        raise UsageError(Text("{unsure} and {max_error} must not be given together, got both."))
    for name, value in (("unsure", unsure), ("max_error", max_error)):
        if value is not None and not 0 <= value <= 1:
            raise UsageError(Text(f"{{{name}}} must be a number from 0 to 1, got {{0}}.", value))
    point = metadata.operating_point
    is_asked = unsure is not None or max_error is not None
    if is_asked and point is not None and point.label is not None:
        raise UsageError(
            Text(
                "{unsure} and {max_error} are about the largest probability, got a model that "
                "decides for {0}.",
                point.target,
            ),
            remedy="Leave them out, or take the model without an operating point.",
        )
    if max_error is not None:
        return _reach(metadata, max_error)
    if unsure is None:
        return _of_point(point)
    # The curve is a step: of the images at or above `unsure`, the next point tells. No largest
    # probability is below one in the number of classes: there the first point does.
    least = unsure if unsure > 1 / len(metadata.class_names) else 0.0
    known = [one for one in metadata.rejection if one.threshold >= least]
    if not known or metadata.rejection_source is None:
        return Abstention(unsure)
    return Abstention(unsure, known[0].coverage, known[0].error, metadata.rejection_source)


def _of_point(point: OperatingPoint | None) -> Abstention | None:
    """That of an operating point without a class."""
    if point is None or point.label is not None:
        return None
    error = 1 - point.chosen["accuracy"].value
    return Abstention(point.threshold, point.chosen["answered"].value, error, point.chosen_on)


def _reach(metadata: ExportMetadata, max_error: float) -> Abstention:
    curve, source = metadata.rejection, metadata.rejection_source
    if not curve or source is None:
        raise UsageError(
            Text(
                "{max_error} needs predictions of images that the model had not seen; this model "
                "comes without them."
            ),
            remedy=Text("Give a probability instead: {unsure:0.9}."),
        )
    if max_error == 0:
        rule = "{max_error} must be above 0: no images can show that there are no errors."
        raise UsageError(Text(rule))
    number = curve[0].num_independent
    if not number:
        raise UsageError(
            Text(
                "{max_error} needs the number of images behind the thresholds, got an export of "
                "an earlier version."
            ),
            remedy=Text("Export it again, or give a probability instead: {unsure:0.9}."),
        )
    found = bounded_threshold(curve, max_error)
    if found is not None:
        point = found.point
        return Abstention(point.threshold, point.coverage, point.error, source, found.bound)
    fewest = fewest_images(curve, max_error)
    if fewest > number:
        raise UsageError(
            Text(
                "{max_error} {0:g} needs at least {1:,} independent images {2}, all answered "
                "right, to hold with 95 % confidence, got {3:,}.",
                max_error,
                fewest,
                CHOSEN_ON[source],
                number,
            ),
            remedy=Text("Allow more, or give a probability instead: {unsure:0.9}."),
        )
    best = min(curve, key=lambda point: (point.error, -point.coverage))
    raise UsageError(
        Text(
            "{max_error} must be kept to by some threshold with 95 % confidence, got {0:g}: the "
            "fewest errors {1} are {2:.4g}, with {3:.1%} of the images answered "
            "({unsure:{4:.4g}}).",
            max_error,
            CHOSEN_ON[source],
            best.error,
            best.coverage,
            best.threshold,
        ),
        remedy="Allow more; or look for a better candidate.",
    )
