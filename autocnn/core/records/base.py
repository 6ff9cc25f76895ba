"""What all records have in common, and the words that they share."""

from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict

SCHEMA_VERSION = 1

ParamValue = bool | int | float | str
Params = Mapping[str, ParamValue]
"""One point of a search space: parameter name -> value, active parameters only."""

Channels = Literal["auto", "grey", "rgb"]
"""How images are read; auto: grey if all are grey in content."""

SplitName = Literal["train", "val", "test"]
SPLITS: tuple[SplitName, ...] = ("train", "val", "test")


class Record(BaseModel):
    """Base of all records: frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")
