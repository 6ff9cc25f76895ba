"""Code that comes with a study or an export runs only when its reader says that it may.

A study keeps the code of a model of somebody's own, and names that of an objective; an export names
the modules that it needs. All may have been written by anybody, and code may do anything. Models of
autocnn's own networks have none.
"""

from collections.abc import Iterable

from autocnn.core.errors import Text, UsageError


def check_trusted(place: object, code: Iterable[str], *, trust_code: bool) -> None:
    """Refuse to run code that nobody said to trust.

    Args:
        place: The study or the export, for the message.
        code: What would run: files or modules.
        trust_code: Whether the user said that it may run.

    Raises:
        UsageError: When the user did not.

    >>> check_trusted("mine", ["builder/net.py"], trust_code=False)
    Traceback (most recent call last):
    autocnn.core.errors.UsageError: mine: code that comes with it must be trusted before it \
runs, got builder/net.py without that. Read it: it can do whatever you can. Then give \
trust_code=True.
    """
    if not trust_code:
        raise UsageError(
            Text(
                "{0}: code that comes with it must be trusted before it runs, got {1} "
                "without that.",
                place,
                ", ".join(code),
            ),
            remedy=Text("Read it: it can do whatever you can. Then give {trust_code:True}."),
        )
