"""Builds the site of docs/, with pages from elsewhere and the Python reference: `make docs`.

python docs/site/build.py [TARGET]    writes build/site, or TARGET; a dead link is an error

The pages are written for readers of the repository. A copy of them is made whose links lead to the
pages of the site; what has no page there, as a program or a folder, is named without a link.
"""

import posixpath
import re
import shutil
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from sphinx.cmd.build import main as sphinx_build

ROOT = Path(__file__).parents[2]

MOVED = {
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "docs/search.md": "how-it-searches.md",  # Sphinx has a search.html of its own
    "results/README.md": "files-of-a-study.md",
    "search_spaces/README.md": "search-spaces.md",
}
"""File of the repository -> page of the site; other files of docs/ keep their place."""

CONTENTS = {
    "Start": ("quickstart", "your-data", "reading-the-report", "use-the-model", "python"),
    "Going further": (
        "label-issues",
        "your-space",
        "search-spaces",
        "your-model",
        "your-objective",
        "integrations",
        "budget",
        "how-it-searches",
        "studies",
        "cluster",
        "faq",
    ),
    "To look up": (
        "commands",
        "python-reference",
        "glossary",
        "Files of a study <files-of-a-study>",
        "reliability",
        "security",
        "changelog",
    ),
    "For maintainers": ("contributing", "performance", "decisions/README"),
}
"""Pages by part, in their order; a page that is left out is an error too."""

RETURNED = (
    "autocnn.api.plots.StudyPlots",
    "autocnn.api.plots.PlotDisplay",
    "autocnn.api.study.LeaderboardSummary",
    "autocnn.inference.predict.model.Model",
    "autocnn.inference.predict.predictions.Predictions",
    "autocnn.spaces.space.SearchSpace",
)
"""What the functions and objects of `import autocnn` return."""

OPTIONS: dict[str, list[str]] = {
    "autocnn.AutoCNNClassifier": [
        ":members:",
        ":exclude-members: set_fit_request, set_score_request",
    ],
    "autocnn.StudyConfig": [],
}
"""Of autodoc; scikit-learn's own methods link to its own site, settings are in commands.md."""

LINK = re.compile(r"\[(?P<text>[^\]]*)\]\((?P<target>[^)\s#]+)(?P<anchor>#[^)\s]*)?\)")


def move_links(text: str, source: str, page: str) -> str:
    """A page of the site from a file of the repository.

    Args:
        text: Of the file.
        source: Its path in the repository.
        page: Path of the page in the site.
    """

    def move(link: re.Match[str]) -> str:
        target = link["target"]
        if re.match(r"\w+:", target):
            return link[0]
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
        if (ROOT / path).is_dir():
            path += "/README.md"
        if not (path in MOVED or (path.startswith("docs/") and path.endswith(".md"))):
            return link["text"]
        moved = MOVED.get(path, path.removeprefix("docs/"))
        away = posixpath.relpath(moved, posixpath.dirname(page) or ".")
        return f"[{link['text']}]({away}{link['anchor'] or ''})"

    return LINK.sub(move, text)


def write_pages(folder: Path) -> None:
    """Everything that Sphinx reads, as pages in a folder."""
    docs = [path.relative_to(ROOT).as_posix() for path in sorted((ROOT / "docs").rglob("*.md"))]
    for source, page in ({path: path.removeprefix("docs/") for path in docs} | MOVED).items():
        text = move_links((ROOT / source).read_text("utf-8"), source, page)
        if page == "index.md":
            text += "".join(_hidden(part, pages) for part, pages in CONTENTS.items())
        if page == "decisions/README.md":
            text += _hidden("", [Path(path).stem for path in docs if "/decisions/0" in path])
        (folder / page).parent.mkdir(exist_ok=True)
        (folder / page).write_text(text, "utf-8")
    (folder / "python-reference.md").write_text(write_reference(), "utf-8")


def _hidden(caption: str, pages: Iterable[str]) -> str:
    """Pages for the navigation at the side."""
    lines = ["", "```{toctree}", ":hidden:", *([f":caption: {caption}"] if caption else []), ""]
    return "\n".join([*lines, *pages, "```", ""])


def write_reference() -> str:
    """The page of every public name, from its docstring."""
    import autocnn

    names = [f"autocnn.{name}" for name in autocnn.__all__ if name != "__version__"]
    functions = [name for name in names if name.rpartition(".")[2].islower()]
    objects = [name for name in names if name not in functions]
    lines = ["# Python, every name", "", "What `import autocnn` offers, and what that returns."]
    for title, members in (
        ("Functions", functions),
        ("Objects", objects),
        ("What they return", RETURNED),
    ):
        lines += ["", f"## {title}", ""]
        for name in members:
            kind = "function" if name in functions else "class"
            own = OPTIONS.get(name, [":members:"]) if kind == "class" else []
            short = name.rpartition(".")[2]
            lines += [f"### {short}", "", "```{eval-rst}", f".. auto{kind}:: {name}"]
            lines += [*(f"   {option}" for option in own), "```", ""]
    return "\n".join(lines)


def build(target: Path) -> int:
    """Write the site; 0, or Sphinx's exit code where something is wrong.

    Args:
        target: Folder, made anew.
    """
    shutil.rmtree(target, ignore_errors=True)
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "source"
        source.mkdir()
        write_pages(source)
        strict = ["--fail-on-warning", "--keep-going", "--quiet"]
        places = ["-c", str(Path(__file__).parent), "-d", str(Path(folder) / "doctrees")]
        return sphinx_build([*strict, *places, "-b", "html", str(source), str(target)])


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    where = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "build" / "site"
    code = build(where)
    print(f"{where / 'index.html'}" if code == 0 else "The site was not built.")
    sys.exit(code)
