"""When a model says `unsure` instead of a guess."""

from dataclasses import dataclass

from autocnn.core.errors import Text, UsageError
from autocnn.core.records import ExportMetadata
from autocnn.metrics.rejection import threshold_for

WORDS = {"folds": "out of fold", "val": "on val"}


@dataclass(frozen=True)
class Abstention:
    """A threshold on the largest probability, and what is known of it.

    Attributes:
        threshold: An answer with a smaller probability is unsure.
        coverage: Share of the study's unseen images that it answers; None where not known.
        error: Share of wrong ones among those answers; None where not known.
        source: `folds` or `val`: what this was measured on.
    """

    threshold: float
    coverage: float | None = None
    error: float | None = None
    source: str = ""

    def describe(self) -> str:
        """One sentence, for whoever asked."""
        sentence = f"Unsure below a probability of {self.threshold:.4g}"
        if self.coverage is None or self.error is None:
            return f"{sentence}."
        return (
            f"{sentence}: {WORDS[self.source]} this answered {self.coverage:.1%} of the images, "
            f"{self.error:.2%} of the answers wrong."
        )


def choose_abstention(
    metadata: ExportMetadata, *, unsure: float | None = None, max_error: float | None = None
) -> Abstention | None:
    """What was asked for, as a threshold; None: every image gets an answer.

    Args:
        metadata: Of the model: holds its rejection curve.
        unsure: The threshold itself, 0 to 1.
        max_error: Share of the answers that may be wrong, 0 to 1.

    Raises:
        UsageError: When both are given, one is out of range, or no threshold gets so few errors.
    """
    if unsure is not None and max_error is not None:
        raise UsageError("unsure and max_error must not be given together, got both.")
    for name, value in (("unsure", unsure), ("max_error", max_error)):
        if value is not None and not 0 <= value <= 1:
            raise UsageError(f"{name} must be a number from 0 to 1, got {value}.")
    if max_error is not None:
        return _reach(metadata, max_error)
    if unsure is None:
        return None
    # The curve is a step: of the images at or above `unsure`, the next point tells.
    known = [point for point in metadata.rejection if point.threshold >= unsure]
    if not known or metadata.rejection_source is None:
        return Abstention(unsure)
    return Abstention(unsure, known[0].coverage, known[0].error, metadata.rejection_source)


def _reach(metadata: ExportMetadata, max_error: float) -> Abstention:
    curve, source = metadata.rejection, metadata.rejection_source
    if not curve or source is None:
        raise UsageError(
            "max_error needs predictions of images that the model had not seen; this model "
            "comes without them.",
            remedy=Text("Give a probability instead: {unsure:0.9}."),
        )
    threshold = threshold_for(curve, max_error)
    if threshold is None:
        best = min(curve, key=lambda point: (point.error, -point.coverage))
        raise UsageError(
            Text(
                "max_error must be reached by some threshold, got {0:g}: the fewest errors {1} are "
                "{2:.4g}, with {3:.1%} of the images answered ({unsure:{4:.4g}}).",
                max_error,
                WORDS[source],
                best.error,
                best.coverage,
                best.threshold,
            ),
            remedy=Text(
                "Allow more, at least {max_error:{0:.4g}}; or look for a better candidate.",
                best.error,
            ),
        )
    point = next(point for point in curve if point.threshold == threshold)
    return Abstention(threshold, point.coverage, point.error, source)
