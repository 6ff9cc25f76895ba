"""Names that fit, and a style that stays out of everybody else's figures."""

import io
from pathlib import Path

import matplotlib as mpl
from PIL import Image

from autocnn.reporting.plots import style
from autocnn.reporting.plots.style import (
    DASHES,
    NO_GLYPH,
    display_names,
    display_title,
    has_glyph,
    line_style,
    new_figure,
    objective_label,
    plot_style,
    save_png,
    set_title,
    write_note,
)

NO_FONT_HAS_IT = "\U000e0fff"  # unassigned


def test_style_ends_with_its_block() -> None:
    before = dict(mpl.rcParams)
    with plot_style():
        assert mpl.rcParams["axes.titlelocation"] == "left"
    assert dict(mpl.rcParams) == before


def test_style_does_not_depend_on_the_users_own() -> None:
    with mpl.rc_context({"xtick.labelsize": 30, "axes.grid": True}), plot_style():
        assert mpl.rcParams["axes.grid"] is False
        assert mpl.rcParams["xtick.labelsize"] == 8.5


def test_lines_differ_by_colour_and_dashes() -> None:
    styles = [line_style(index) for index in range(40)]
    assert len({str(one) for one in styles}) == 40
    assert all(styles[index][1] != styles[index + 1][1] for index in range(39))


def test_ten_lines_differ_without_colour() -> None:
    assert len({str(line_style(index)[1]) for index in range(10)}) == 10
    assert len(set(style.MARKERS)) == 10


def test_a_legend_shows_whole_dashes() -> None:
    with plot_style():
        length = mpl.rcParams["legend.handlelength"] * mpl.rcParams["legend.fontsize"]
        assert all(sum(dashes) * mpl.rcParams["lines.linewidth"] < length for dashes in DASHES)


def test_a_note_fills_a_figure() -> None:
    figure = new_figure(4, 1.5)
    write_note(figure, "Nothing can be said of $x_1$ " * 5)
    (text,) = figure.axes[0].texts
    assert text.get_text().count("\n") > 1
    assert not text.get_parse_math()
    assert not figure.axes[0].axison


def test_labels_have_units() -> None:
    assert objective_label("log_loss", letters=40) == "log loss on val (nats)"
    label = objective_label("balanced_accuracy", letters=40)
    assert label == "balanced accuracy on val (fraction)"
    assert objective_label("kappa", letters=23).split("\n") == [
        "Cohen's kappa on val",
        "(-1\N{NO-BREAK SPACE}to\N{NO-BREAK SPACE}1)",
    ]


def test_colours_differ_in_hue() -> None:
    assert len(set(style.COLOURS)) == len(style.COLOURS)


def test_short_names_stay() -> None:
    names = ["cat", "_dog", "$x$", "кошка", "a b"]
    assert display_names(names, max_length=10) == names


def test_long_names_lose_their_middle() -> None:
    (name,) = display_names(["x" * 30 + "y" * 10], max_length=11)
    assert name == "xxxxx…yyyyy"


def test_names_stay_told_apart() -> None:
    names = display_names([f"class {i} of the brain tumours" for i in range(20)], max_length=14)
    assert len(set(names)) == 20
    assert max(map(len, names)) <= 14


def test_letters_without_a_font_become_boxes_and_a_number() -> None:
    assert not has_glyph(NO_FONT_HAS_IT)
    assert display_names(["cat", NO_FONT_HAS_IT], max_length=10) == ["cat", f"2: {NO_GLYPH}"]
    assert display_title(f"on {NO_FONT_HAS_IT}") == f"on {NO_GLYPH}"


def test_empty_names_and_line_breaks() -> None:
    assert display_names(["", "two\nlines\t"], max_length=10) == ["1: ", "two lines"]


def test_long_title_takes_more_lines() -> None:
    figure = new_figure(3, 2)
    set_title(figure, "a title of $many$ words " * 6)
    title = figure.get_suptitle()
    assert 2 <= title.count("\n") <= 6
    assert title.replace("\n", " ").split() == ("a title of $many$ words " * 6).split()


def test_png_is_the_same_every_time(tmp_path: Path) -> None:
    contents = []
    for name in ("a.png", "b.png"):
        figure = new_figure(3, 2)
        set_title(figure, "title")
        figure.add_subplot()
        save_png(figure, tmp_path / name)
        contents.append((tmp_path / name).read_bytes())
        buffer = io.BytesIO()
        save_png(figure, buffer)
        contents.append(buffer.getvalue())
    assert len(set(contents)) == 1
    with Image.open(tmp_path / "a.png") as image:
        assert round(image.info["dpi"][0]) == 150
