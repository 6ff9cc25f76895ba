"""Robustness, by its artists."""

from collections.abc import Sequence

import pytest

from autocnn.core.records import Corruption, Robustness
from autocnn.reporting.plots import draw_robustness
from autocnn.reporting.plots.style import FAINT
from tests.reporting.plots.figures import AWKWARD, cell_texts, draw, figure_legend_texts, points


def make_robustness(accuracy: float, drops: dict[str, Sequence[float]]) -> Robustness:
    corruptions = tuple(
        Corruption(
            name=name,
            strength=strength,
            setting=f"{name} {strength}",
            accuracy=accuracy - drop,
            drop=drop,
        )
        for name, row in drops.items()
        for strength, drop in enumerate(row, 1)
    )
    mean = sum(one.drop for one in corruptions) / max(1, len(corruptions))
    return Robustness(num_images=9, accuracy=accuracy, mean_drop=mean, corruptions=corruptions)


def test_a_panel_per_disturbance_the_worst_first() -> None:
    result = make_robustness(1.0, {"blur": (0.0, 0.0, 0.125), "$noise_1$": (0.25, 0.5, 0.75)})
    figure = draw_robustness([("refit", result)], title="Disturbed")
    draw(figure)
    first, second = figure.axes
    assert [axes.get_title(loc="left") for axes in (first, second)] == ["$noise_1$", "blur"]
    assert [points(line) for line in first.lines] == [([0, 1, 2, 3], [1.0, 0.75, 0.5, 0.25])]
    assert cell_texts(first) == ["strength 3: $noise_1$ 3"]
    assert [label.get_text() for label in first.get_xticklabels()] == ["none", "1", "2", "3"]
    assert first.get_xlabel() == "strength of the disturbance"
    assert figure.get_supylabel() == "accuracy (fraction)"
    assert first.get_ylim() == second.get_ylim()
    assert figure_legend_texts(figure) == ["refit  (mean drop 0.2708)"]


@pytest.mark.parametrize("number", [5, 8])
def test_five_candidates_are_named_and_told_apart_without_colour(number: int) -> None:
    candidates = [
        (f"candidate {index}", make_robustness(0.9, {"noise": (0.01, 0.02, 0.03 * index)}))
        for index in range(1, number + 1)
    ]
    figure = draw_robustness(candidates, title="t")
    draw(figure)
    lines = figure.axes[0].lines
    assert len(lines) == number
    texts = figure_legend_texts(figure)
    assert texts[5:] == (["other candidates (3)"] if number == 8 else [])
    assert texts[0].startswith("candidate 1  (mean drop")
    named = [line for line in lines if line.get_color() != FAINT]
    assert len(named) == 5
    assert len({str(line.get_marker()) for line in named}) == 5
    assert len({str(line.get_linestyle()) for line in named}) > 1


def test_candidates_need_not_have_the_same_disturbances() -> None:
    results = [
        make_robustness(1.0, {"noise": (0.1, 0.2)}),
        make_robustness(1.0, {"blur": (0.1, 0.1, 0.1)}),
    ]
    figure = draw_robustness(list(zip(AWKWARD, results, strict=False)), title="t")
    draw(figure)
    assert [len(axes.lines) for axes in figure.axes] == [1, 1]
    assert figure_legend_texts(figure)[1].startswith("$x_1$ cost $  (")


def test_perfect_candidates_and_no_disturbance_can_be_drawn() -> None:
    draw(draw_robustness([("a", make_robustness(1.0, {"noise": (0.0, 0.0, 0.0)}))], title="t"))
    draw(draw_robustness([("a", make_robustness(1.0, {}))], title="t"))
    many: dict[str, Sequence[float]] = {f"way {index}": (0.1, 0.2, 0.3) for index in range(10)}
    figure = draw_robustness([("a", make_robustness(1.0, many))], title="t")
    draw(figure)
    assert [axes.get_xlabel() != "" for axes in figure.axes if axes.axison] == [False] * 7 + [
        True
    ] * 3
