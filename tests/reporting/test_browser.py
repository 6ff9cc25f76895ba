"""The page in headless Chromium: nothing fails, sorting and choosing work, it fits a phone."""

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from autocnn.core.records import RocCurve
from autocnn.core.wording import percent_interval
from autocnn.metrics.intervals import wilson_interval
from autocnn.reporting.operating_points import find_operating_point
from autocnn.reporting.page import render_audit, write_report
from autocnn.reporting.plots import draw_learning_curves, draw_roc
from autocnn.reporting.plots.style import save_png
from autocnn.storage import StudyFolder
from tests.browser import NEEDS_BROWSER, log, open_browser, resize
from tests.reporting.studies import AWKWARD_CLASSES, CLASSES, make_audit, make_history, make_study
from tests.reporting.test_overview import THUMBNAIL, many_classes

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

pytestmark = [pytest.mark.slow, NEEDS_BROWSER]


CURVES = ("cat", "<b>bold</b>", "dog")


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_study(tmp_path_factory.mktemp("results"), "mine")
    rates = {"false_positive_rate": (0.0, 0.1, 1.0), "true_positive_rate": (0.0, 0.8, 1.0)}
    curves = [
        RocCurve.model_validate({"name": name, "kind": "class", "auc": 0.9, **rates})
        for name in CURVES
    ]
    figure = draw_roc(curves, title="ROC")
    folder.write_candidate_picture(1, "roc", partial(save_png, figure))
    figure = draw_learning_curves(make_history(4, 0.9), (), best_epoch=4, title="Epochs")
    folder.write_candidate_picture(1, "learning_curves", partial(save_png, figure))
    return write_report(folder)


@pytest.fixture(scope="module")
def browser() -> "Iterator[Chrome]":
    yield from open_browser()


@pytest.fixture
def page(browser: "Chrome", report: Path) -> "Iterator[Chrome]":
    """The report, freshly loaded at 1280 px, its logs empty before."""
    yield from load(browser, report)


def load(browser: "Chrome", path: Path) -> "Iterator[Chrome]":
    log(browser, "browser")
    log(browser, "performance")
    resize(browser, 1280)
    browser.get(path.as_uri())
    # On a slow machine a large page has been asked while it was read, and had no script yet.
    here = "return document.readyState + ' ' + document.location.href"
    until(browser, lambda: run(browser, here) == f"complete {path.as_uri()}")
    yield browser
    assert log(browser, "browser") == []
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})


def until(page: "Chrome", condition: Callable[[], Any]) -> None:
    from selenium.webdriver.support.wait import WebDriverWait

    WebDriverWait(page, 20).until(lambda _: condition())


def run(page: "Chrome", script: str, *arguments: Any) -> Any:
    return page.execute_script(script, *arguments)


def column(page: "Chrome", table: str, number: int) -> list[str]:
    cells = "document.querySelectorAll(arguments[0])"
    script = f"return Array.from({cells}, cell => cell.firstChild.textContent.trim())"
    found: list[str] = run(page, script, f"#table-{table} tbody tr > :nth-child({number})")
    return found


def head(page: "Chrome", table: str, title: str) -> Any:
    from selenium.webdriver.common.by import By

    path = f"//table[@id='table-{table}']//th[starts-with(normalize-space(.), '{title}')]/button"
    return page.find_element(By.XPATH, path)


def test_every_picture_loads(page: "Chrome") -> None:
    script = "return Array.from(document.images, image => image.complete && image.naturalWidth)"
    widths = run(page, script)
    assert len(widths) > 40
    assert all(width > 0 for width in widths)


def test_nothing_is_asked_of_any_network(page: "Chrome", report: Path) -> None:
    entries = log(page, "performance")
    messages = [json.loads(entry["message"])["message"] for entry in entries]
    asked = [
        message["params"]["request"]["url"]
        for message in messages
        if message["method"] == "Network.requestWillBeSent"
    ]
    assert report.as_uri() in asked
    assert not [url for url in asked if not url.startswith(("data:", report.as_uri()))]


def test_a_click_sorts_the_leaderboard_and_says_so(page: "Chrome") -> None:
    assert column(page, "candidates", 1)[0] == "1"
    button = head(page, "candidates", "ms per image")
    button.click()
    times = [float(text) for text in column(page, "candidates", 15)]
    assert times == sorted(times)
    button.click()
    times = [float(text) for text in column(page, "candidates", 15)]
    assert times == sorted(times, reverse=True)
    script = "return Array.from(arguments[0].closest('tr').cells, c => c.getAttribute('aria-sort'))"
    states = run(page, script, button)
    assert [state for state in states if state] == ["descending"]
    said = run(page, "return document.getElementById('said').textContent")
    assert said == "Sorted by ms per image, descending."


def test_the_keyboard_sorts_too(page: "Chrome") -> None:
    from selenium.webdriver.common.keys import Keys

    before = column(page, "stopped", 1)
    button = head(page, "stopped", "reason")
    button.send_keys(Keys.ENTER)
    reasons = column(page, "stopped", 6)
    assert reasons == sorted(reasons, key=str.casefold)
    head(page, "stopped", "trial").send_keys(Keys.SPACE)
    assert column(page, "stopped", 1) == before


def test_what_was_not_measured_stays_last(page: "Chrome") -> None:
    for _ in range(2):
        head(page, "drops", "candidate 1").click()
        assert column(page, "drops", 1)[-1] == "mean"


def shown_panels(page: "Chrome") -> list[str]:
    script = (
        "return Array.from(document.querySelectorAll('.panel'))"
        ".filter(panel => panel.checkVisibility()).map(panel => panel.id)"
    )
    found: list[str] = run(page, script)
    return found


def test_two_candidates_are_chosen_and_laid_side_by_side(page: "Chrome") -> None:
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.select import Select

    assert shown_panels(page) == ["candidate-1", "candidate-2"]
    Select(page.find_element(By.ID, "pick-left")).select_by_index(5)
    assert shown_panels(page) == ["candidate-6", "candidate-2"]
    boxes = [page.find_element(By.ID, name).rect for name in shown_panels(page)]
    assert boxes[0]["y"] == boxes[1]["y"]
    assert boxes[0]["x"] + boxes[0]["width"] < boxes[1]["x"]
    Select(page.find_element(By.ID, "pick-right")).select_by_index(5)
    assert shown_panels(page) == ["candidate-6"]


def test_a_plot_can_be_enlarged_and_closed_with_escape(page: "Chrome") -> None:
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    resize(page, 360)
    button = page.find_element(By.CSS_SELECTOR, ".plots .enlarge")
    run(page, "arguments[0].scrollIntoView({block: 'center'})", button)
    button.click()
    small = run(page, "return document.querySelector('.plots img').width")
    assert run(page, "return document.querySelector('dialog[open] img').width") > 1.5 * small
    ActionChains(page).send_keys(Keys.ESCAPE).perform()
    assert not run(page, "return document.querySelector('dialog').open")


@pytest.mark.parametrize("width", [360, 1280])
def test_the_navigation_stays_and_says_where_the_reader_is(page: "Chrome", width: int) -> None:
    resize(page, width)
    wait = "return arguments[0].getAttribute('aria-current') === 'true'"
    for name in ("leaderboard", "data", "result"):
        run(page, "document.getElementById(arguments[0]).scrollIntoView()", name)
        script = "return document.querySelector(`nav a[href='#${arguments[0]}']`)"
        link = run(page, script, name)
        until(page, partial(run, page, wait, link))
        box = run(page, "return arguments[0].getBoundingClientRect().toJSON()", link)
        assert box["top"] >= 0 and box["bottom"] < 60
        assert box["left"] < width
        top = "return document.getElementById(arguments[0]).getBoundingClientRect().top"
        assert name != "leaderboard" or run(page, top, name) >= box["bottom"]
    assert run(page, "return document.querySelectorAll('[aria-current]').length") == 1


def values_of(page: "Chrome", name: str) -> list[str]:
    script = "return Array.from(document.querySelectorAll(arguments[0]), one => one.textContent)"
    found: list[str] = run(page, script, f"#candidate-1 .{name} .values > *")
    return found


def test_curves_tell_their_values_under_the_pointer(page: "Chrome") -> None:
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.by import By

    box = page.find_element(By.CSS_SELECTOR, "#candidate-1 .roc .live")
    run(page, "arguments[0].scrollIntoView({block: 'center'})", box)
    panel = json.loads(
        page.find_element(By.CSS_SELECTOR, "#candidate-1 .roc img").get_attribute("data-curves")
        or ""
    )["panels"][0]
    middle = (panel["box"][0] + panel["box"][2]) / 2 - 0.5
    move = ActionChains(page).move_to_element_with_offset
    move(box, int(middle * box.size["width"]), 0).perform()
    rate, *curves = values_of(page, "roc")
    assert rate.startswith("false-positive rate ")
    assert float(rate.split()[-1]) == pytest.approx(0.5, abs=0.02)
    assert [text[:-5].strip() for text in curves] == list(CURVES)
    assert all(0.85 < float(text[-5:]) <= 1 for text in curves)
    move(box, int(middle * box.size["width"]), -box.size["height"]).perform()
    hidden = "return document.querySelector('#candidate-1 .roc .values').hidden"
    assert run(page, hidden)


def test_curves_tell_their_values_to_the_arrow_keys(page: "Chrome") -> None:
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    box = page.find_element(By.CSS_SELECTOR, "#candidate-1 .learning_curves .live")
    run(page, "arguments[0].focus()", box)
    said = "return document.getElementById('said').textContent"
    for _ in range(3):
        box.send_keys(Keys.ARROW_RIGHT)
    assert run(page, said).startswith("log loss: epoch 3, train 0.")
    for _ in range(3):
        box.send_keys(Keys.ARROW_RIGHT)
    assert run(page, said).startswith("accuracy: epoch 2, train 0.")
    for _ in range(9):
        box.send_keys(Keys.ARROW_LEFT)
    assert run(page, said).startswith("log loss: epoch 1, train 0.")


@pytest.mark.parametrize("width", [320, 360, 768, 1280])
def test_the_page_never_scrolls_sideways(page: "Chrome", width: int) -> None:
    resize(page, width)
    assert run(page, "return document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("width", [360, 1280])
def test_words_beside_examples_are_whole(page: "Chrome", width: int) -> None:
    resize(page, width)
    script = (
        "return Array.from(document.querySelectorAll('.example dt'))"
        ".filter(word => word.getClientRects()[0].height > 1.6 * 20).length"
    )
    assert run(page, "return document.querySelectorAll('.example dt').length") > 10
    assert run(page, script) == 0


def test_boxes_that_scroll_can_be_reached(page: "Chrome") -> None:
    resize(page, 360)
    page.refresh()
    script = (
        "return Array.from(document.querySelectorAll('.scroll'))"
        ".filter(box => box.checkVisibility() && box.scrollWidth > box.clientWidth)"
        ".map(box => box.tabIndex)"
    )
    indices = run(page, script)
    assert len(indices) > 3
    assert set(indices) == {0}


def test_it_is_dark_where_the_reader_wants_it(page: "Chrome") -> None:
    script = "return getComputedStyle(document.body).backgroundColor"
    light = run(page, script)
    feature = {"name": "prefers-color-scheme", "value": "dark"}
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
    assert light == "rgb(255, 255, 255)"
    assert run(page, script) == "rgb(20, 23, 28)"
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print", "features": [feature]})
    assert run(page, script) == "rgb(255, 255, 255)"


def test_all_candidates_are_printed(page: "Chrome") -> None:
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    assert len(shown_panels(page)) == 6
    assert not run(page, "return document.getElementById('picker').checkVisibility()")


def test_it_reads_without_its_script(page: "Chrome") -> None:
    page.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        page.refresh()
        page.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
        assert shown_panels(page) == [f"candidate-{number}" for number in range(1, 7)]
        assert not run(page, "return document.querySelectorAll('button').length")
        assert not run(page, "return document.getElementById('picker').checkVisibility()")
    finally:
        page.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


NUMBERS_FOLLOW_NAMES = """
  const names = [...document.querySelectorAll(".example dd bdi")];
  return names.length > 0 && names.every((name) => {
    const range = document.createRange();
    if (!name.nextSibling) return true;
    range.selectNode(name.nextSibling);
    const after = range.getClientRects()[0], last = [...name.getClientRects()].at(-1);
    return after.top > last.top || after.left >= last.right - 1;
  })
"""
"""Also those of names that run from the right."""


def test_names_with_markup_do_no_harm(browser: "Chrome", tmp_path: Path) -> None:
    folder = make_study(tmp_path, "awkward", classes=AWKWARD_CLASSES, num_candidates=2)
    for page in load(browser, write_report(folder)):
        assert run(page, "return document.scripts.length") == 1
        classes = column(page, "classes-1", 1)
        assert [" ".join(name.split()) for name in AWKWARD_CLASSES] == [
            " ".join(name.split()) for name in classes
        ]
        assert run(page, "return document.querySelector('.gallery').textContent.includes('אבג')")
        assert run(page, NUMBERS_FOLLOW_NAMES)
        resize(page, 360)
        assert run(page, "return document.documentElement.scrollWidth") <= 360


# -- the operating point --------------------------------------------------------------------


def point_text(page: "Chrome", name: str) -> str:
    """What stands in a part of the section, without line breaks."""
    script = "return document.getElementById(arguments[0]).textContent"
    return " ".join(str(run(page, script, f"point-{name}")).split())


def shown_point(page: "Chrome") -> dict[str, str]:
    names = ("threshold", "tp", "fn", "fp", "tn", "judged-ppv", "judged-npv", "chosen-sensitivity")
    return {name: point_text(page, name) for name in names}


def test_the_slider_moves_counts_shares_and_dots(page: "Chrome", report: Path) -> None:
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.support.select import Select

    Select(page.find_element(By.ID, "point-class")).select_by_visible_text("meningioma")
    slider = page.find_element(By.ID, "point-slider")
    assert page.find_element(By.ID, "operating").is_displayed()
    before = shown_point(page)
    reached = float(before["chosen-sensitivity"].split("\u00a0")[0].split()[0])
    assert 95 <= reached < 97
    dot = page.find_element(By.ID, "point-at-judged").get_attribute("cx")
    slider.send_keys(Keys.HOME)
    assert (point_text(page, "fn"), point_text(page, "tn")) == ("0", "0")
    assert point_text(page, "judged-sensitivity").startswith("100.0 %")
    for _ in range(3):
        slider.send_keys(Keys.ARROW_RIGHT)
    assert "sensitivity" in (slider.get_attribute("aria-valuetext") or "")
    slider.send_keys(Keys.END)
    after = shown_point(page)
    assert float(after["threshold"]) > float(before["threshold"])
    assert int(after["tp"]) < int(before["tp"])
    assert page.find_element(By.ID, "point-at-judged").get_attribute("cx") != dot
    assert len(column(page, "points", 1)) == 12


def test_the_page_counts_as_python_does(page: "Chrome", report: Path) -> None:
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.select import Select

    folder = StudyFolder(report.parent)
    field = page.find_element(By.ID, "point-prevalence")
    for label in CLASSES:
        Select(page.find_element(By.ID, "point-class")).select_by_visible_text(label)
        for typed, prevalence in (("", None), ("2", 0.02)):
            field.clear()
            field.send_keys(typed)
            point = find_operating_point(
                folder,
                folder.read_candidates()[0],
                f"sensitivity of {label} >= 0.95",
                prevalence=prevalence,
            )
            assert point_text(page, "threshold") == f"{point.threshold:g}"
            for short, name in (
                ("tp", "true_positives"),
                ("fn", "false_negatives"),
                ("fp", "false_positives"),
                ("tn", "true_negatives"),
            ):
                assert int(point_text(page, short)) == point.counts[name]
            for name, one in point.judged.items():
                said = " ".join(percent_interval(one).split())
                assert point_text(page, f"judged-{name}") == said, (label, name)


@pytest.mark.parametrize(
    ("found", "number", "threshold"),
    [(5, 16, "1.2e-05"), (1, 16, "0.999962"), (15, 16, "0.5"), (0, 3, "1"), (9999, 10000, "0.5")],
)
def test_the_page_writes_numbers_as_python_does(
    page: "Chrome", found: int, number: int, threshold: str
) -> None:
    script = (
        "const select = document.getElementById('point-class');"
        "const data = select.selectedOptions[0].dataset;"
        "data.points = arguments[0]; data.unseen = data.judged = arguments[1]; data.start = '0';"
        "select.dispatchEvent(new Event('change'));"
    )
    run(page, script, f"{threshold} {found} 0 {found} 0", f"{number} {number} {number} {number}")
    said = " ".join(percent_interval(wilson_interval(found / number, number)).split())
    assert point_text(page, "judged-sensitivity") == said
    assert point_text(page, "threshold") == threshold


def test_a_prevalence_that_is_none_is_said(page: "Chrome") -> None:
    from selenium.webdriver.common.by import By

    field = page.find_element(By.ID, "point-prevalence")
    for typed in ("0", "100", "-3", "250"):
        field.clear()
        field.send_keys(typed)
        assert point_text(page, "judged-ppv") == "\N{EN DASH}"
        assert "above 0 and below 100" in point_text(page, "note")
    field.clear()
    field.send_keys("0.5")
    assert "at a prevalence of 0.5 %" in point_text(page, "note")


def test_without_its_script_and_in_print_the_table_of_points_stands_alone(page: "Chrome") -> None:
    visible = "return document.getElementById(arguments[0]).checkVisibility()"
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    assert not run(page, visible, "operating")
    assert run(page, visible, "table-points")
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    page.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        page.refresh()
        page.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
        assert not run(page, visible, "operating")
        assert run(page, visible, "table-points")
    finally:
        page.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


@pytest.mark.parametrize("num_classes", [4, 300])
def test_the_page_of_an_audit_fits_every_width(
    browser: "Chrome", tmp_path: Path, num_classes: int
) -> None:
    audit = make_audit(AWKWARD_CLASSES) if num_classes == 4 else many_classes(num_classes)
    path = tmp_path / "page.html"
    path.write_text(render_audit(audit, {one.picture: THUMBNAIL for one in audit.samples}), "utf-8")
    for page in load(browser, path):
        assert run(page, "return document.scripts.length") == 1
        for width in (320, 360, 768, 1280):
            resize(page, width)
            assert run(page, "return document.documentElement.scrollWidth") <= width
