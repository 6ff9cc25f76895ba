"""A model over HTTP: every answer, every refusal, many clients at once."""

import io
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from autocnn.core.errors import UsageError
from autocnn.inference.predict.abstention import Abstention
from autocnn.web.server import WebServer, is_loopback
from autocnn.web.service import ServiceLimits, make_service
from tests.inference.predict.models import CLASSES, grey, model
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
        (413, "the image must have at most 0.01 MB"): client.post("/predict", b"x" * 20_000),
        (413, "a request must have at most 0.12 MB"): client.post("/predict", b"x" * 200_000),
        (400, "a form of files is needed"): client.post("/predict/batch", b"junk"),
        (400, "Too many files"): batch(client, *[("a", png(0))] * 3),
        (400, "got no file"): batch(client),
        (413, "big.png must have at most"): batch(client, ("big.png", b"x" * 20_000)),
        (404, "Not Found"): client.get("/nothing"),
        (405, "Method Not Allowed"): client.get("/predict"),
    }
    for (status, reason), found in cases.items():
        assert found.status == status, reason
        assert reason in found.data["error"], reason


def test_a_body_that_does_not_say_its_size_is_cut_off(start: Start) -> None:
    client = start(make_service(model(), limits=ServiceLimits(image_mb=0.01, images=2)))
    chunks = (b"x" * 10_000 for _ in range(100))
    assert client.post("/predict", chunks).status == 413


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
    assert client.get("/health", Host=f"localhost:{client.server.port}").status == 200


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


def test_a_port_that_is_taken_is_named(start: Start) -> None:
    client = start(make_service(model()))
    with pytest.raises(UsageError, match="must be an address that nothing listens on yet"):
        WebServer(make_service(model()), host="127.0.0.1", port=client.server.port)


def test_addresses_of_this_machine_are_known() -> None:
    assert [is_loopback(host) for host in ("127.0.0.2", "::1", "localhost")] == [True] * 3
    assert [is_loopback(host) for host in ("0.0.0.0", "10.0.0.1", "::", "name")] == [False] * 4
