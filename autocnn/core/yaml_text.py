"""YAML 1.2 as text, of spaces and of configs: `1e-4` is a number, `on` is a word."""

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError


def load_yaml(text: str) -> object:
    """What a YAML text says; nothing in it is run.

    Args:
        text: One document.

    Raises:
        YAMLError: When it is no YAML, or has a key that can be none.
        ValueError: When a value looks like a date and is none.
    """
    try:
        return YAML(typ="safe", pure=True).load(text)
    except TypeError as error:  # of a list with a mapping in it, as a key
        raise YAMLError(f"a key must be text or a number, got another: {error}") from error
