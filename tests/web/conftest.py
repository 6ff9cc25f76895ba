"""Servers on loopback, in a thread, that end with the test."""

import http.client
import json
import threading
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest

from autocnn.web.server import App, WebServer


class Reply(NamedTuple):
    """What a server answered."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def data(self) -> Any:
        return json.loads(self.body)


class Client:
    """Asks one server."""

    def __init__(self, server: WebServer) -> None:
        self.server = server

    def ask(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> Reply:
        connection = http.client.HTTPConnection(self.server.host, self.server.port, timeout=60)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return Reply(answer.status, found, answer.read())
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Reply:
        return self.ask("GET", path, headers=headers)

    def post(self, path: str, body: Any, **headers: str) -> Reply:
        return self.ask("POST", path, body, headers)


Start = Callable[..., Client]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts servers: `start(app, token=...)`."""
    running: list[tuple[WebServer, threading.Thread]] = []

    def begin(app: App, *, token: str | None = None, host: str = "127.0.0.1") -> Client:
        server = WebServer(app, host=host, port=0, token=token)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        running.append((server, thread))
        return Client(server)

    yield begin
    for server, _ in running:
        server.close()
    for server, thread in running:
        thread.join(20)
        assert not thread.is_alive()
        server.__exit__(None, None, None)
