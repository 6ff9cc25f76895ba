"""A model as a REST service."""

import math
import secrets
from typing import TYPE_CHECKING

from autocnn.api.functions import load
from autocnn.api.settings import PathLike
from autocnn.core.errors import Text, UsageError
from autocnn.core.hosts import is_loopback

if TYPE_CHECKING:
    from autocnn.web.server import WebServer


def serve(
    model: PathLike,
    *,
    port: int = 8000,
    host: str = "127.0.0.1",
    token: str | None = None,
    unsure: float | None = None,
    max_error: float | None = None,
    target: str | None = None,
    prevalence: float | None = None,
    max_mb: float = 20.0,
    max_images: int = 64,
    rate: float | None = None,
    candidate: int | None = None,
    results: PathLike = "results",
    trust_code: bool = False,
) -> "WebServer":
    """A server that predicts images over HTTP.

    `with autocnn.serve("mine") as server: server.serve_forever()`; `server.url` is its address,
    `server.token` what clients must bring. No file is written.

    Args:
        model: As for `load`.
        port: To listen on; 0: a free one.
        host: Address to listen on. Beyond this machine (0.0.0.0), a token is needed: one is made
            where none is given.
        token: That clients send as `Authorization: Bearer TOKEN`; None: the variable
            AUTOCNN_TOKEN, else none is asked for on this machine.
        unsure: As for `predict`.
        max_error: As for `predict`.
        target: As for `predict`.
        prevalence: As for `predict`.
        max_mb: Most MB (10^6 bytes) of an image.
        max_images: Most images of a request.
        rate: Most requests a second of a client; None: no limit.
        candidate: Of a study; None: the best.
        results: Folder that holds the studies.
        trust_code: As for `load`.

    Raises:
        MissingExtraError: When fastapi or uvicorn is not installed.
        StudyError: When there is no such study or candidate.
        ExportError: When the folder is no whole export.
        UsageError: When nobody can listen there, or a threshold is out of range.

    >>> serve("no-model", results="no-folder")
    Traceback (most recent call last):
    ...
    autocnn.core.errors.StudyNotFoundError: no-model: must be a study under no-folder, a path to \
one, an exported folder or a model file in one of these, got none of them. Start one with \
`autocnn search`.
    """
    from autocnn.web.server import WebServer, check_web

    check_web("serve")
    from autocnn.inference.predict.abstention import choose_abstention
    from autocnn.web.service import ServiceLimits, make_service, token_from_environment

    if target is not None and (unsure is not None or max_error is not None):
        raise UsageError(Text("{target} must not be given together with {unsure} or {max_error}."))
    for name, value in (("max_mb", max_mb), ("max_images", max_images), ("rate", rate)):
        if value is not None and not 0 < value < math.inf:
            raise UsageError(Text(f"{{{name}}} must be a number above 0, got {{0:g}}.", value))
    token = token or token_from_environment()
    if token is None and not is_loopback(host):
        token = secrets.token_urlsafe(24)
    opened = load(
        model,
        results=results,
        candidate=candidate,
        trust_code=trust_code,
        target=target,
        prevalence=prevalence,
    )
    abstention = choose_abstention(opened.metadata, unsure=unsure, max_error=max_error)
    limits = ServiceLimits(image_mb=max_mb, images=max_images, rate=rate)
    app = make_service(opened, abstention=abstention, limits=limits)
    return WebServer(app, host=host, port=port, token=token)
