"""The site of docs/: nothing is fetched, every page is there, dead links are errors."""

import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

import autocnn

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "docs" / "site" / "build.py"

DEAD = f"""
import runpy, sys
from pathlib import Path
site = runpy.run_path({str(BUILD)!r})
def write_pages(folder):
    (folder / "index.md").write_text("# One\\n\\n[two](two.md), [part](#no-such-part)\\n")
site["build"].__globals__["write_pages"] = write_pages
sys.exit(site["build"](Path("dead")))
"""


def run(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "http_proxy": "http://127.0.0.1:9"}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=environment | {"https_proxy": environment["http_proxy"]},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_the_site_has_every_page_and_fetches_nothing(tmp_path: Path) -> None:
    done = run(str(BUILD), "site", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    site = tmp_path / "site"
    for page in (ROOT / "docs").rglob("*.md"):
        name = {"search": "how-it-searches"}.get(page.stem, page.stem)
        assert (site / page.relative_to(ROOT / "docs").with_name(f"{name}.html")).is_file()
    reference = (site / "python-reference.html").read_text("utf-8")
    for name in set(autocnn.__all__) - {"__version__"}:
        assert re.search(rf'id="autocnn\.([a-z_.]+\.)?{name}"', reference), name
    assert "leaderboard" in (site / "searchindex.js").read_text("utf-8")
    loaded = re.compile(
        r"<(?:script|img|iframe)[^>]*src=\"(?:https?:)?//|<link[^>]*rel=\"(?:stylesheet|preload|icon)"
        r"\"[^>]*href=\"(?:https?:)?//|@import|url\((?:https?:)?//"
    )
    for path in [*site.rglob("*.html"), *site.rglob("*.css")]:
        assert not loaded.search(path.read_text("utf-8")), path


@pytest.mark.slow
def test_a_link_that_leads_nowhere_is_an_error(tmp_path: Path) -> None:
    done = run("-c", DEAD, folder=tmp_path)
    assert done.returncode != 0
    assert "two.md" in done.stderr
    assert "no-such-part" in done.stderr


def test_links_lead_to_pages_of_the_site() -> None:
    pytest.importorskip("sphinx")
    move = runpy.run_path(str(BUILD))["move_links"]
    text = "[a](../results/README.md) [b](search.md#x) [c](../Makefile) [d](https://e.org) [e](#f)"
    assert move(text, "docs/faq.md", "faq.md") == (
        "[a](files-of-a-study.md) [b](how-it-searches.md#x) c [d](https://e.org) [e](#f)"
    )
    text = "[a](../docs/faq.md) [b](../docs/decisions)"
    assert move(text, "results/README.md", "files-of-a-study.md") == (
        "[a](faq.md) [b](decisions/README.md)"
    )
    assert move("[a](../faq.md)", "docs/decisions/0001.md", "decisions/0001.md") == (
        "[a](../faq.md)"
    )
