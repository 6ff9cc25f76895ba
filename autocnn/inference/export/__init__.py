"""A study's model as a folder that works elsewhere, alone.

formats: what there is            images: val images to compare on   description: what is said
conversion: writes the model, in a worker    graphs, resizing: what goes into it
check: a fresh process loads it   model_file: both of them, one after the other
exporter: all of it, in a folder that appears whole

Names load when they are first used: a wrong `--format` is told at once, and the fresh process
imports no more than its runtime.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from autocnn.inference.export.exporter import export_model

__all__ = ["export_model"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'autocnn.inference.export' has no attribute {name!r}")
    from autocnn.inference.export import exporter

    return getattr(exporter, name)
