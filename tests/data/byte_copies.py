"""Copies by the content of files alone, for tests of tables without images."""

import numpy as np

from autocnn.core.events import Observer
from autocnn.data.audit.copies import Copies, find_copies
from autocnn.data.table import ImageTable


def find_byte_copies(table: ImageTable) -> tuple[Copies, ...]:
    """As if all images were of one colour: such are copies only where their files are equal."""
    pixels = np.zeros((len(table), 8, 8, 1), np.uint8)
    return find_copies(table, pixels, rows=np.arange(len(table)), observer=Observer())
