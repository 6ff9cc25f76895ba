"""`autocnn view` in headless Chromium, on a study that runs, then on the same when it is done."""

import contextlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from autocnn.storage import StudyFolder
from autocnn.web.service import make_service
from tests.browser import NEEDS_BROWSER, darken, find_barriers, log, open_browser, resize
from tests.digits import arguments, reference_study
from tests.inference.predict.models import model
from tests.reporting.test_comparison import make_study
from tests.web.conftest import Start

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

pytestmark = [pytest.mark.slow, NEEDS_BROWSER]

MOST_S = 120.0


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "autocnn", *words]


def wait(until: Callable[[], Any], *, most_s: float = MOST_S) -> Any:
    from selenium.common.exceptions import StaleElementReferenceException

    end = time.monotonic() + most_s
    while time.monotonic() < end:
        with contextlib.suppress(StaleElementReferenceException):  # the page went on meanwhile
            found = until()
            if found:
                return found
        time.sleep(0.3)
    raise AssertionError("it did not happen in time")


@pytest.fixture(scope="module")
def browser() -> "Iterator[Chrome]":
    yield from open_browser()


class View:
    """`autocnn view` in a process of its own, and a browser that looks at it."""

    def __init__(self, browser: "Chrome", study: Path) -> None:
        self.browser, self.study = browser, study
        self.process = subprocess.Popen(
            command("view", str(study), "--port", "0", "--no-open"),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().split()[1]

    def open(self, part: str = "search", width: int = 1280) -> None:
        log(self.browser, "browser")
        resize(self.browser, width)
        self.browser.get("about:blank")
        self.browser.get(f"{self.url}#{part}")

    def all(self, selector: str) -> list[Any]:
        from selenium.webdriver.common.by import By

        return self.browser.find_elements(By.CSS_SELECTOR, selector)

    def names(self) -> list[str]:
        """What is said of each tile that is drawn."""
        script = "return [...document.querySelectorAll('.tile')].map(t => t.textContent)"
        found: list[str] = self.browser.execute_script(script)
        return found

    def text(self, name: str) -> str:
        script = "return document.getElementById(arguments[0]).textContent"
        return str(self.browser.execute_script(script, name))

    def choose(self, name: str, value: str) -> None:
        from selenium.webdriver.support.select import Select

        Select(self.all(f"#filters [name={name}]")[0]).select_by_value(value)

    def count(self, label: str, split: str) -> int:
        """Images of a class in a split."""
        rows = StudyFolder(self.study).read_split()
        return sum(row[1] == label and row[3] == split for row in rows)

    def close(self) -> tuple[int, str]:
        self.process.terminate()
        output, _ = self.process.communicate(timeout=60)
        return self.process.returncode, output


def moved_by_loading(view: View, name: str) -> int:
    """px by which an image's height is another once it is loaded."""
    script = """
      const loaded = document.getElementById(arguments[0]), empty = loaded.cloneNode();
      empty.removeAttribute("src");
      loaded.before(empty);
      const found = loaded.offsetHeight - empty.offsetHeight;
      empty.remove();
      return found;
    """
    wait(
        lambda: view.browser.execute_script(
            "return document.getElementById(arguments[0]).naturalWidth", name
        )
    )
    return int(view.browser.execute_script(script, name))


def shuts_nobody_out(browser: "Chrome") -> None:
    """In a wide window and in a phone's, light and dark."""
    assert log(browser, "browser") == []
    try:
        for width in (1280, 360):
            resize(browser, width)
            size = "return [document.documentElement.scrollWidth, innerWidth]"
            page, window = browser.execute_script(size)
            assert page <= window
            for is_dark in (False, True):
                darken(browser, is_dark)
                assert find_barriers(browser) == [], (width, is_dark)
    finally:
        darken(browser, False)
        resize(browser, 1280)
        log(browser, "browser")  # what axe-core makes it say


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return reference_study(tmp_path_factory)


@pytest.fixture
def view(browser: "Chrome", study: Path) -> Iterator[View]:
    view = View(browser, study)
    yield view
    entries = log(browser, "browser")
    browser.get("about:blank")  # else it would miss the server that is about to end
    code, output = view.close()
    assert (code, output.strip()) == (0, ""), "SIGTERM ends it cleanly"
    assert entries == []


def test_a_study_is_followed_while_it_runs_and_is_not_disturbed(
    browser: "Chrome", tmp_path: Path
) -> None:
    search = subprocess.Popen(
        arguments(tmp_path, "--name", "live", "--quiet"), cwd=tmp_path, stdout=subprocess.DEVNULL
    )
    study, view = tmp_path / "results" / "live", None
    try:
        wait((study / "study.json").exists)
        view = View(browser, study)
        view.open()
        browser.execute_script("window.isSamePage = true")
        shuts_nobody_out(browser)
        wait(lambda: view.text("state").startswith(("It ", "Done")))
        wait(lambda: len(view.all("#trials tbody tr")) == 3)
        wait(lambda: len(view.all("#best circle")) >= 1)
        shuts_nobody_out(browser)
        wait(lambda: view.all("#candidates tbody tr"))
        wait(lambda: view.text("state").startswith("Done: 3 of 3 trials ended"))
        wait(lambda: view.all("#filters [name=candidate] option"))
        assert len(view.all("#filters [name=label] option")) == 11, "any, and ten digits"
        assert not browser.execute_script("return document.getElementById('drop').hidden")
        assert browser.execute_script("return window.isSamePage"), "nothing was loaded anew"
        assert log(browser, "browser") == []
        browser.get("about:blank")
        code = search.wait(MOST_S)
    finally:
        search.kill()
        if view is not None:
            assert view.close()[0] == 0
    assert code == 0


def test_trials_are_chosen_with_the_keyboard(view: View) -> None:
    from selenium.webdriver.common.keys import Keys

    view.open()
    first = wait(lambda: view.all("#trials button"))[0]
    first.send_keys(Keys.ENTER)
    wait(lambda: view.text("trial-title") == "Trial 2")
    focused = "return document.activeElement.id"
    assert wait(lambda: view.browser.execute_script(focused) == "trial-title")
    assert wait(lambda: view.all("#trial-curve path.best"))
    assert view.all("#trial-params dt")


def test_images_are_filtered_and_looked_at(view: View) -> None:
    from selenium.webdriver.common.by import By

    view.open("images")
    wait(lambda: view.text("found") == "1,797 images.")
    wait(lambda: len(view.all(".tile img")) > 20)
    loaded = "return [...document.querySelectorAll('.tile img')].every(i => i.naturalWidth > 0)"
    wait(lambda: view.browser.execute_script(loaded))
    view.choose("label", "3")
    view.choose("split", "test")
    wait(lambda: view.text("found") == f"{view.count('3', 'test')} images.")
    wait(lambda: {name[0] for name in view.names()} == {"3"})
    view.choose("kind", "wrong")
    view.choose("label", "")
    view.choose("order", "most sure")
    wait(lambda: view.names() and all("✗" in name for name in view.names()))
    view.browser.execute_script("document.querySelector('.tile').click()")
    wait(lambda: view.all("dialog[open] .shares"))
    assert moved_by_loading(view, "image-large") == 0, "nothing jumps from under the pointer"
    assert f"{view.text('position')} images." == f"1 of {view.text('found')}"
    view.browser.find_element(By.XPATH, "//dialog//button[text()='Where it looked']").click()
    wait(lambda: view.all("#image-said img"))
    view.browser.find_element(By.CSS_SELECTOR, "dialog button[aria-label=Close]").click()
    assert not view.all("dialog[open]")


def test_one_image_after_the_other_is_looked_at(view: View) -> None:
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    def press(key: str) -> None:
        ActionChains(view.browser).send_keys(key).perform()

    def enabled(name: str) -> bool:
        return bool(view.all(f"#{name}")[0].is_enabled())

    total = view.count("3", "test")

    def said_to_be(position: int) -> bool:
        return view.text("position") == f"{position} of {total}"

    view.open("images?split=test&label=3")
    wait(lambda: len(view.all(".tile")) == total)
    view.all(".tile")[0].click()
    wait(lambda: view.all("dialog[open] .shares"))
    first = view.text("image-title")
    assert (enabled("previous"), enabled("next")) == (False, True)
    view.all("#next")[0].click()
    wait(lambda: view.text("image-title") != first)
    assert said_to_be(2)
    press(Keys.ARROW_LEFT)
    wait(lambda: view.text("image-title") == first)
    press(Keys.ARROW_LEFT)
    for position in range(2, total + 1):
        press(Keys.ARROW_RIGHT)
        wait(partial(said_to_be, position))
    assert (enabled("previous"), enabled("next")) == (True, False)
    press(Keys.ESCAPE)
    wait(lambda: not view.all("dialog[open]"))


def test_what_is_asked_for_stands_in_the_address(view: View) -> None:
    asked = "return location.hash"
    view.open("images")
    wait(lambda: view.all(".tile"))
    assert view.browser.execute_script(asked) == "#images"
    view.choose("label", "3")
    view.choose("split", "test")
    said = f"{view.count('3', 'test')} images."
    wait(lambda: view.text("found") == said)
    assert view.browser.execute_script(asked) == "#images?label=3&split=test"
    view.browser.refresh()
    wait(lambda: view.text("found") == said)
    for part in ("leaderboard", "images"):
        view.all(f"#parts [href='#{part}']")[0].click()
    assert view.browser.execute_script(asked) == "#images?label=3&split=test"
    view.open("images?label=no+such&text=%00&candidate=77&x=1")
    wait(lambda: view.text("found") == "0 images.")
    assert view.browser.execute_script(asked).startswith("#images?text=")


def test_the_whole_set_can_be_scrolled(view: View) -> None:
    view.open("images")
    wait(lambda: view.all(".tile"))
    script = "const g = document.getElementById('grid'); g.scrollTop = g.scrollHeight"
    view.browser.execute_script(script)
    last = view.study / "split.csv"
    path = last.read_text("utf-8").splitlines()[-1].split(",")[0]
    wait(lambda: any(name.endswith(f", {path}") for name in view.names()))
    assert len(view.all(".tile")) < 200, "what is not seen is not kept"


def test_an_image_of_ones_own_is_tried(view: View, tmp_path: Path) -> None:
    view.open("try")
    before = {path: path.stat().st_mtime_ns for path in view.study.rglob("*")}
    picture = tmp_path / "mine <b>.png"
    pixels = np.random.default_rng(0).integers(0, 255, (40, 40, 3), np.uint8)
    Image.fromarray(pixels).save(picture)
    wait(lambda: view.all("#file"))[0].send_keys(str(picture))
    wait(lambda: view.all("#tried img"))
    assert view.text("trying").startswith("mine <b>.png: ")
    junk = tmp_path / "junk.png"
    junk.write_bytes(b"junk")
    view.all("#file")[0].send_keys(str(junk))
    wait(lambda: view.text("trying") == "junk.png is no image that autocnn reads.")
    assert {path: path.stat().st_mtime_ns for path in view.study.rglob("*")} == before


def test_it_fits_a_phone_and_shuts_nobody_out(view: View, tmp_path: Path) -> None:
    picture = tmp_path / "mine.png"
    Image.new("L", (40, 40)).save(picture)
    view.open("search")
    wait(lambda: view.all("#trials button"))[0].click()
    wait(lambda: view.all("#trial-curve path.best"))
    shuts_nobody_out(view.browser)
    view.open("leaderboard")
    wait(lambda: view.all("#candidates tbody tr"))
    shuts_nobody_out(view.browser)
    view.open("images")
    wait(lambda: len(view.all(".tile img")) > 20)
    shuts_nobody_out(view.browser)
    wait(lambda: view.all(".tile"))[0].click()
    wait(lambda: view.all("dialog[open] section button"))[0].click()
    wait(lambda: view.all("#image-said img"))
    shuts_nobody_out(view.browser)
    resize(view.browser, 360)
    script = "const d = document.getElementById('image'); return [d.scrollWidth, d.clientWidth]"
    inside, window = wait(lambda: view.browser.execute_script(script))
    assert inside <= window, "nothing of an image's window is beside it"
    view.open("try")
    wait(lambda: view.all("#file"))[0].send_keys(str(picture))
    wait(lambda: view.all("#tried img"))
    shuts_nobody_out(view.browser)


def test_who_skips_the_links_stays_in_the_part(view: View) -> None:
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    view.open("images")
    wait(lambda: view.all(".tile"))
    view.browser.execute_script("document.querySelector('.skip').focus()")
    ActionChains(view.browser).send_keys(Keys.ENTER).perform()
    assert wait(lambda: view.browser.execute_script("return document.activeElement.id") == "main")
    assert view.all("#images")[0].is_displayed()


def test_the_keys_are_not_lost_with_a_tile_that_is_scrolled_away(view: View) -> None:
    view.open("images")
    wait(lambda: view.all(".tile"))
    view.browser.execute_script(
        "document.querySelector('.tile').focus(); const g = document.getElementById('grid');"
        "g.scrollTop = g.scrollHeight"
    )
    wait(lambda: view.browser.execute_script("return document.activeElement.id") == "grid")


def test_the_log_of_a_trial_has_its_epochs(view: View) -> None:
    view.open()
    wait(lambda: view.all("#trials button"))[0].click()
    wait(lambda: "epoch 1: loss " in view.text("trial-log"))


def test_the_page_of_a_service_shuts_nobody_out(browser: "Chrome", start: Start) -> None:
    client = start(make_service(model()))
    resize(browser, 1280)
    browser.get(client.server.url)
    shuts_nobody_out(browser)
    browser.get("about:blank")


def test_without_scripts_the_tables_are_there(view: View) -> None:
    view.browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        view.open()
        assert len(view.all("#trials tbody tr")) == 3
        assert view.all("#candidates tbody tr")
        assert "need JavaScript" in view.browser.page_source
    finally:
        view.browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_a_study_that_is_deleted_is_said_to_be_gone(browser: "Chrome", tmp_path: Path) -> None:
    folder = make_study(tmp_path, "soon")
    view = View(browser, folder.path)
    view.open()
    wait(lambda: view.text("state").startswith("Done"))
    folder.remove()
    wait(lambda: view.text("state") == f"{folder.path} is gone.")
    view.open()
    assert "is gone" in browser.page_source
    log(browser, "browser")  # that the page answers 404
    shuts_nobody_out(browser)
    view.close()
