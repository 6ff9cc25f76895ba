"""Operating points of a study's candidates: chosen on unseen images, judged on clean test."""

from autocnn.core.errors import StudyError, Text, UsageError
from autocnn.core.records import CandidateRecord, OperatingPoint
from autocnn.storage import StudyFolder


def check_prevalence(prevalence: float | None) -> None:
    """Refuse a prevalence that is none.

    Raises:
        UsageError: When it is not above 0 and below 1.
    """
    if prevalence is not None and not 0 < prevalence < 1:
        raise UsageError(
            Text("{prevalence} must be above 0 and below 1, got {0:g}.", prevalence),
            remedy="Write 0.02 for 2 %.",
        )


def find_operating_point(
    folder: StudyFolder, record: CandidateRecord, target: str, *, prevalence: float | None = None
) -> OperatingPoint:
    """The threshold at which a candidate reaches a target, and what holds there.

    Args:
        folder: The study.
        record: Of the candidate.
        target: As `sensitivity of malignant >= 0.95`; see `metrics.operating_point.parse_target`.
        prevalence: Share of the class that PPV and NPV hold for, and a precision is chosen for;
            None: that of the test images; a precision is then chosen at that of the unseen ones.

    Raises:
        UsageError: When the target is none, or no threshold reaches it, or the prevalence is out
            of its range, or is given where the target has no class.
        StudyError: When the study has no predictions to choose or to judge by.
    """
    from autocnn.metrics.operating_point import (
        Counts,
        answered_values,
        choose_threshold,
        parse_target,
    )
    from autocnn.storage.predictions import read_judged, read_unseen

    check_prevalence(prevalence)
    status = folder.read_status()
    if status.data is None:
        raise StudyError(f"{folder.path}: must know its images, got a study.json without `data`.")
    names = status.data.class_names
    wanted = parse_target(target, names)
    if prevalence is not None and wanted.label is None:
        raise UsageError(
            Text("{prevalence} is of a class, got it with {target} {0}.", wanted),
            remedy=Text("Leave {prevalence} out."),
        )
    unseen, judged = (read(folder, record, names) for read in (read_unseen, read_judged))
    for what, found in (("out-of-fold or val", unseen), ("test", judged)):
        if not len(found.labels):
            raise StudyError(
                f"{folder.path}: candidate {record.candidate} must have {what} predictions for "
                "an operating point, got none.",
                remedy="Take another candidate, or run the study again.",
            )
    threshold = choose_threshold(
        wanted, unseen.labels, unseen.probabilities, names, prevalence=prevalence
    )
    if wanted.label is None:
        sides = [
            answered_values(threshold, one.labels, one.probabilities, one.groups)
            for one in (unseen, judged)
        ]
        share = None
    else:
        place = names.index(wanted.label)
        counted = [
            Counts.at(threshold, one.labels == place, one.probabilities[:, place], one.groups)
            for one in (unseen, judged)
        ]
        sides = [(one.values(prevalence), one.numbers()) for one in counted]
        share = counted[1].prevalence if prevalence is None else prevalence
    return OperatingPoint(
        target=str(wanted),
        metric=wanted.metric,
        label=wanted.label,
        least=wanted.least,
        threshold=threshold,
        candidate=record.candidate,
        chosen_on="folds" if unseen.source == "folds" else "val",
        chosen=sides[0][0],
        judged_on="test_clean" if judged.source == "test_clean" else "test",
        num_judged=len(judged.labels),
        judged=sides[1][0],
        counts=sides[1][1],
        prevalence=share,
        is_prevalence_stated=prevalence is not None,
    )


def find_operating_points(
    folder: StudyFolder, target: str, *, prevalence: float | None = None
) -> tuple[OperatingPoint, ...]:
    """Those of all candidates of a study that reach a target, by rank.

    They are ranked by folds or val, never by what their operating points show on test.

    Args:
        folder: The study.
        target: As for `find_operating_point`.
        prevalence: As there.

    Raises:
        UsageError: As there, when no candidate reaches it.
        StudyError: While there is no candidate, or their predictions are gone.
    """
    folder.read_leaderboard()  # says what an unfinished study lacks
    found: list[OperatingPoint] = []
    missed: UsageError | None = None
    for record in sorted(folder.read_candidates(), key=lambda record: record.rank):
        try:
            found.append(find_operating_point(folder, record, target, prevalence=prevalence))
        except UsageError as error:
            missed = missed or error
    if not found and missed is not None:
        raise missed
    return tuple(found)
