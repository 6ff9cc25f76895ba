"""`autocnn view`: a browser is opened, or none; Ctrl-C is its end."""

import click
import pytest

from autocnn.cli.main import run
from autocnn.web.server import WebServer
from tests.cli.studies import make_study


@pytest.mark.parametrize(("flags", "num_opened"), [([], 1), (["--open"], 1), (["--no-open"], 0)])
def test_the_address_is_printed_and_a_browser_opens_it(
    flags: list[str],
    num_opened: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def wait_for_ctrl_c(server: WebServer) -> None:
        raise KeyboardInterrupt

    opened: list[str] = []
    monkeypatch.setattr(click, "launch", opened.append)
    monkeypatch.setattr(WebServer, "serve_forever", wait_for_ctrl_c)
    make_study("mine")
    assert run(["view", "mine", "--port", "0", *flags]) == 0
    name, _, address = capsys.readouterr().out.removesuffix("   (Ctrl-C ends it)\n").partition(": ")
    assert name == "mine"
    assert address.startswith("http://127.0.0.1:")
    assert opened == [address] * num_opened
