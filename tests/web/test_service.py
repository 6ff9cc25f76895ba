"""A model over HTTP: every answer, every refusal, many clients at once."""

import asyncio
import contextlib
import http.client
import io
import logging
import os
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import psutil
import pytest
from PIL import Image

from autocnn.core.errors import UsageError
from autocnn.inference.predict.abstention import Abstention
from autocnn.storage import StudyFolder
from autocnn.web.server import WebServer
from autocnn.web.service import ServiceLimits, make_service
from autocnn.web.view import make_view
from tests.fuzz.running import draw
from tests.inference.predict.models import CLASSES, grey, model
from tests.reporting.studies import AWKWARD_CLASSES
from tests.reporting.test_comparison import make_study
from tests.reporting.test_page import Reader
from tests.web.conftest import Client, Reply, Start


def png(value: int, side: int = 12) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.full((side, side), value, np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def form(*files: tuple[str, bytes], field: str = "images") -> tuple[bytes, dict[str, str]]:
    parts = [
        f'--XX\r\nContent-Disposition: form-data; name="{field}"; filename="{name}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n".encode()
        + content
        + b"\r\n"
        for name, content in files
    ]
    return b"".join(parts) + b"--XX--\r\n", {"Content-Type": "multipart/form-data; boundary=XX"}


def batch(client: Client, *files: tuple[str, bytes]) -> Reply:
    body, headers = form(*files)
    return client.ask("POST", "/predict/batch", body, headers)


def test_one_image_is_predicted_as_the_model_does(start: Start) -> None:
    client = start(make_service(model()))
    found = client.post("/predict", png(250))
    (expected,) = model().predict([grey(250)]).probabilities.tolist()
    assert found.status == 200
    assert found.data["path"] == "image"
    assert found.data["predicted"] == CLASSES[int(np.argmax(expected))]
    assert list(found.data["probabilities"].values()) == pytest.approx(expected, abs=1e-6)
    assert found.data["error"] is None
    asked = client.post("/predict", png(250), **{"Content-Type": "application/json"})
    assert asked.data == found.data, "what a client says of the body does not matter"


def test_a_batch_has_an_answer_per_file_in_their_order(start: Start) -> None:
    client = start(make_service(model()))
    files = [("dark.png", png(0)), ("x/../broken.png", b"junk"), ("<b>.png", png(255))]
    found = batch(client, *files)
    assert [row["path"] for row in found.data] == ["dark.png", "broken.png", "<b>.png"]
    assert found.data[1]["error"] == "is no image that autocnn reads"
    assert found.data[1]["predicted"] is None
    singles = [client.post("/predict", content).data for _, content in (files[0], files[2])]
    for row, single in zip((found.data[0], found.data[2]), singles, strict=True):
        assert row["probabilities"] == single["probabilities"]


def test_what_cannot_be_answered_has_a_reason(start: Start) -> None:
    limits = ServiceLimits(image_mb=0.01, images=2)
    client = start(make_service(model(), limits=limits))
    cases = {
        (422, "the image is no image that autocnn reads"): client.post("/predict", b"junk"),
        (422, "the image is empty"): client.post("/predict", b""),
        (413, "a request must have at most 0.01 MB"): client.post("/predict", b"x" * 20_000),
        (413, "a request must have at most 0.12 MB"): client.post("/predict/batch", b"x" * 200_000),
        (400, "a form of files is needed"): client.post("/predict/batch", b"junk"),
        (400, "Too many files"): batch(client, *[("a", png(0))] * 3),
        (400, "got no file"): batch(client),
        (413, "an image must have at most 0.01 MB"): batch(client, ("big.png", b"x" * 20_000)),
        (404, "Not Found"): client.get("/nothing"),
        (405, "Method Not Allowed"): client.get("/predict"),
    }
    for (status, reason), found in cases.items():
        assert found.status == status, reason
        assert reason in found.data["error"], reason


def test_answers_do_not_wait_to_be_acknowledged(start: Start) -> None:
    """Head and body are sent apart: without TCP_NODELAY the body comes 40 ms later."""
    server = start(make_service(model())).server
    connection = http.client.HTTPConnection(server.host, server.port, timeout=60)
    connection.request("GET", "/labels")
    connection.getresponse().read()
    (accepted,) = (
        found
        for found in psutil.Process().net_connections("tcp")
        if found.laddr.port == server.port and found.status == psutil.CONN_ESTABLISHED
    )
    with socket.socket(fileno=os.dup(accepted.fd)) as found:
        assert found.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    connection.close()


def test_a_body_that_does_not_say_its_size_is_cut_off(start: Start) -> None:
    client = start(make_service(model(), limits=ServiceLimits(image_mb=0.01, images=2)))
    chunks = (b"x" * 10_000 for _ in range(100))
    assert client.post("/predict", chunks).status == 413


def test_bodies_that_are_under_way_are_bounded_together(start: Start) -> None:
    client = start(make_service(model(), limits=ServiceLimits(image_mb=0.1, images=1)))
    body, head = form(("a.png", b"x" * 90_000))
    sent, going_on = threading.Barrier(3), threading.Event()

    def slowly() -> Iterator[bytes]:
        yield body[:-20]
        sent.wait(20)
        going_on.wait(30)
        yield body[-20:]

    def ask(content: Any) -> Reply:
        return client.ask("POST", "/predict/batch", content, head)

    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(ask, slowly()) for _ in range(2)]
        sent.wait(20)
        time.sleep(0.5)  # else one of them may be the one that is too many
        end = time.monotonic() + 20
        while (reply := ask(body)).status == 200 and time.monotonic() < end:
            time.sleep(0.05)
        going_on.set()
        assert (reply.status, reply.headers.get("retry-after")) == (503, "1"), reply
        assert [one.result(30).status for one in waiting] == [200, 200]
    assert ask(body).status == 200, "what has ended counts no more"


def test_a_client_that_goes_away_is_no_error(
    start: Start, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for app, face in (
        (make_service(model()), "/predict"),
        (make_service(model()), "/predict/batch"),
        (make_view(make_study(tmp_path, "mine", images=range(6))), "/api/try/1"),
    ):
        client = start(app)
        connection = socket.create_connection((client.server.host, client.server.port))
        head = f"POST {face} HTTP/1.1\r\nHost: 127.0.0.1:{client.server.port}\r\n"
        kind = "Content-Type: multipart/form-data; boundary=XX\r\nContent-Length: 100000\r\n\r\n"
        connection.sendall((head + kind).encode() + b"--XX\r\n" + b"x" * 5000)
        time.sleep(0.3)
        connection.close()
        time.sleep(0.3)
        assert client.get("/").status == 200
    captured = capfd.readouterr()
    assert captured.out + captured.err == ""


def test_answers_may_be_unsure(start: Start) -> None:
    client = start(make_service(model(), abstention=Abstention(0.999)))
    assert client.post("/predict", png(120)).data["unsure"] is True
    assert client.get("/labels").data["unsure_below"] == 0.999


def test_health_labels_and_description(start: Start) -> None:
    client = start(make_service(model()))
    assert client.get("/health").data["status"] == "ok"
    assert client.get("/labels").data["labels"] == list(CLASSES)
    described = client.get("/openapi.json").data
    assert set(described["paths"]) == {"/health", "/labels", "/predict", "/predict/batch"}
    page = client.get("/")
    assert page.headers["content-type"].startswith("text/html")
    assert b"POST /predict" in page.body
    assert b"http://" not in page.body and b"https://" not in page.body, "it needs no other server"
    assert page.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in page.headers["content-security-policy"]


@pytest.mark.parametrize("names", [AWKWARD_CLASSES[:2], AWKWARD_CLASSES[2:]])
def test_class_names_are_text_on_its_page(start: Start, names: tuple[str, ...]) -> None:
    client = start(make_service(model(class_names=names)))
    page = Reader(client.get("/").body.decode())
    assert page.tags["script"] == 0
    for name in names:
        assert " ".join(name.split()) in page.text
    assert client.get("/labels").data["labels"] == list(names)
    assert list(client.post("/predict", png(250)).data["probabilities"]) == list(names)


def test_a_token_is_asked_for(start: Start) -> None:
    client = start(make_service(model()), token="secret")
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic secret"}):
        found = client.ask("POST", "/predict", png(0), headers)
        assert found.status == 401
        assert "token" in found.data["error"]
    assert client.ask("POST", "/predict", png(0), {"Authorization": "Bearer secret"}).status == 200


def test_a_page_elsewhere_cannot_ask_by_its_own_name(start: Start) -> None:
    client = start(make_service(model()))
    assert client.get("/health", Host="evil.example:80").status == 421
    assert client.get("/health", Host="127.0.0.1.evil.example").status == 421
    for own in (f"localhost:{client.server.port}", "localhost", "127.0.0.1:9", "[::1]:80"):
        assert client.get("/health", Host=own).status == 200, f"{own}: port 80, or a tunnel"


def test_with_a_token_a_proxy_may_ask_by_a_name_of_its_own(start: Start) -> None:
    client = start(make_service(model()), token="secret")
    named = {"Host": "models.example", "Authorization": "Bearer secret"}
    assert client.get("/health", **named).status == 200
    assert client.get("/health", Host="models.example").status == 401


def test_it_serves_in_a_notebook_whose_loop_runs() -> None:
    """Until Ctrl-C there, which reaches the thread that waits."""
    with WebServer(make_service(model()), host="127.0.0.1", port=0) as server:
        client = Client(server)

        def ask_and_interrupt() -> None:
            found.append(client.get("/health").status)
            signal.pthread_kill(main, signal.SIGINT)

        found: list[int] = []
        main = threading.get_ident()

        async def cell() -> None:
            threading.Thread(target=ask_and_interrupt).start()
            with pytest.raises(KeyboardInterrupt):
                server.serve_forever()

        loop = asyncio.new_event_loop()
        try:
            loop.run_until_complete(cell())
        finally:
            loop.close()
        assert found == [200]
        with pytest.raises(ConnectionError):
            client.get("/health")


def test_who_asks_too_often_has_to_wait(start: Start) -> None:
    client = start(make_service(model(), limits=ServiceLimits(rate=2)))
    found = [client.get("/health") for _ in range(8)]
    assert [one.status for one in found[:4]] == [200] * 4, "twice as many may come at once"
    refused = [one for one in found if one.status == 429]
    assert refused
    assert int(refused[0].headers["retry-after"]) >= 1


def test_nothing_is_lost_or_mixed_up_between_clients(start: Start) -> None:
    client = start(make_service(model()))
    values = list(range(0, 256, 2)) * 2
    expected = {
        value: dict(zip(CLASSES, row, strict=True))
        for value, row in zip(
            range(0, 256, 2),
            model().predict([grey(value) for value in range(0, 256, 2)]).probabilities.tolist(),
            strict=True,
        )
    }
    with ThreadPoolExecutor(32) as pool:
        found = list(pool.map(lambda value: client.post("/predict", png(value)), values))
    for value, reply in zip(values, found, strict=True):
        assert reply.status == 200
        assert reply.data["probabilities"] == pytest.approx(expected[value], abs=1e-6)


def test_large_files_go_through_no_file(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    written = []
    monkeypatch.setattr(
        tempfile.SpooledTemporaryFile, "rollover", lambda self: written.append(self)
    )
    client = start(make_service(model()))
    noise = np.random.default_rng(0).integers(0, 255, (1500, 1500), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, "PNG")
    content = buffer.getvalue()
    assert len(content) > 2**20, "more than what the library keeps in memory by itself"
    assert batch(client, ("large.png", content)).status == 200
    assert not written


class Face(NamedTuple):
    """Where one image is sent."""

    client: Client
    path: str

    def send(self, content: bytes) -> Reply:
        return self.client.post(self.path, content)


@pytest.fixture(params=["/predict", "/api/try/1"])
def face(
    request: pytest.FixtureRequest, start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Face:
    """Of a service and of a study's page."""
    if request.param == "/predict":
        return Face(start(make_service(model())), request.param)
    monkeypatch.setattr("autocnn.web.view.load", lambda path, **options: model())
    folder = make_study(tmp_path, "mine", images=range(6))
    return Face(start(make_view(folder)), request.param)


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def test_files_of_every_kind_are_seen_as_a_viewer_shows_them(face: Face) -> None:
    dark, bright = (Image.fromarray(np.full((12, 9), value, np.uint8)) for value in (20, 240))
    turned = Image.Exif()
    turned[0x0112] = 6
    deep = np.full((12, 9), 20 * 257, np.uint16)
    deep[0, 0] = 65535  # else it may be one of fewer bits
    files = [
        saved(dark, "GIF", save_all=True, append_images=[bright, bright]),
        saved(dark, "JPEG", exif=turned, quality=95),
        saved(Image.fromarray(deep), "PNG"),
        saved(dark.convert("RGB"), "WEBP", lossless=True),
    ]
    expected = face.send(saved(dark, "PNG")).data["probabilities"]
    for content in files:
        found = face.send(content)
        assert found.status == 200, content[:12]
        assert found.data["probabilities"] == pytest.approx(expected, abs=0.02), content[:12]
    cut = face.send(saved(bright, "PNG")[:-30])
    assert "truncated" in cut.data["error"]


def test_files_of_fifty_megabytes_are_answered_or_refused(face: Face) -> None:
    most = 20_000_000 if face.path == "/predict" else 50_000_000
    junk = face.send(bytes(most))
    assert "is no image that autocnn reads" in junk.data["error"]
    assert face.send(bytes(most + 1)).status == 413
    assert face.send(bytes(60_000_000)).status == 413
    assert face.send(png(250)).status == 200


@pytest.mark.slow
def test_a_thousand_broken_uploads_leave_it_as_it_was(face: Face) -> None:
    good = face.send(png(250)).data["probabilities"]
    files = [draw("image", number) for number in range(1000)]
    began = psutil.Process().memory_info().rss
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(face.send, files))
    assert {reply.status for reply in found} <= {200, 422}
    for reply in found:
        refused, answered = reply.data.get("error"), reply.data.get("probabilities")
        assert refused or sum(answered.values()) == pytest.approx(1, abs=1e-5)
        assert "Traceback" not in str(refused)
    refusals = sum(bool(reply.data.get("error")) for reply in found)
    assert 100 < refusals < 900, "some are whole enough to be seen"
    assert face.send(png(250)).data["probabilities"] == good
    assert psutil.Process().memory_info().rss - began < 300e6


def test_requests_under_way_are_answered_when_the_server_is_stopped(start: Start) -> None:
    slow, began = model(), threading.Event()
    original = slow.runtime.predict

    def predict(images: np.ndarray) -> object:
        began.set()
        threading.Event().wait(0.5)
        return original(images)

    client = start(make_service(slow))
    assert client.post("/predict", png(0)).status == 200
    object.__setattr__(slow.runtime, "predict", predict)
    began.clear()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(client.post, "/predict", png(255))
        assert began.wait(20)
        client.server.close()
        assert waiting.result(30).status == 200


def test_browsers_that_connect_while_it_ends_do_not_hold_it(
    start: Start, capfd: pytest.CaptureFixture[str]
) -> None:
    client = start(make_view(StudyFolder(Path("none"))))
    address, idle = (client.server.host, client.server.port), []

    def connect() -> None:
        with contextlib.suppress(OSError):  # it listens no more
            while True:
                idle.append(socket.create_connection(address, timeout=1))
                time.sleep(0.002)

    with ThreadPoolExecutor(1) as pool:
        connecting = pool.submit(connect)
        deadline = time.monotonic() + 20
        while len(idle) < 5 and time.monotonic() < deadline:
            time.sleep(0.005)
        client.server.close()
        connecting.result(30)
    assert len(idle) >= 5
    for one in idle:
        with one, contextlib.suppress(ConnectionResetError):
            one.settimeout(5)
            assert one.recv(1) == b"", "it is ended"
    assert capfd.readouterr().err == ""


def test_what_a_program_logs_is_left_to_it(start: Start, tmp_path: Path) -> None:
    handler = logging.FileHandler(tmp_path / "program.log", mode="w")
    logger = logging.getLogger("program")
    logger.addHandler(handler)
    try:
        start(make_service(model()))
        logger.error("after")
        assert (tmp_path / "program.log").read_text() == "after\n"
    finally:
        logger.removeHandler(handler)
        handler.close()


def test_a_port_that_is_taken_is_named(start: Start) -> None:
    client = start(make_service(model()))
    with pytest.raises(UsageError, match="must be an address that nothing listens on yet"):
        WebServer(make_service(model()), host="127.0.0.1", port=client.server.port)
