"""`autocnn serve`."""

import contextlib
import os
from pathlib import Path

import click

from autocnn.cli.options import port_option, prevalence_option, results_option, trust_option
from autocnn.cli.words import ModelPlace


@click.command("serve")
@click.argument("model", type=ModelPlace())
@port_option(8000)
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address to listen on; beyond this machine, as 0.0.0.0, clients need a token.",
)
@click.option(
    "--token",
    help="What clients must send as `Authorization: Bearer TOKEN`; better in the variable "
    "AUTOCNN_TOKEN, which other users do not see.  [none here; beyond this machine one is made]",
)
@click.option("--unsure", metavar="P", type=click.FloatRange(0, 1), help="As for predict.  [never]")
@click.option(
    "--max-error", metavar="RATE", type=click.FloatRange(0, 1), help="As for predict.  [never]"
)
@click.option(
    "--target",
    metavar="TEXT",
    help="As for predict, `sensitivity of malignant >= 0.95`.  [the most probable class]",
)
@prevalence_option
@click.option(
    "--max-mb",
    type=click.FloatRange(0, min_open=True),
    default=20.0,
    show_default=True,
    help="Most MB of an image.",
)
@click.option(
    "--max-images",
    type=click.IntRange(1),
    default=64,
    show_default=True,
    help="Most images of a request.",
)
@click.option(
    "--rate",
    type=click.FloatRange(0, min_open=True),
    help="Most requests a second of a client.  [no limit]",
)
@click.option("--candidate", type=click.IntRange(1), help="Candidate of a study.  [1, the best]")
@trust_option
@results_option
def command(
    model: str,
    port: int,
    host: str,
    token: str | None,
    unsure: float | None,
    max_error: float | None,
    target: str | None,
    prevalence: float | None,
    max_mb: float,
    max_images: int,
    rate: float | None,
    candidate: int | None,
    trust_code: bool,
    results: Path,
) -> int:
    """Answer for MODEL over HTTP until Ctrl-C: a study, a candidate's folder, or an export.

    POST /predict takes the content of one image file, POST /predict/batch a form of files; GET
    /health, /labels and /openapi.json say the rest, and / is a page about it. Images of requests
    that come at the same time are predicted together. Nothing that is sent is kept.

    \b
    Examples:
      autocnn serve mine
      autocnn serve exports/onnx --port 9000 --unsure 0.9
      AUTOCNN_TOKEN=secret autocnn serve mine --host 0.0.0.0 --rate 10
      curl --data-binary @image.png http://127.0.0.1:8000/predict
    """  # noqa: D301 - click wants the backspace character itself
    from autocnn.api import serve
    from autocnn.cli.tables import echo

    with serve(
        model,
        port=port,
        host=host,
        token=token,
        unsure=unsure,
        max_error=max_error,
        target=target,
        prevalence=prevalence,
        max_mb=max_mb,
        max_images=max_images,
        rate=rate,
        candidate=candidate,
        results=results,
        trust_code=trust_code,
    ) as server:
        echo(f"{model}: {server.url}   (Ctrl-C ends it)")
        if server.token not in (None, token, os.environ.get("AUTOCNN_TOKEN")):
            echo(f"token: {server.token}", err=True)
        with contextlib.suppress(KeyboardInterrupt):
            server.serve_forever()
    return 0
