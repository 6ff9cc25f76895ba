"""The pictures of README.md, of a real study: `python -m tests.docs.pictures results/mine`.

The first screen of its report, and its images in `autocnn view`: those that were predicted wrongly,
the surest first. Headless Chromium looks at both; the files stay small enough for a page.
"""

import io
import subprocess
import sys
import time
from pathlib import Path

import click
from PIL import Image

from tests.browser import open_browser
from tests.docs.pages import ROOT

WIDTH, HEIGHT = 1100, 700
COLOURS = 96
TARGET = ROOT / "docs" / "pictures"
LOADING_S = 60


@click.command()
@click.argument("study", type=click.Path(exists=True, path_type=Path))
def main(study: Path) -> None:
    """Draw the pictures of STUDY into docs/pictures."""
    TARGET.mkdir(exist_ok=True)
    process = subprocess.Popen(
        [sys.executable, "-m", "autocnn", "view", str(study), "--port", "0", "--no-open"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    address = process.stdout.readline().split()[1]
    for browser in open_browser():
        size = {"width": WIDTH, "height": HEIGHT, "deviceScaleFactor": 1, "mobile": False}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        browser.get((study / "report.html").resolve().as_uri())
        time.sleep(1)
        save(browser.get_screenshot_as_png(), TARGET / "report.png")
        browser.get(f"{address}#images")
        time.sleep(2)
        browser.execute_script(
            "const form = document.getElementById('filters');"
            "form.elements.kind.value = 'wrong'; form.elements.order.value = 'most sure';"
            "form.elements.split.value = 'test';"
            "form.dispatchEvent(new Event('change', {bubbles: true}))"
        )
        loaded = (
            "const all = [...document.querySelectorAll('.tile img')];"
            "return all.length > 5 && all.every(image => image.complete && image.naturalWidth)"
        )
        end = time.monotonic() + LOADING_S
        while time.monotonic() < end and not browser.execute_script(loaded):
            time.sleep(0.5)
        time.sleep(1)
        save(browser.get_screenshot_as_png(), TARGET / "view.png")
    process.terminate()
    process.wait()


def save(png: bytes, path: Path) -> None:
    """Write a screenshot in few colours."""
    image = Image.open(io.BytesIO(png)).convert("RGB")
    image.quantize(COLOURS, method=Image.Quantize.MEDIANCUT).save(path, optimize=True)
    click.echo(f"{path}: {path.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
