"""`autocnn export`."""

from pathlib import Path

import click

from autocnn.cli.options import prevalence_option, results_option, trust_option
from autocnn.cli.words import FormatName, StudyName
from autocnn.core.records import ExportFormat, Precision


@click.command("export")
@click.argument("study", required=False, type=StudyName())
@click.option(
    "--format", required=True, type=FormatName(), help="keras, savedmodel, onnx or litert."
)
@click.option(
    "--precision",
    type=click.Choice(["float32", "int8"]),
    default="float32",
    show_default=True,
    help="int8, with litert: small and fast, set on val images.",
)
@click.option(
    "--candidate",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Its number on the leaderboard.",
)
@click.option(
    "--to", type=click.Path(path_type=Path), help="Folder to make.  [exports/FORMAT in the study]"
)
@click.option(
    "--force", is_flag=True, help="Replace an export that is there; nothing else is ever replaced."
)
@click.option(
    "--target",
    metavar="TARGET",
    help='An operating point that the export keeps and `autocnn predict` follows, as "sensitivity '
    'of malignant >= 0.95"; see `autocnn leaderboard`.  [the largest probability]',
)
@prevalence_option
@click.option("--quiet", "-q", is_flag=True, help="No progress on stderr, only warnings.")
@trust_option
@results_option
def command(
    study: str | None,
    format: ExportFormat,  # noqa: A002 - the option's name
    precision: Precision,
    candidate: int,
    to: Path | None,
    force: bool,
    target: str | None,
    prevalence: float | None,
    quiet: bool,
    trust_code: bool,
    results: Path,
) -> int:
    """Make a folder with a finished model of STUDY that works elsewhere, alone.

    STUDY is a name under --results, a path, or the newest. The folder holds the model,
    labels.txt, metadata.json and model_card.md. Resizing, grey or RGB, scaling and the
    temperature are inside the model (litert: not the resizing). A fresh process loads it with
    the format's own runtime and compares it with the study's model on val images; if they
    differ, nothing is written.

    \b
    Examples:
      autocnn export mine --format onnx
      autocnn export mine --format litert --precision int8 --to phone/
      autocnn export mine --format onnx --target "sensitivity of ill >= 0.95"
    """  # noqa: D301 - click wants the backspace character itself
    from autocnn.api import Study, read_metadata
    from autocnn.cli.tables import echo
    from autocnn.core.wording import describe_point

    path = Study.find(study, results=results).export(
        format,
        precision=precision,
        candidate=candidate,
        to=to,
        force=force,
        target=target,
        prevalence=prevalence,
        trust_code=trust_code,
        verbose=not quiet,
    )
    metadata = read_metadata(path)
    parity, point = metadata.parity, metadata.operating_point
    echo(path)
    if point is not None:
        echo(describe_point(point))
    if parity is not None:
        echo(
            f"{parity.runtime}: {parity.num_images:,} {parity.images} images, largest difference "
            f"{parity.largest_difference:.1e}, agreement {parity.agreement:.4f}"
        )
    return 0
