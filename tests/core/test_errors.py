"""The text of errors, in the words of Python and of the command line."""

import pickle

import pytest

from autocnn.core.errors import ConfigError, DataError, Text, as_argument, as_option


@pytest.mark.parametrize(
    ("text", "argument", "option"),
    [
        (
            Text("Replace it with {force:True}, or choose another with {to}."),
            "Replace it with force=True, or choose another with to.",
            "Replace it with --force, or choose another with --to.",
        ),
        (Text("Use {candidate:2}."), "Use candidate=2.", "Use --candidate 2."),
        (
            Text("At least {max_error:{0:.3g}}.", 0.12345),
            "At least max_error=0.123.",
            "At least --max-error 0.123.",
        ),
        (
            Text("Use {split_out:{0}}.", "a/b.csv"),
            "Use split_out='a/b.csv'.",
            "Use --split-out a/b.csv.",
        ),
        (
            Text("Run `autocnn resume mine --trials 80` first."),
            "Run `autocnn resume mine --trials 80` first.",
            "Run `autocnn resume mine --trials 80` first.",
        ),
    ],
)
def test_settings_are_named_as_the_reader_gives_them(
    text: Text, argument: str, option: str
) -> None:
    assert text.write(as_argument) == argument
    assert text.write(as_option) == option


def test_what_was_got_is_no_template() -> None:
    text = Text("{to} {0}: must be new, got {1!r}.", "{force}", "{0}")
    assert text.write(as_option) == "--to {force}: must be new, got '{0}'."


def test_an_error_speaks_python_and_is_printed_for_the_command_line() -> None:
    error = ConfigError(Text("{val_fraction} must be smaller."), remedy=Text("Leave {seed} out."))
    assert (error.message, error.remedy) == ("val_fraction must be smaller.", "Leave seed out.")
    assert str(error) == "val_fraction must be smaller. Leave seed out."
    assert error.lines(as_option) == ("--val-fraction must be smaller.", "Leave --seed out.")
    assert ConfigError("No {braces}.").lines(as_option) == ("No {braces}.",)


def test_an_error_keeps_its_settings_in_another_process_and_in_another_error() -> None:
    error = ConfigError(Text("{model} {0}: must be there.", "a.py"), remedy=Text("Give {model}."))
    for copy in (
        pickle.loads(pickle.dumps(error)),
        DataError(error.message_text, remedy=error.remedy_text),
    ):
        assert copy.lines(as_option) == ("--model a.py: must be there.", "Give --model.")
