"""optuna.db: the trials of a search as optuna-dashboard reads them, while it runs.

The engine's study is in memory, and this file a view of it. Optuna's own storage takes 100 to
200 ms of CPU for a trial of thirty params and twenty epochs, most of it to look up what is
known (docs/performance.md); here each step is one transaction of a millisecond or less. Optuna
makes the file and its tables; where it makes others than those known here, it writes them too.
"""

import contextlib
import datetime
import json
import math
import sqlite3
from collections.abc import Callable, Iterator
from typing import Any

import optuna
from optuna.distributions import distribution_to_json
from optuna.storages import RDBStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, Trial
from sqlalchemy.exc import SQLAlchemyError

from autocnn.core.errors import DiskFullError

KNOWN_SCHEMA = 12
"""Version of Optuna's tables that is written here, that of Optuna 4 and 5."""

BUSY_S = 60.0
"""So long a reader may hold the file."""


class OptunaView:
    """The database of one study.

    The study goes on without it where it cannot be written, but for a full disk: a reader may hold
    it for long, and some file systems have no locks.

    Args:
        url: SQLAlchemy address of an SQLite file that is not there yet.
        name: Of the study.
        direction: Of its objective.
        warn: Is told once when it is given up.

    Raises:
        DiskFullError: From each method, when the disk is full.
    """

    def __init__(
        self, url: str, name: str, direction: StudyDirection, *, warn: Callable[[str], None]
    ) -> None:
        self._ids: dict[int, int] = {}
        self._attributes: dict[int, set[str]] = {}
        self._warn = warn
        self._is_lost = self._is_known = False
        self._open = contextlib.ExitStack()
        with self._spared():
            storage = RDBStorage(url)
            self._open.callback(storage.engine.dispose)
            self._open.callback(storage.remove_session)
            self._study = optuna.create_study(study_name=name, storage=storage, direction=direction)
            path = storage.engine.url.database
            storage.remove_session()
            storage.engine.dispose()
            database = sqlite3.connect(path or "", timeout=BUSY_S, isolation_level=None)
            self._database = self._open.enter_context(contextlib.closing(database))
            # It need not outlast a power cut: it is made anew at resume.
            self._database.execute("PRAGMA synchronous=OFF")
            ((self._study_id,),) = self._database.execute("SELECT study_id FROM studies")
            ((schema,),) = self._database.execute("SELECT schema_version FROM version_info")
            self._is_known = schema == KNOWN_SCHEMA

    def close(self) -> None:
        """Let go of the file."""
        self._open.close()

    def start(self, trial: Trial) -> None:
        """Show a trial that has its params."""
        if self._is_lost or not self._is_known:
            return
        with self._spared(), self._transaction() as database:
            cursor = database.execute(
                "INSERT INTO trials (number, study_id, state, datetime_start) VALUES (?, ?, ?, ?)",
                (trial.number, self._study_id, "RUNNING", _now()),
            )
            trial_id = self._ids[trial.number] = int(cursor.lastrowid or 0)
            database.executemany(
                "INSERT INTO trial_params (trial_id, param_name, param_value, distribution_json) "
                "VALUES (?, ?, ?, ?)",
                [
                    (
                        trial_id,
                        name,
                        distribution.to_internal_repr(trial.params[name]),
                        distribution_to_json(distribution),
                    )
                    for name, distribution in trial.distributions.items()
                ],
            )
            self._write_attributes(trial.number, trial.user_attrs)

    def report(self, number: int, value: float, *, epoch: int) -> None:
        """Show the objective after an epoch."""
        if self._is_known and not self._is_lost and math.isfinite(value):
            with self._spared(), self._transaction() as database:
                database.execute(
                    "INSERT INTO trial_intermediate_values "
                    "(trial_id, step, intermediate_value, intermediate_value_type) "
                    "VALUES (?, ?, ?, 'FINITE')",
                    (self._ids[number], epoch, value),
                )

    def end(self, trial: FrozenTrial) -> None:
        """Show how a trial ended."""
        if self._is_lost:
            return
        if not self._is_known:
            with self._spared():
                self._study.add_trial(trial)
            return
        trial_id = self._ids[trial.number]
        with self._spared(), self._transaction() as database:
            self._write_attributes(trial.number, trial.user_attrs)
            database.executemany(
                'INSERT INTO trial_system_attributes (trial_id, "key", value_json) '
                "VALUES (?, ?, ?)",
                [(trial_id, key, json.dumps(value)) for key, value in trial.system_attrs.items()],
            )
            database.executemany(
                "INSERT INTO trial_values (trial_id, objective, value, value_type) "
                "VALUES (?, ?, ?, 'FINITE')",
                [
                    (trial_id, index, value)
                    for index, value in enumerate(trial.values or ())
                    if math.isfinite(value)
                ],
            )
            database.execute(
                "UPDATE trials SET state = ?, datetime_complete = ? WHERE trial_id = ?",
                (trial.state.name, _now(), trial_id),
            )
        del self._ids[trial.number], self._attributes[trial.number]

    def _write_attributes(self, number: int, attributes: dict[str, Any]) -> None:
        """Those that are not there yet; one that is there never changes."""
        written = self._attributes.setdefault(number, set())
        self._database.executemany(
            'INSERT INTO trial_user_attributes (trial_id, "key", value_json) VALUES (?, ?, ?)',
            [
                (self._ids[number], key, json.dumps(value))
                for key, value in attributes.items()
                if key not in written
            ],
        )
        written.update(attributes)

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        self._database.execute("BEGIN IMMEDIATE")
        with self._database:  # it commits; an error takes all of it back
            yield self._database

    @contextlib.contextmanager
    def _spared(self) -> Iterator[None]:
        """Give the file up at an error of the database; a full disk is an error of the study."""
        try:
            yield
        except (sqlite3.Error, SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
            cause = _first_cause(error)
            reason = (str(cause).splitlines() or [type(cause).__name__])[0]
            if getattr(cause, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
                raise DiskFullError(
                    f"optuna.db: must be writable, got: {reason}.",
                    remedy="Free some space on the disk of the study, then resume it.",
                ) from error
            self._is_lost = True
            self._warn(
                f"optuna.db cannot be written ({reason}): the study goes on without it, and the "
                "next resume makes it anew."
            )


def _first_cause(error: BaseException) -> BaseException:
    """What SQLite said, below what SQLAlchemy and Optuna made of it."""
    while error.__cause__ is not None:
        error = error.__cause__
    return error


def _now() -> str:
    return datetime.datetime.now().isoformat(" ", "microseconds")
