"""A server on one socket: who may ask, how much at once, and a clean end."""

import secrets
import signal
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from autocnn.core.errors import MissingExtraError, Text, UsageError
from autocnn.core.extras import install_line
from autocnn.core.hosts import asked_name, own_names

if TYPE_CHECKING:
    import uvicorn

App = Callable[..., Awaitable[None]]
"""An ASGI application."""

Message = MutableMapping[str, Any]

GRACE_S = 10
"""Seconds that requests under way have to end in, once the server is stopped."""

SETTLE_S = 0.1
"""Seconds in which a connection that was just taken becomes known."""

BACKLOG = 2048
"""Connections that may wait to be taken."""

HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (
        b"content-security-policy",
        b"default-src 'none'; img-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; "
        b"script-src 'self'; connect-src 'self'; media-src blob:; base-uri 'none'; "
        b"form-action 'self'; frame-ancestors 'none'",
    ),
)
"""Of every answer that has none of its own of that name."""


def check_web(face: str) -> None:
    """See that the packages of the extra `app` are there.

    Args:
        face: The command that needs them.

    Raises:
        MissingExtraError: When one is missing.
    """
    import importlib.util

    missing = [
        name
        for name, module in (
            ("fastapi", "fastapi"),
            ("uvicorn", "uvicorn"),
            ("python-multipart", "python_multipart"),
        )
        if importlib.util.find_spec(module) is None
    ]
    if missing:
        raise MissingExtraError(
            f"autocnn {face}: needs the packages fastapi, uvicorn and python-multipart, got no "
            f"{missing[0]}.",
            remedy=install_line("app"),
        )


class WebServer:
    """An application on a socket; use it as a context, and `serve_forever`.

    Args:
        app: ASGI application.
        host: Address to listen on.
        port: Port; 0: a free one.
        token: That every request must bring; None: nobody is asked.

    Raises:
        UsageError: When nobody can listen there.
    """

    def __init__(self, app: App, *, host: str, port: int, token: str | None = None) -> None:
        import uvicorn

        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        # With a socket that names no protocol asyncio lets answers wait 40 ms to be acknowledged.
        self._socket = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._socket.bind((host, port))
            self._socket.listen(BACKLOG)  # who asks before it is ready waits
        except (OSError, OverflowError) as error:
            self._socket.close()
            reason = getattr(error, "strerror", None) or str(error)
            raise UsageError(
                f"{host}:{port}: must be an address that nothing listens on yet, got: {reason}.",
                remedy=Text("Choose another {port}; 0 takes a free one."),
            ) from error
        self.host, self.port = host, int(self._socket.getsockname()[1])
        self.token = token
        # No page elsewhere has the token, and a proxy in front asks by a name of its own.
        own = None if token is not None else own_names(host)
        guarded = _Guard(app, token=token, hosts=own)
        self._server = _make_server(
            uvicorn.Config(
                guarded,
                log_config=None,  # its own would close the handlers of a program that has some
                log_level="error",
                access_log=False,
                lifespan="on",
                server_header=False,
                timeout_graceful_shutdown=GRACE_S,
            )
        )

    @property
    def url(self) -> str:
        """Address for a browser."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}/"

    def serve_forever(self) -> None:
        """Answer until `close`, Ctrl-C or SIGTERM; requests under way are answered then.

        Raises:
            KeyboardInterrupt: After Ctrl-C.
        """
        if _has_loop():  # a notebook's; a thread may have one loop only
            with ThreadPoolExecutor(1) as thread:
                served = thread.submit(self._server.run, sockets=[self._socket])
                try:
                    served.result()
                finally:
                    self.close()
            return
        is_main = threading.current_thread() is threading.main_thread()
        # uvicorn raises the signal again once all is answered; SIGTERM has been obeyed then.
        before = signal.signal(signal.SIGTERM, lambda *_: None) if is_main else None
        try:
            self._server.run(sockets=[self._socket])
        finally:
            if is_main:
                signal.signal(signal.SIGTERM, before)

    def close(self) -> None:
        """Stop serving, from any thread."""
        self._server.should_exit = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
        self._socket.close()


def _has_loop() -> bool:
    """Whether an event loop runs in this thread."""
    import asyncio

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _make_server(config: "uvicorn.Config") -> "uvicorn.Server":
    """A server that also ends connections that it takes in its last instant.

    A browser connects before it has anything to ask. Uvicorn does not see a connection that is
    being taken while it ends the others, and waits `GRACE_S` for it.
    """
    import asyncio

    import uvicorn

    class Server(uvicorn.Server):
        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            for server in self.servers:
                server.close()
            await asyncio.sleep(SETTLE_S)
            await super().shutdown(sockets)

    return Server(config)


class _Guard:
    """Lets through who may ask, and adds the headers that every answer has.

    Args:
        app: What answers.
        token: As of `WebServer`.
        hosts: Names of this server; None: any.
    """

    def __init__(self, app: App, *, token: str | None, hosts: frozenset[str] | None) -> None:
        self.app, self.token, self.hosts = app, token, hosts

    async def __call__(self, scope: Message, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = dict(scope["headers"])

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                has = {name.lower() for name, _ in message["headers"]}
                added = [pair for pair in HEADERS if pair[0] not in has]
                message = {**message, "headers": [*message["headers"], *added]}
            await send(message)

        name = asked_name(given.get(b"host", b"").decode("latin-1"))
        if self.hosts is not None and name not in self.hosts:
            await refuse(send_with_headers, 421, "this server is asked for by another name")
        elif self.token is not None and not self._is_allowed(given.get(b"authorization", b"")):
            challenge = [(b"www-authenticate", b"Bearer")]
            await refuse(
                send_with_headers, 401, "a token is needed: Authorization: Bearer TOKEN", challenge
            )
        else:
            await self.app(scope, receive, send_with_headers)

    def _is_allowed(self, header: bytes) -> bool:
        scheme, _, token = header.partition(b" ")
        expected = (self.token or "").encode()
        return scheme.lower() == b"bearer" and secrets.compare_digest(token.strip(), expected)


async def refuse(
    send: Any, status: int, reason: str, headers: Sequence[tuple[bytes, bytes]] = ()
) -> None:
    """Answer with a status and a reason, as JSON."""
    import json

    body = json.dumps({"error": reason}).encode()
    length = (b"content-length", str(len(body)).encode())
    kind = (b"content-type", b"application/json")
    await send(
        {"type": "http.response.start", "status": status, "headers": [kind, length, *headers]}
    )
    await send({"type": "http.response.body", "body": body})


class Limits:
    """Refuses bodies that are too large, and clients that ask too often.

    Args:
        app: What answers.
        most_bytes: Of a body, and of all bodies that are under way together: a client that comes
            then is told to come back.
        most_of: Path -> most bytes of a body there, where that is less.
        rate: Requests a second of one client, on average; None: as many as it likes. Twice as
            many may come at once.
    """

    def __init__(
        self,
        app: App,
        *,
        most_bytes: int,
        most_of: Mapping[str, int] | None = None,
        rate: float | None = None,
    ) -> None:
        self.app, self.most_bytes, self.rate = app, most_bytes, rate
        self._most_of = dict(most_of or {})
        self._under_way = 0
        self._seen: dict[str, tuple[float, float]] = {}

    async def __call__(self, scope: Message, receive: Any, send: Any) -> None:
        """Answer, or refuse."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        client = (scope.get("client") or ("",))[0]
        wait_s = self._wait(client)
        if wait_s > 0:
            after = [(b"retry-after", str(int(wait_s) + 1).encode())]
            await refuse(send, 429, f"at most {self.rate:g} requests a second", after)
            return
        most = min(self.most_bytes, self._most_of.get(scope["path"], self.most_bytes))
        too_large = f"a request must have at most {most / 1e6:g} MB"
        length = dict(scope["headers"]).get(b"content-length", b"0")
        if length.isdigit() and int(length) > most:
            await refuse(send, 413, too_large)
            return
        taken, is_gone = 0, False

        async def receive_counted() -> Message:
            nonlocal taken, is_gone
            message: Message = await receive()
            more = len(message.get("body", b""))
            taken, self._under_way = taken + more, self._under_way + more
            if taken > most:  # a client that did not say how much it sends
                await refuse(send, 413, too_large)
            elif more and self._under_way > self.most_bytes:
                await refuse(send, 503, "too much is sent at once", [(b"retry-after", b"1")])
            elif message["type"] != "http.disconnect":
                return message
            is_gone = True
            return {"type": "http.disconnect"}

        async def send_unless_gone(message: Message) -> None:
            if not is_gone:
                await send(message)

        try:
            await self.app(scope, receive_counted, send_unless_gone)
        except Exception:  # the application has seen its client go
            if not is_gone:
                raise
        finally:
            self._under_way -= taken

    def _wait(self, client: str) -> float:
        """Seconds until this client may ask again; 0: now. A bucket that fills at `rate`."""
        if self.rate is None:
            return 0.0
        now, most = time.monotonic(), max(1.0, 2 * self.rate)
        if len(self._seen) > MOST_CLIENTS:
            self._seen.clear()
        left, before = self._seen.get(client, (most, now))
        left = min(most, left + (now - before) * self.rate)
        if left < 1:
            self._seen[client] = left, now
            return (1 - left) / self.rate
        self._seen[client] = left - 1, now
        return 0.0


MOST_CLIENTS = 10_000
"""Clients of which it is known how often they have asked."""
