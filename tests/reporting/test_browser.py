"""The page in headless Chromium: nothing fails, sorting and choosing work, it fits a phone."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from autocnn.core.records import RocCurve
from autocnn.reporting.page import render_audit, write_report
from autocnn.reporting.plots import draw_learning_curves, draw_roc
from autocnn.reporting.plots.style import save_png
from tests.reporting.studies import AWKWARD_CLASSES, make_audit, make_history, make_study
from tests.reporting.test_overview import THUMBNAIL, many_classes

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")

DRIVER = shutil.which("chromedriver")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (BROWSER and DRIVER) and "CI" not in os.environ,
        reason="needs Debian's packages chromium and chromium-driver",
    ),
]


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
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    assert BROWSER, "chromium must be there in CI"
    assert DRIVER, "chromium-driver must be there in CI"
    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    # Containers have neither its sandbox nor enough shared memory.
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture
def page(browser: "Chrome", report: Path) -> "Iterator[Chrome]":
    """The report, freshly loaded at 1280 px, its logs empty before."""
    yield from load(browser, report)


def load(browser: "Chrome", path: Path) -> "Iterator[Chrome]":
    log(browser, "browser")
    log(browser, "performance")
    resize(browser, 1280)
    browser.get(path.as_uri())
    yield browser
    assert log(browser, "browser") == []
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})


def resize(page: "Chrome", width: int) -> None:
    size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 600}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


def until(page: "Chrome", condition: Callable[[], Any]) -> None:
    from selenium.webdriver.support.wait import WebDriverWait

    WebDriverWait(page, 20).until(lambda _: condition())


def run(page: "Chrome", script: str, *arguments: Any) -> Any:
    return page.execute_script(script, *arguments)


def log(browser: "Chrome", kind: str) -> list[dict[str, Any]]:
    """What the browser has logged since the last call."""
    entries: list[dict[str, Any]] = browser.get_log(kind)  # type: ignore[no-untyped-call]
    return entries


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


def test_names_with_markup_do_no_harm(browser: "Chrome", tmp_path: Path) -> None:
    folder = make_study(tmp_path, "awkward", classes=AWKWARD_CLASSES, num_candidates=2)
    for page in load(browser, write_report(folder)):
        assert run(page, "return document.scripts.length") == 1
        classes = column(page, "classes-1", 1)
        assert [" ".join(name.split()) for name in AWKWARD_CLASSES] == [
            " ".join(name.split()) for name in classes
        ]
        resize(page, 360)
        assert run(page, "return document.documentElement.scrollWidth") <= 360


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
