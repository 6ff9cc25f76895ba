import click
import pytest

from benchmarks.folds import read_arm


def test_a_knob_that_is_none_is_refused() -> None:
    """Both arms would be the same, and the table would say that the change gives nothing."""
    with pytest.raises(click.BadParameter, match=r"feild is no knob. Did you mean 'field'\?"):
        read_arm("more:feild=0.2", {"field": 0.0}, 20)
    assert read_arm("more:field=0.2", {}, 20).params == {"field": 0.2}
