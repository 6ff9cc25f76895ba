"""The chosen candidate on the test images of each value of a column."""

from collections.abc import Sequence
from dataclasses import replace

from autocnn.core.events import Observer
from autocnn.data import values_by
from autocnn.metrics.subgroups import score_subgroups
from autocnn.reporting.subgroups import describe_worst, subgroup_table
from autocnn.selection.plan import FinalistsPlan
from autocnn.selection.score import Candidate
from autocnn.storage import StudyFolder


def add_subgroups(
    plan: FinalistsPlan,
    candidates: Sequence[Candidate],
    by: Sequence[str],
    folder: StudyFolder,
    observer: Observer,
) -> list[Candidate]:
    """Add scores by column to the record of the first, and write subgroups.csv.

    Args:
        plan: Images.
        candidates: Judged, the chosen one first.
        by: Columns; none: nothing is done.
        folder: The study.
        observer: Hears which value is worst.

    Raises:
        DataError: When a column cannot be used.
    """
    if not by:
        return list(candidates)
    first, *others = candidates
    positions = plan.dataset.positions("test")[plan.judged].tolist()
    columns = values_by(plan.dataset.table, by)
    values = {name: [cells[i] for i in positions] for name, cells in columns.items()}
    judged = first.judged
    found = score_subgroups(
        judged.labels,
        judged.probabilities,
        plan.dataset.class_names,
        values,
        groups=judged.groups,
        seed=plan.seed,
    )
    folder.write_subgroups(*subgroup_table(found))
    for sentence in describe_worst(found):
        observer.note(sentence)
    return [replace(first, record=first.record.model_copy(update={"subgroups": found})), *others]
