"""What has changed since a study began, in words: data, space, versions, machine."""

from collections.abc import Mapping, Sequence
from typing import Any

from autocnn.core.wording import count, first_few

MOST_NAMED = 5


def data_changes(before: Sequence[Sequence[str]], now: Sequence[Sequence[str]]) -> list[str]:
    """How the images differ, a sentence each; empty when they do not.

    Args:
        before: Rows of split.csv: path, label, group, split, sha256.
        now: Rows of the same columns.

    >>> data_changes([("a.png", "cat", "", "train", "1")], [("a.png", "dog", "", "train", "1")])
    ['1 image has another label: a.png (cat, now dog).']
    """
    old, new = {row[0]: row for row in before}, {row[0]: row for row in now}
    both = [path for path in old if path in new]
    lines = []
    gone = [path for path in old if path not in new]
    added = [path for path in new if path not in old]
    if gone:
        lines.append(f"{_images(gone)} gone: {_few(gone)}.")
    if added:
        lines.append(f"{_images(added)} new: {_few(added)}.")
    for column, meaning in ((4, "content"), (1, "label"), (2, "group"), (3, "split")):
        changed = [path for path in both if old[path][column] != new[path][column]]
        if changed:
            named = (
                changed
                if column == 4
                else [
                    f"{path} ({old[path][column] or 'none'}, now {new[path][column] or 'none'})"
                    for path in changed
                ]
            )
            verb = "has" if len(changed) == 1 else "have"
            lines.append(f"{count(len(changed), 'image')} {verb} another {meaning}: {_few(named)}.")
    return lines


def version_changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Packages whose version is another one, e.g. `keras was 3.14, is 3.15`."""
    return [
        f"{name} was {before.get(name) or 'absent'}, is {now.get(name) or 'absent'}"
        for name in now
        if before.get(name) != now.get(name)
    ]


def machine_changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Facts of the machine that are others."""
    return [
        f"{name} was {before.get(name)}, is {value}"
        for name, value in now.items()
        if name in before and before[name] != value
    ]


def _images(paths: Sequence[str]) -> str:
    return f"{count(len(paths), 'image')} {'is' if len(paths) == 1 else 'are'}"


def _few(names: Sequence[str]) -> str:
    return first_few(names, limit=MOST_NAMED)
