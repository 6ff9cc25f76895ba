"""Every table is whole in a terminal of any width, and a name in it steers nothing."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import autocnn
from autocnn.cli import tables
from autocnn.cli.tables import Sheet, print_sheet
from tests.cli.studies import make_study
from tests.cli.terminal import ROOT, command, in_terminal

WIDTHS = (40, 80, 120, 200)

PROGRAM_WIDTHS = [80, *(pytest.param(width, marks=pytest.mark.slow) for width in (40, 120, 200))]
"""Of commands that take a second to start."""

SHIPPED = ROOT / "results" / "brain-tumour"

EVALUATE = """
from pathlib import Path
from autocnn.cli.main import run
from autocnn.inference.predict import model
from tests.inference.evaluate.models import BrightThird
model.load = lambda path, **options: BrightThird()
raise SystemExit(run(["evaluate", "mine", "new.npz", "--cache-dir", "cache", "-q"]))
"""

SEARCH = """
from pathlib import Path
from autocnn.cli.main import run
from autocnn.storage import StudyFolder
from autocnn.study import run as study
study.search = lambda *arguments, **options: StudyFolder(Path("results/mine"))
raise SystemExit(run(["search", "digits"]))
"""

ERROR = """
import sys
from autocnn.api import Study
from autocnn.cli.main import run
from autocnn.core.errors import StudyError
def fail(*arguments, **options):
    raise StudyError("mine: must be a duration that a line of words does not hold, got neither.",
                     remedy="Go on with it as before, with the command `autocnn resume mine`.")
Study.find = fail
sys.stderr = sys.stdout
raise SystemExit(0 if run(["leaderboard", "mine"]) == 4 else 1)
"""

PREDICT = """
from autocnn.api import Summary, Row
from autocnn.cli.predictions_table import print_summary
print_summary(Summary(
    first=[Row("scans/a-very-long-name-of-a-file-that-is-nowhere-near-its-end/0001.png",
               "glioma", 0.91, False, True, None),
           Row("scans/2.png", None, None, None, None, "is truncated")],
    num_images=2, num_errors=1, num_unlike=1))
"""


def whole(text: str, width: int) -> str:
    """The text, once no line of it is too long."""
    assert max(map(len, text.split("\n"))) <= width
    assert "…" not in text
    return text


def unfolded(text: str) -> str:
    """Without what folding and frames put between the parts of a cell."""
    return "".join(text.split()).replace("│", "")


@pytest.mark.parametrize("width", WIDTHS)
def test_the_leaderboard_is_whole(width: int) -> None:
    out = whole(in_terminal(command("leaderboard", str(SHIPPED)), width=width), width)
    summary = autocnn.open_study(SHIPPED).summary()
    assert summary.header == ("rank", "model", "folds", "clean test [95 %]", "gap")
    for name in summary.header:
        assert name in out
    for row in summary.rows:
        for cell in row:
            assert cell in out, cell
    # One line per candidate, or one block.
    is_line = any(all(cell in line for cell in summary.rows[0]) for line in out.splitlines())
    assert is_line == (width >= 80)
    model = summary.rows[0][summary.header.index("model")]
    assert (f"model{' ' * 14}{model}" in out) == (width < 80)


@pytest.mark.parametrize("width", PROGRAM_WIDTHS)
def test_the_wide_leaderboard_is_whole(width: int) -> None:
    out = whole(in_terminal(command("leaderboard", str(SHIPPED), "--wide"), width=width), width)
    summary = autocnn.open_study(SHIPPED).summary(wide=True)
    assert set(autocnn.open_study(SHIPPED).summary().header) < set(summary.header)
    for row in summary.rows:
        for cell in row:
            assert unfolded(cell) in unfolded(out), cell


@pytest.mark.parametrize("width", PROGRAM_WIDTHS)
def test_the_table_that_ends_a_search_is_whole(width: int) -> None:
    make_study()
    out = whole(in_terminal(SEARCH, width=width), max(width, 80))
    for row in autocnn.open_study("mine").summary().rows:
        for cell in row:
            assert cell in out, cell
    assert "best model        candidates/01/model.keras" in out


def test_names_of_studies_are_whole_in_the_list() -> None:
    """They are what `resume`, `predict` and the others are given."""
    make_study("flowers-20261129-193243")
    out = whole(in_terminal(command("list"), width=80), 80)
    assert "flowers-20261129-193243" in out


@pytest.mark.parametrize("width", [40, 80])
def test_an_error_breaks_between_words_and_never_inside_a_command(width: int) -> None:
    make_study()
    out = whole(in_terminal(ERROR, width=width), width)
    assert "`autocnn resume mine`" in out
    assert "must be a duration that" in " ".join(out.split())


@pytest.fixture
def hundred_classes() -> Path:
    """Four images of each of 100 classes."""
    rng = np.random.default_rng(0)
    for number in range(100):
        folder = Path(f"many/class {number:03d} [b]")
        folder.mkdir(parents=True)
        for place in range(4):
            pixels = rng.integers(0, 256, (8, 8), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f"{place}.png")
    return Path("many")


@pytest.mark.slow
@pytest.mark.parametrize("width", WIDTHS)
def test_the_audit_of_a_hundred_classes_has_a_row_each(width: int, hundred_classes: Path) -> None:
    out = in_terminal(command("audit", "many", "--cache-dir", "cache", "-q"), width=width)
    table, _, _ = whole(out, width).partition("Files")
    words = "class", "train", "val", "test", "all"
    assert all(word in table for word in words)
    rows = [line.split("│") for line in table.split("\n") if "class" in line]
    if width >= 80:
        assert [row[1].strip() for row in rows if len(row) > 5] == [
            f"class {number:03d} [b]" for number in range(100)
        ]
    else:
        assert all(f"class {number:03d}" in table for number in range(100))


@pytest.mark.slow
@pytest.mark.parametrize("width", WIDTHS)
def test_an_evaluation_is_whole(width: int) -> None:
    from tests.inference.evaluate.models import draw, know_classes

    know_classes(make_study("mine"))
    pixels, labels = draw(60, wrong=18)
    np.savez("new.npz", x=pixels, y=labels)
    out = in_terminal(EVALUATE, width=width)
    assert max(map(len, out.split("\n"))) <= width
    assert "…" not in out
    assert "0.700 [" in out
    assert "sensitivity" in out
    assert "difference" in out
    for name in ("accuracy", "macro", "calibration"):
        assert name in out


@pytest.mark.parametrize("width", PROGRAM_WIDTHS)
def test_predictions_are_whole(width: int) -> None:
    out = whole(in_terminal(PREDICT, width=width), width)
    for word in ("predicted", "probability", "unlike", "error", "glioma", "0.9100"):
        assert word in out
    assert "is truncated" in " ".join(out.split()).replace("│ ", "").replace("  ", " ") or (
        "istruncated" in unfolded(out)
    )


@pytest.mark.parametrize("width", PROGRAM_WIDTHS)
@pytest.mark.parametrize("name", [None, "default"])
def test_spaces_are_whole(width: int, name: str | None) -> None:
    arguments = ["spaces"] if name is None else ["spaces", name]
    out = whole(in_terminal(command(*arguments), width=width), width)
    for word in ("parameters", "epochs") if name is None else ("learning_rate", "0.002"):
        assert word in out


def draw_at(width: int, sheet: Sheet, capsys: pytest.CaptureFixture[str]) -> str:
    from rich.console import Console

    print_sheet(sheet, Console(width=width, highlight=False))
    return capsys.readouterr().out


@pytest.mark.parametrize("width", [30, 60, 200])
@pytest.mark.parametrize("name", ["dog [pug]", "x[/b]", "[bold]", "a\\", "b\x1b[31mc", "d\u202ee"])
def test_a_name_is_no_markup_and_no_control_byte(
    name: str, width: int, capsys: pytest.CaptureFixture[str]
) -> None:
    sheet = Sheet(f"of {name}", ("class", name), [(name, name)], text=("class",))
    out = draw_at(width, sheet, capsys)
    shown = name.replace("\x1b", "\N{REPLACEMENT CHARACTER}")
    shown = shown.replace("\u202e", "\N{REPLACEMENT CHARACTER}")
    assert out.count(shown) >= 4
    assert "\x1b" not in out
    assert "\u202e" not in out


def test_lines_with_names_steer_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    from rich.console import Console

    tables.echo("a\x1b[2Jb")
    tables.print_text(Console(width=80), "[red]a\x9bb")
    assert (
        capsys.readouterr().out
        == "a\N{REPLACEMENT CHARACTER}[2Jb\n[red]a\N{REPLACEMENT CHARACTER}b\n"
    )


@pytest.mark.parametrize("path", sorted((ROOT / "autocnn" / "cli").glob("*.py")), ids=str)
def test_only_one_module_draws(path: Path) -> None:
    """So that no face of the command line forgets to make names visible."""
    text = path.read_text("utf-8")
    if path.name != "tables.py":
        assert "from rich" not in text
        assert "console.print(" not in text


def test_an_error_message_steers_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    from autocnn.cli.main import run

    assert run(["audit", "no\x1b[2Jthing"]) == 3
    assert "\x1b" not in capsys.readouterr().err
