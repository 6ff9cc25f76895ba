"""Headless Chromium, for pages that are looked at and clicked."""

import os
import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")

DRIVER = shutil.which("chromedriver")

NEEDS_BROWSER = pytest.mark.skipif(
    not (BROWSER and DRIVER) and "CI" not in os.environ,
    reason="needs Debian's packages chromium and chromium-driver",
)


def open_browser() -> "Iterator[Chrome]":
    """A browser, for the time of a fixture."""
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


def resize(page: "Chrome", width: int) -> None:
    """Give the page a width, px; below 600 that of a phone."""
    size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 600}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


def darken(page: "Chrome", is_dark: bool) -> None:
    """Ask for dark pages, or for light ones."""
    wanted = {"name": "prefers-color-scheme", "value": "dark" if is_dark else "light"}
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [wanted]})


def log(browser: "Chrome", kind: str) -> list[dict[str, Any]]:
    """What the browser has logged since the last call."""
    entries: list[dict[str, Any]] = browser.get_log(kind)  # type: ignore[no-untyped-call]
    return entries


def find_barriers(page: "Chrome") -> list[str]:
    """What axe-core finds serious or critical for people with disabilities, where and why."""
    from importlib.resources import files

    source = (files("axe_core_python") / "axe.min.js").read_text("utf-8")
    page.execute_script(source)
    found = page.execute_async_script(
        "const done = arguments[arguments.length - 1];"
        "const rules = {'label-content-name-mismatch': {enabled: true}};"
        "axe.run(document, {resultTypes: ['violations'], rules}).then(r => done(r.violations))"
    )
    return [
        f"{one['id']}: {node['html'][:120]}: {node['failureSummary']}"
        for one in found
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]
