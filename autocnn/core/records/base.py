"""What all records have in common, and the words that they share."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict

SCHEMA_VERSION = 1

ParamValue = bool | int | float | str
Params = Mapping[str, ParamValue]
"""One point of a search space: parameter name -> value, active parameters only."""

Channels = Literal["auto", "grey", "rgb"]
"""How images are read; auto: grey if all are grey in content."""

Fit = Literal["stretch", "pad", "crop"]
"""How an image that is not square becomes one: all of it, distorted; all of it, on black; its
middle."""

SplitName = Literal["train", "val", "test"]
SPLITS: tuple[SplitName, ...] = ("train", "val", "test")

Fold = Annotated[int | None, BeforeValidator(lambda fold: fold or None)]
"""The fold that a model has not seen, 1 for the first; None: a refit, which has seen all of
train + val. Older records say 0 for it."""


class Record(BaseModel):
    """Base of all records: frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def __setstate__(self, state: dict[Any, Any]) -> None:
        """Take what was pickled; fields that are newer than the pickle have their defaults."""
        super().__setstate__(state)
        for name, info in type(self).model_fields.items():
            if name not in self.__dict__ and not info.is_required():
                self.__dict__[name] = info.get_default(call_default_factory=True)
