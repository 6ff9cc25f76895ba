"""The stages of a study, each of which takes up what an earlier session left.

`prepare` reads the data and everything that can be wrong before a trial starts, `search` runs
the trials, `finish` retrains and judges the finalists. All work on one `Session`.
"""

from autocnn.study.finish import finish
from autocnn.study.prepare import prepare
from autocnn.study.session import Session
from autocnn.study.trials import search_trials

__all__ = ["Session", "run_stages"]


def run_stages(session: Session) -> None:
    """All stages of a study, or those that are left.

    Args:
        session: A study in a locked folder.

    Raises:
        DataError: When the data cannot be used.
        StudyChangedError: When data or space are others than they were.
        SearchError: When nothing finished.
        DiskFullError: When the disk is too full to go on.
        KeyboardInterrupt: When stopping was asked for.
    """
    prepare(session)
    finish(session, search_trials(session))
