"""Everything that the report shows of a study, read once from its folder."""

import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from autocnn.core.errors import SpaceError, StudyError
from autocnn.core.objective import Goal
from autocnn.core.records import AuditReport, CandidateRecord, CopyGroup, LabelIssue, TrialRecord
from autocnn.reporting.elements import Picture, load_picture
from autocnn.storage import StudyFolder
from autocnn.storage.status import StudyStatus

if TYPE_CHECKING:
    from autocnn.reporting.operating_view import PointFacts

NUM_PICTURED = 4
"""Candidates whose pictures are in the page; the numbers of all are."""

MOST_COPY_GROUPS = 12
"""Groups of copies that are shown."""

PICTURES = ("confusion_matrix", "roc", "pr", "reliability", "learning_curves")
"""Names of a candidate's pictures, in the order in which they are shown."""

BEST_PICTURES = ("gap", "robustness")
"""Those that are shown of the best candidate only."""


@dataclass(frozen=True)
class StudyFacts:
    """A study, as far as it is.

    Attributes:
        name: Of its folder.
        status: The content of study.json.
        trials: All that have begun, by number.
        candidates: By rank; empty while there is no leaderboard.
        default_trial: The trial that has the default configuration; None where the study has no
            such trial, or not its space any more.
        audit: Of the data; None where there is none.
        audit_problem: Why an audit that is there cannot be shown; else empty.
        models: Candidates whose model.keras is there.
        pictures: (candidate, name without ending) -> its picture.
        examples: File beside the best candidate's record -> its picture.
        thumbnails: File in `audit/` -> its picture.
        samples: Images of each class that the page shows; None: all that there are.
        label_issues: Labels that are doubted; None where they were not checked.
        labels_problem: Why a list of them that is there cannot be shown; else empty.
        label_pictures: File in `label_issues/` -> its picture.
        points: Operating points of the best candidate; None where its predictions are gone.
    """

    name: str
    status: StudyStatus
    trials: tuple[TrialRecord, ...] = ()
    candidates: tuple[CandidateRecord, ...] = ()
    default_trial: int | None = None
    audit: AuditReport | None = None
    audit_problem: str = ""
    models: frozenset[int] = frozenset()
    pictures: dict[tuple[int, str], Picture] = field(default_factory=dict)
    examples: dict[str, Picture] = field(default_factory=dict)
    thumbnails: dict[str, Picture] = field(default_factory=dict)
    samples: int | None = None
    label_issues: tuple[LabelIssue, ...] | None = None
    labels_problem: str = ""
    label_pictures: dict[str, Picture] = field(default_factory=dict)
    points: "PointFacts | None" = None

    @property
    def goal(self) -> Goal:
        """What the search improved."""
        return Goal(self.status.config.objective, self.status.config.max_gap)

    @property
    def best(self) -> CandidateRecord | None:
        """The candidate that was chosen, or the first by rank; None without any."""
        choice = self.status.choice
        for record in self.candidates:
            if choice is not None and record.candidate == choice.candidate:
                return record
        return self.candidates[0] if self.candidates else None

    @property
    def pictured(self) -> tuple[CandidateRecord, ...]:
        """The candidates whose pictures are in the page: the first, the best among them."""
        best = self.best
        others = [record for record in self.candidates if record != best]
        chosen = [best, *others[: NUM_PICTURED - 1]]
        return tuple(record for record in self.candidates if record in chosen)

    def trial_of(self, record: CandidateRecord) -> TrialRecord | None:
        """The trial that a candidate comes from."""
        return next((trial for trial in self.trials if trial.trial == record.trial), None)


def read_facts(
    folder: StudyFolder, *, max_images: int | None = None, samples: int | None = None
) -> StudyFacts:
    """Read a study, finished or not. Files that are missing are left out.

    Args:
        folder: Of the study.
        max_images: Most images of the data that are read: mistakes first, then doubtful
            labels, copies last; None: all that the study keeps.
        samples: Images of each class; 0: no image of the data at all; None: as the study was
            asked for.

    Raises:
        StudyError: When study.json or a record cannot be read.
    """
    status = folder.read_status()
    candidates: list[CandidateRecord] = []
    if folder.leaderboard_path.exists():  # else they are of an earlier end of the study
        candidates = sorted(folder.read_candidates(), key=lambda record: record.rank)
    trials = tuple(folder.read_trials())
    audit, audit_problem = _read_audit(folder)
    samples = status.config.samples if samples is None else samples
    max_images = 0 if samples == 0 else sys.maxsize if max_images is None else max_images
    facts = StudyFacts(
        name=folder.name,
        status=status,
        trials=trials,
        candidates=tuple(candidates),
        default_trial=find_default(folder, trials),
        audit=audit,
        audit_problem=audit_problem,
        models=frozenset(r.candidate for r in candidates if folder.has_model(r.candidate)),
        samples=samples,
    )
    examples = _read_examples(folder, facts.best, max_images)
    issues, labels_problem = _read_issues(folder) if candidates else (None, "")
    labels = _read_label_pictures(folder, issues or (), max_images - len(examples))
    most_copies = max_images - len(examples) - len(labels)
    return replace(
        facts,
        pictures=_read_pictures(folder, facts),
        examples=examples,
        thumbnails=_read_thumbnails(folder, facts, most_copies),
        label_issues=None if issues is None else tuple(issues),
        labels_problem=labels_problem,
        label_pictures=labels,
        points=_read_points(folder, facts),
    )


def shown_copies(audit: AuditReport | None) -> tuple[CopyGroup, ...]:
    """The groups of copies worth showing: those with thumbnails, conflicts, across splits."""
    if audit is None:
        return ()
    ranked = sorted(
        audit.copies, key=lambda g: (not g.thumbnails, len(set(g.labels)) < 2, not _is_across(g))
    )
    return tuple(ranked[:MOST_COPY_GROUPS])


def _is_across(group: CopyGroup) -> bool:
    return "test" in group.splits and len(set(group.splits)) > 1


def find_default(folder: StudyFolder, trials: Sequence[TrialRecord]) -> int | None:
    """Number of the trial that has the default configuration of its study's space, if any."""
    from autocnn.spaces.files import load_space  # its YAML reader is slow to import

    try:
        space = load_space(str(folder.space_path), own_names=True)
    except SpaceError:
        return None
    return next((trial.trial for trial in trials if space.is_default(trial.params)), None)


def _read_audit(folder: StudyFolder) -> tuple[AuditReport | None, str]:
    try:
        return folder.read_audit(), ""
    except StudyError as error:
        return None, error.message


def _read_issues(folder: StudyFolder) -> tuple[list[LabelIssue] | None, str]:
    try:
        return folder.read_label_issues(), ""
    except StudyError as error:  # a person works on it, in a spreadsheet
        return None, error.message


def _read_pictures(folder: StudyFolder, facts: StudyFacts) -> dict[tuple[int, str], Picture]:
    wanted = [(record.candidate, name) for record in facts.pictured for name in PICTURES]
    if facts.best is not None:
        wanted += [(facts.best.candidate, name) for name in BEST_PICTURES]
    found = {}
    for number, name in wanted:
        picture = load_picture(folder.read_candidate_picture(number, f"{name}.png"))
        if picture is not None:
            found[number, name] = picture
    return found


def _read_thumbnails(folder: StudyFolder, facts: StudyFacts, most: int) -> dict[str, Picture]:
    shown: Counter[str] = Counter()
    names = []
    for sample in facts.audit.samples if facts.audit else ():
        shown[sample.label] += 1
        if facts.samples is None or shown[sample.label] <= facts.samples:
            names.append(sample.picture)
    names += [name for group in shown_copies(facts.audit) for name in group.thumbnails]
    names = names[: max(0, most)]
    loaded = {name: load_picture(folder.read_audit_picture(name)) for name in names}
    return {name: picture for name, picture in loaded.items() if picture is not None}


def _read_points(folder: StudyFolder, facts: StudyFacts) -> "PointFacts | None":
    if facts.best is None or facts.status.data is None:
        return None
    from autocnn.reporting.operating_view import read_points  # SciPy

    return read_points(folder, facts.best, facts.status.data.class_names)


def _read_label_pictures(
    folder: StudyFolder, issues: Iterable[LabelIssue], most: int
) -> dict[str, Picture]:
    names = [issue.picture for issue in issues if issue.picture][:most]
    loaded = {name: load_picture(folder.read_label_picture(name)) for name in names}
    return {name: picture for name, picture in loaded.items() if picture is not None}


def _read_examples(
    folder: StudyFolder, best: CandidateRecord | None, most: int
) -> dict[str, Picture]:
    if best is None:
        return {}
    explained = best.explanation.images if best.explanation else ()
    names = [image.picture for image in sorted(explained, key=lambda image: image.is_right)]
    names += [name for image in best.augmented for name in (image.picture, *image.versions)]
    loaded = {
        n: load_picture(folder.read_candidate_picture(best.candidate, n)) for n in names[:most]
    }
    return {name: picture for name, picture in loaded.items() if picture is not None}
