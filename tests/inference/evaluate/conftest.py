"""Fixtures that the tests of the command and of the API share."""

from tests.inference.evaluate.models import no_pictures

__all__ = ["no_pictures"]
