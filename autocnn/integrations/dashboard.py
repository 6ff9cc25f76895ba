"""optuna-dashboard on one study: a server that looks and never writes."""

import importlib.util
import logging
import sqlite3
import warnings
from collections.abc import Iterable
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from autocnn.core.errors import MissingExtraError, StudyError, Text, UsageError
from autocnn.core.extras import install_line
from autocnn.core.hosts import asked_name, own_names
from autocnn.storage import StudyFolder

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

READING = ("GET", "HEAD")

REFUSAL = b'{"reason": "autocnn shows this study and changes nothing in it."}'

OTHER_NAME = b'{"reason": "this server is asked for by another name"}'


class DashboardServer(ThreadingMixIn, WSGIServer):
    """Answers each request in a thread, so that a slow one holds up none."""

    daemon_threads = True

    @property
    def url(self) -> str:
        """Address for a browser."""
        host, port = self.server_address[:2]
        return f"http://{host!s}:{port}/"


def open_dashboard(folder: StudyFolder, *, host: str, port: int) -> DashboardServer:
    """A server that shows a study; `serve_forever` runs it, `server_close` ends it.

    The study's database is opened anew for each look, read-only: a search that writes it is
    neither held up nor disturbed.

    Args:
        folder: The study.
        host: Name or address to listen on.
        port: Port; 0: a free one.

    Raises:
        MissingExtraError: When optuna-dashboard is not installed.
        StudyError: When the study has no database of Optuna.
        UsageError: When nobody can listen there.
    """
    if importlib.util.find_spec("optuna_dashboard") is None:
        raise MissingExtraError(
            "autocnn dashboard: needs the package optuna-dashboard, got none.",
            remedy=install_line("dashboard"),
        )
    _check_database(folder)
    try:
        server = make_server(host, port, _application(folder, host), DashboardServer, _QuietHandler)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(
            f"{host}:{port}: must be an address that nothing listens on yet, got: {reason}.",
            remedy=Text("Choose another {port}; 0 takes a free one."),
        ) from error
    assert isinstance(server, DashboardServer)
    return server


def _check_database(folder: StudyFolder) -> None:
    status = folder.read_status()
    if status.config.engine != "optuna":
        raise StudyError(
            f"{folder.path}: must be a study of the engine optuna, got {status.config.engine}.",
            remedy=f"`autocnn report {folder.argument}` draws its search.",
        )
    if not folder.optuna_path.is_file():
        raise StudyError(
            f"{folder.optuna_path}: must be there, got no file: the search has not begun, or it "
            "was left out when the study was copied.",
            remedy=f"`autocnn report {folder.argument}` draws what is known.",
        )


def _application(folder: StudyFolder, host: str) -> "WSGIApplication":
    """optuna-dashboard on the study, for requests that read and ask for this server."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its experimental parts are not our users' concern
        import optuna_dashboard
        from optuna.storages import RDBStorage
        from sqlalchemy.pool import NullPool

    address = f"{folder.optuna_path.resolve().as_uri()}?mode=ro"

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(address, uri=True, check_same_thread=False)

    storage = RDBStorage(
        folder.optuna_url,
        engine_kwargs={"creator": connect, "poolclass": NullPool},
        skip_table_creation=True,
    )
    logging.getLogger("optuna_dashboard").setLevel(logging.ERROR)
    dashboard: WSGIApplication = optuna_dashboard.wsgi(storage)

    names = own_names(host)

    def answer(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        if names is not None and asked_name(environ.get("HTTP_HOST", "")) not in names:
            start_response("421 Misdirected Request", [("Content-Type", "application/json")])
            return [OTHER_NAME]
        if environ["REQUEST_METHOD"] in READING:
            return dashboard(environ, start_response)
        start_response(
            "405 Method Not Allowed",
            [("Content-Type", "application/json"), ("Allow", ", ".join(READING))],
        )
        return [REFUSAL]

    return answer


class _QuietHandler(WSGIRequestHandler):
    """Says nothing about each request."""

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its parent's name
        pass
