"""`autocnn predict`."""

import sys
from pathlib import Path

import click

from autocnn.cli.options import prevalence_option, results_option, trust_option
from autocnn.cli.words import FILE, ModelPlace

EXIT_UNREADABLE = 3


@click.command("predict")
@click.argument("model", type=ModelPlace())
@click.argument("images", nargs=-1, required=True, type=FILE, metavar="IMAGE|FOLDER|GLOB...")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV, a row per image.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print JSON, an object per image and line (JSON Lines)."
)
@click.option(
    "--to",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the rows to FILE, whole at the end: CSV, or JSON Lines with --json.  [stdout]",
)
@click.option(
    "--unsure",
    metavar="P",
    type=click.FloatRange(0, 1),
    help="Say `unsure` below this probability, as 0.9.  [never]",
)
@click.option(
    "--max-error",
    metavar="RATE",
    type=click.FloatRange(0, 1),
    help="Say `unsure` so often that at most this share of the answers is wrong, as 0.01, with "
    "95 % confidence by images of the study that the model had not seen.  [never]",
)
@click.option(
    "--target",
    metavar="TARGET",
    help='Decide at an operating point of a study, as "sensitivity of malignant >= 0.95"; see '
    "`autocnn leaderboard`.  [the largest probability; an export: as it was exported]",
)
@prevalence_option
@click.option(
    "--explain",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write a picture of where the model looked for every image (Grad-CAM; Keras models).  "
    "[none]",
)
@click.option(
    "--compare",
    is_flag=True,
    help="Say whether the images are like those of the study, without labels: share unlike, shift "
    "of the features and of the predicted classes.",
)
@click.option("--candidate", type=click.IntRange(1), help="Candidate of a study.  [1, the best]")
@click.option("--quiet", "-q", is_flag=True, help="No progress on stderr.")
@trust_option
@results_option
def command(
    model: str,
    images: tuple[str, ...],
    as_csv: bool,
    as_json: bool,
    to: Path | None,
    unsure: float | None,
    max_error: float | None,
    target: str | None,
    prevalence: float | None,
    explain: Path | None,
    compare: bool,
    candidate: int | None,
    quiet: bool,
    trust_code: bool,
    results: Path,
) -> int:
    """Predict images with MODEL: a study (a name under --results, or a path), a candidate's
    folder, or a folder made by `autocnn export`.

    A folder means all images below it; a pattern in quotes (*, ?, [...], ** for any folders)
    is expanded here, so that it may match a million files. Images are read as the study read
    its own: any size and kind that a study reads, turned as their EXIF says.

    Rows come in the order of the images: path, predicted, probability, unsure, unlike, error,
    p.<class>. `unsure` marks what --unsure or --max-error withholds: `predicted` still has it.
    `unlike` marks what resembles the training images less than 99 % of the val images do: the
    answer is then a guess about something that the model does not know. A file that cannot be
    read is a row with an error; the others are predicted, and the exit code is 3.

    --compare holds the images against those of the study, a sentence each: the share that is
    unlike, whether they lie farther from the training images as a whole, whether they are taken
    for other classes. No labels are needed; that the model is right, it does not say.

    \b
    Examples:
      autocnn predict mine scans/ --csv > answers.csv
      autocnn predict mine "scans/**/*.png" --max-error 0.01
      autocnn predict mine scans/ --target "sensitivity of malignant >= 0.95"
      autocnn predict mine new-hospital/ --compare --to answers.csv
      autocnn predict exports/mine scan.png --explain maps
    """  # noqa: D205, D301 - click joins the lines, and wants the backspace character itself
    from autocnn.api import predict
    from autocnn.cli.predictions_table import print_summary
    from autocnn.cli.tables import echo

    if as_csv and as_json:
        raise click.UsageError("--csv and --json cannot be given together.")
    if unsure is not None and max_error is not None:
        raise click.UsageError("--unsure and --max-error cannot be given together.")
    # Taken now: while it draws, the display catches what is written to sys.stdout.
    stream = sys.stdout.buffer if (as_csv or as_json) and to is None else None
    is_mixed = stream is not None and sys.stdout.isatty()
    summary = predict(
        model,
        images,
        to=to,
        stream=stream,
        format="json" if as_json else "csv",
        unsure=unsure,
        max_error=max_error,
        target=target,
        prevalence=prevalence,
        explain=explain,
        compare=compare,
        candidate=candidate,
        results=results,
        trust_code=trust_code,
        verbose=not (quiet or is_mixed),
    )
    if to is not None or stream is not None:
        for sentence in summary.drift.sentences if summary.drift is not None else ():
            echo(sentence, err=True)
    if to is not None:
        echo(to)
    elif stream is None:
        print_summary(summary)
    return EXIT_UNREADABLE if summary.num_errors else 0
