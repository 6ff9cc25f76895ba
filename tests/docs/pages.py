"""What a page shows: its blocks with their marks, its command lines, its links."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]

PAGES = sorted(
    [ROOT / "README.md", ROOT / "search_spaces" / "README.md", *(ROOT / "docs").glob("*.md")]
)

MARK = re.compile(r"<!-- docs: (?P<verb>run|shown|file|empty results)(?: (?P<name>\S+))? -->")
FENCE = re.compile(r"(?P<indent> *)```(?P<language>\w*)")
SPAN = re.compile(r"`(autocnn [^`]+)`")
LINK = re.compile(r"\]\((?P<target>[^)\s]+)\)")

PYTHON = ("python", "py")
SHELL = ("bash", "console", "sh", "")


@dataclass(frozen=True)
class Block:
    """A fenced or indented block, or a mark that stands alone.

    Attributes:
        page: The page it is on.
        line: Its first line, 1 for the first of the page.
        language: Of the fence; empty for an indented block.
        verb: Its mark: run, shown, file, `empty results`, or empty without one.
        name: The file's, with the mark `file`.
        text: The lines without fence and indentation.
    """

    page: Path
    line: int
    language: str
    verb: str
    name: str
    text: str

    @property
    def is_python(self) -> bool:
        return self.language in PYTHON

    @property
    def is_shell(self) -> bool:
        return self.language in SHELL

    @property
    def commands(self) -> list[str]:
        """Lines to type, continued ones joined, without prompts and without output."""
        lines = self.text.replace("\\\n", " ").splitlines()
        prompted = [line.strip()[2:] for line in lines if line.strip().startswith("$ ")]
        return prompted or lines


def read_blocks(page: Path) -> Iterator[Block]:
    """All blocks of a page, from its top."""
    lines = page.read_text("utf-8").splitlines()
    mark: re.Match[str] | None = None
    number = 0
    while number < len(lines):
        line = lines[number]
        first = number + 1
        fence = FENCE.fullmatch(line.rstrip())
        if fence is not None:
            end = next(i for i in range(first, len(lines)) if lines[i].strip() == "```")
            indent, body = len(fence["indent"]), lines[first:end]
            text = "\n".join(part[indent:] for part in body)
            yield _block(page, first, fence["language"] or "text", mark, text)
            mark, number = None, end + 1
        elif _begins_indented(lines, number):
            end = number
            while end < len(lines) and (lines[end].startswith("    ") or not lines[end].strip()):
                end += 1
            text = "\n".join(part[4:] for part in lines[number:end]).strip("\n")
            yield _block(page, first, "", mark, text)
            mark, number = None, end
        else:
            found = MARK.fullmatch(line.strip())
            assert found or "<!-- docs:" not in line, f"{page}:{first}: {line} is no known mark"
            if found and found["verb"] == "empty results":
                yield _block(page, first, "", found, "")
            elif found or line.strip():
                assert mark is None, f"{page}:{first}: a block must follow its mark"
                mark = found
            number += 1


def _begins_indented(lines: list[str], number: int) -> bool:
    """Whether a block of four spaces begins: after an empty line, outside a list."""
    before = [line for line in lines[:number] if line.strip() and not MARK.fullmatch(line.strip())]
    is_free = number == 0 or not lines[number - 1].strip() or bool(MARK.match(lines[number - 1]))
    in_list = bool(before) and bool(re.match(r" *([-*]|\d+\.) |  \S", before[-1]))
    return lines[number].startswith("    ") and is_free and not in_list


def _block(page: Path, line: int, language: str, mark: re.Match[str] | None, text: str) -> Block:
    verb, name = (mark["verb"], mark["name"] or "") if mark else ("", "")
    return Block(page, line, language, verb, name, text)


def read_command_lines(page: Path) -> Iterator[tuple[int, list[str]]]:
    """The arguments of every `autocnn ...` that a page shows, with the line of its block."""
    for block in read_blocks(page):
        if block.is_shell or block.language == "text":
            for command in block.commands:
                yield from ((block.line, words) for words in _calls(command))
    for number, line in enumerate(page.read_text("utf-8").splitlines(), start=1):
        for span in SPAN.findall(line):
            if "..." not in span and "COMMAND" not in span:
                yield from ((number, words) for words in _calls(span))


def _calls(line: str) -> Iterator[list[str]]:
    """The arguments of each call of autocnn in a line of shell."""
    if "autocnn " not in line or not re.match(r"(\w+=\S* )*autocnn ", line.strip()):
        return
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    lexer.commenters = "#"
    words = list(lexer)
    while words and "=" in words[0] and words[0] != "autocnn":
        words.pop(0)
    end = next((i for i, word in enumerate(words) if set(word) <= set("();<>|&")), len(words))
    if words[:1] == ["autocnn"]:
        yield words[1:end]


def read_links(page: Path) -> Iterator[tuple[int, str]]:
    """The relative links of a page, without anchors, with their lines."""
    for number, line in enumerate(page.read_text("utf-8").splitlines(), start=1):
        for target in LINK.findall(line):
            if not re.match(r"[a-z]+:|#", target):
                yield number, target.partition("#")[0]
