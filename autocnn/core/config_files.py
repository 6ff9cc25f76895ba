"""Settings in files: YAML or JSON of somebody's own, or the study.json of a study."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from autocnn.core.errors import ConfigError, Text
from autocnn.core.objective_text import function_of

OF_ITS_MACHINE = ("name", "fork", "results", "storage", "cluster", "cache_dir")
"""Settings of a study.json that are none of its repetition: another machine may have others."""


def read_settings(file: Path, flags: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that a file names, not checked yet; see `config.resolve_config`.

    Args:
        file: YAML or JSON; of a study.json, its config.
        flags: Field name -> value as given: code that a study.json names must be among them.

    Raises:
        ConfigError: When it cannot be read, or names code that the flags do not name.
    """
    from ruamel.yaml.error import YAMLError

    from autocnn.core.yaml_text import load_yaml  # slow to import

    try:
        text = file.read_text("utf-8")
        data = json.loads(text) if file.suffix == ".json" else load_yaml(text)
    except OSError as error:
        raise ConfigError(f"{file}: must be readable, got: {error.strerror}.") from error
    except (ValueError, YAMLError) as error:
        raise ConfigError(f"{file}: must be YAML or JSON, got: {error}.") from error
    if isinstance(data, dict) and "config" in data:
        data = data["config"]
        if isinstance(data, dict):
            own = {"model": data.get("model"), "objective": function_of(str(data.get("objective")))}
            for name in (name for name, code in own.items() if code and flags.get(name) is None):
                # A study may come from anybody: what it names is not run because it names it.
                raise ConfigError(
                    Text(f"{{0}}: its {{{name}}} must be given again, got none.", file),
                    remedy=Text(f"If you trust that code: {{{name}:{{0}}}}.", data[name]),
                )
            space = file.with_name("space.yaml")
            data = {name: value for name, value in data.items() if name not in OF_ITS_MACHINE}
            data |= {"space": str(space)} if space.exists() else {}
    if not isinstance(data, dict):
        raise ConfigError(f"{file}: must map settings to values, got {data!r}.")
    return dict(data)
