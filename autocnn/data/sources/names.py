"""What the names of files say: labels and groups, by a regular expression of the user's."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

MATCHED = 0.9
"""Share of the names that a pattern has to match before it is proposed."""

MOST_LABELS = 1 / 3
"""Labels per image up to which words in names look like labels, and not like names of images."""

FEWEST_PER_LABEL = 2

_LABELS = (
    # great_pyrenees_173.jpg, cat.0.jpg, benign (3).png: all before the last number
    r"^(.+?)[ ._(-]*\d+\)?\.",
    # cat_a8f3.jpg: the first word
    r"^([^\W\d_]+)",
    # 0001_cat.jpg: the last word
    r"[ _-]([^\W\d_]+)\.[^.]*$",
)


class NamePattern:
    r"""A regular expression that is searched in the name of a file.

    With a `/` in it, it is searched in the path, as the table of images has it. What its first
    group catches counts; without a group, all that matches.

    Args:
        regex: As Python has it.

    >>> NamePattern(r"^([a-z]+)").find("train/cat.0.jpg")
    'cat'
    >>> NamePattern(r"([^/]+)/[^/]+$").find("benign/p12/1.png")
    'p12'
    >>> print(NamePattern(r"\d+").find("cat.jpg"))
    None
    """

    def __init__(self, regex: str) -> None:
        self.regex = regex
        self._search = re.compile(regex).search
        self._is_of_path = "/" in regex

    def find(self, path: str) -> str | None:
        """What the pattern catches in a `/`-separated path; None where that is nothing."""
        found = self._search(path if self._is_of_path else path.rpartition("/")[2])
        if found is None:
            return None
        caught = next((one for one in found.groups() if one is not None), None)
        return (found[0] if caught is None else caught).strip() or None


@dataclass(frozen=True)
class Proposal:
    """Labels that names seem to hold.

    Attributes:
        regex: For `--label-from-name`.
        counts: Label -> images, frequent ones first.
    """

    regex: str
    counts: Mapping[str, int]


def propose_labels(paths: Sequence[str]) -> Proposal | None:
    r"""A pattern that reads labels from the names of files, where one does.

    Words count that a few share: neither all, nor each its own.

    >>> found = propose_labels([f"{name}.{i}.jpg" for name in ("cat", "dog") for i in range(9)])
    >>> found.regex, dict(found.counts)
    ('^(.+?)[ ._(-]*\\d+\\)?\\.', {'cat': 9, 'dog': 9})
    >>> propose_labels([f"img{i:03d}.png" for i in range(9)]) is None
    True
    """
    for regex in (*_LABELS, *_keys(paths)):
        pattern = NamePattern(regex)
        found = Counter(filter(None, map(pattern.find, paths)))
        is_label_like = (
            2 <= len(found) <= MOST_LABELS * len(paths)
            and found.total() >= MATCHED * len(paths)
            and min(found.values()) >= FEWEST_PER_LABEL
        )
        # Names with numbers in them are those of patients and series.
        has_words = not any(any(map(str.isdigit, label)) for label in found)
        if is_label_like and (has_words or regex not in _LABELS):
            return Proposal(regex, dict(found.most_common()))
    return None


def _keys(paths: Sequence[str]) -> Iterator[str]:
    """Patterns for what stands behind a word that all names have: `ID_07_CONTRAST_1_CT.dcm`.

    Those with the fewest values first: they are the likeliest labels.
    """
    values: dict[str, set[str]] = {}
    others = {"patient", "pat", "subject", "sub", "case", "id", "pid", "age", "slice", "frame"}
    keyed = re.compile(r"([^\W\d_]+)[_=-]([^_=.-]+)(?=[_=.-])")
    for path in paths:
        for key, value in keyed.findall(path.rpartition("/")[2]):
            if key.casefold() not in others:
                values.setdefault(key, set()).add(value)
    for key in sorted(values, key=lambda one: len(values[one])):
        yield rf"{re.escape(key)}[_=-]([^_=.-]+)"
