"""The names that classes in pickled classifiers had before their modules moved.

A pickle finds a class by the name of its module, so a name that was once in one is kept for ever.
"""

import sys
from types import ModuleType

from autocnn.core.own_model import OwnModel
from autocnn.core.records import ModelInput

OLD_NAMES: dict[str, dict[str, type]] = {
    "autocnn.records.exports": {"ModelInput": ModelInput},  # until 2026-11-28
    "autocnn.builders": {"Builder": OwnModel},  # until 2026-11-28
}
"""Module as it was called -> name there -> the class."""


def add_old_names() -> None:
    """From now on, pickles that hold the old names load.

    `network` calls it when it is imported: whatever such a pickle holds, it names a class of this
    package before it names what the class consists of, and so imports this first.
    """
    for name, classes in OLD_NAMES.items():
        module = ModuleType(name, "Only for pickles of older versions.")
        vars(module).update(classes)
        sys.modules.setdefault(name, module)
