"""`autocnn serve`: whether the token that clients must send is told."""

import pytest

from autocnn.cli.main import run
from autocnn.inference.predict import model as models
from autocnn.web.server import WebServer
from tests.inference.predict.models import model


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server of a model that nobody asks."""
    monkeypatch.setattr(models, "load", lambda *arguments, **options: model())
    monkeypatch.setattr(WebServer, "serve_forever", lambda server: None)
    monkeypatch.delenv("AUTOCNN_TOKEN", raising=False)


@pytest.mark.parametrize(
    ("given", "variable", "is_told"),
    [
        ([], None, True),
        (["--token", ""], None, True),
        (["--token", "mine"], None, False),
        ([], "secret", False),
        (["--token", ""], "secret", False),
    ],
)
def test_a_token_is_told_where_it_was_made_here(
    given: list[str],
    variable: str | None,
    is_told: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if variable is not None:
        monkeypatch.setenv("AUTOCNN_TOKEN", variable)
    assert run(["serve", "mine", "--host", "0.0.0.0", "--port", "0", *given]) == 0
    assert ("token: " in capsys.readouterr().err) == is_told
