"""`autocnn evaluate`."""

from pathlib import Path
from typing import Any, Literal

import click

from autocnn.cli.options import results_option, setting, settings, trust_option
from autocnn.cli.words import DATA, ModelPlace
from autocnn.core.wording import count

EXIT_NOT_MET = 5
"""A condition does not hold: like a search in which nothing finished, it ran, and fell short."""


@click.command("evaluate")
@click.argument("model", type=ModelPlace())
@click.argument("data", type=DATA)
@click.option(
    "--to",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for tables and pictures: a new one, or one of an earlier evaluation.  "
    "[evaluation-STUDY-DATA]",
)
@click.option(
    "--split",
    type=click.Choice(["all", "test"]),
    default="all",
    show_default=True,
    help="all: every image of DATA; test: its test split, or the images that were test in the "
    "model's own study.",
)
@click.option("--candidate", type=click.IntRange(1), help="Candidate of a study.  [1]")
@click.option("--json", "as_json", is_flag=True, help="Print metrics.json in place of the tables.")
@settings("images", "path_column", "label_column", "split_column", "group_column")
@settings("label_from_name", "group_from_name")
@setting("by", meaning="Columns of the table, as sex,site: each of their values is scored.")
@click.option(
    "--require",
    metavar="CONDITION",
    multiple=True,
    help='What must hold, else the exit code is 5: "clean accuracy low >= 0.93", "all sensitivity '
    'of malignant >= 0.9"; may be given several times.  [nothing]',
)
@setting("cache_dir")
@click.option("--quiet", "-q", is_flag=True, help="No progress on stderr, only warnings.")
@trust_option
@results_option
def command(
    model: str,
    data: str,
    to: Path | None,
    split: Literal["all", "test"],
    candidate: int | None,
    as_json: bool,
    label_from_name: str | None,
    group_from_name: str | None,
    by: str | None,
    require: tuple[str, ...],
    cache_dir: Path | None,
    quiet: bool,
    trust_code: bool,
    results: Path,
    **columns: Any,
) -> int:
    """Score MODEL on the labelled images of DATA, as a study scores its candidates on test.

    MODEL is a study (a name under --results, or a path) or an exported folder; DATA is a
    folder of class folders, a table, an .npz or built in, as for a search. Classes are matched
    by name; some may be missing. Every figure has its 95 % interval, by group: copies and
    images of one named group count together. Figures are compared with those of the study's
    test split, and copies of the study's training images, near copies too where these are
    still there, are found and left out of that.

    With --require, each condition is printed with what was found; where one does not hold, the
    exit code is 5. A condition is SET METRIC [low|high|value] OPERATOR NUMBER. SET is all, or
    clean: images that are no copies of the study's training images. METRIC is accuracy, balanced
    accuracy, macro F1, macro AUC, log loss, calibration error, or sensitivity, specificity,
    precision, F1 or AUC of CLASS; low and high are the ends of its 95 % interval.

    Unreadable images are named and left out: a warning. An unknown class is an error (3).

    \b
    Examples:
      autocnn evaluate mine new-images/
      autocnn evaluate results/mine/exports/onnx hospital-b.csv --to hospital-b
      autocnn evaluate mine images/ --split test
      autocnn evaluate mine new-images/ --require "clean accuracy low >= 0.93"
    """  # noqa: D301 - click wants the backspace character itself
    from autocnn.api import evaluate
    from autocnn.cli.assessment_table import describe_condition, print_assessment
    from autocnn.cli.tables import echo

    found = evaluate(
        model,
        data,
        split=split,
        candidate=candidate,
        to=to or True,
        results=results,
        label_from_name=label_from_name,
        group_from_name=group_from_name,
        by=by,
        require=require,
        cache_dir=cache_dir,
        trust_code=trust_code,
        verbose=not quiet,
        **columns,
    )
    record = found.record
    if record.unreadable:
        left_out = count(len(record.unreadable), "unreadable image")
        echo(f"Warning: {left_out} of {data} left out.", err=True)
    if as_json:
        click.echo(record.model_dump_json(indent=1))
    else:
        print_assessment(record)
    for condition in record.conditions:
        echo(describe_condition(condition), err=as_json)
    echo(f"evaluation: {found.path}", err=as_json)
    return 0 if all(condition.holds for condition in record.conditions) else EXIT_NOT_MET
