"""What it takes to make a study again: its command, data, versions, machine, looks at test."""

import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from autocnn.core import wording
from autocnn.core.config import StudyConfig
from autocnn.reporting.facts import StudyFacts
from autocnn.reporting.table import Cell, Row, Table, make_table, text_columns

MACHINE_ONLY = ("data", "name", "results", "cache_dir", "cache_limit_gb", "disk_limit_gb")
"""Settings that are written elsewhere in the command, or that change no number."""


@dataclass(frozen=True)
class RepeatView:
    """All that repeating a study needs.

    Attributes:
        command: The command that began it.
        again: The command that repeats it from its folder.
        facts, settings, versions, machine: Names and values.
        looks: When the test split was opened, a sentence each.
    """

    command: str
    again: str
    facts: Table
    settings: Table
    versions: Table
    machine: Table | None
    looks: tuple[str, ...]


def repeat_view(facts: StudyFacts) -> RepeatView:
    """What it takes to make a study again."""
    status = facts.status
    path = f"{status.config.results}/{facts.name}/study.json"
    machine = {**(status.machine or {}), **(status.resources or {})}
    settings = status.config.model_dump(mode="json")
    return RepeatView(
        command=command_line(status.config, facts.name),
        again=shlex.join(["autocnn", "search", "--config", path, "--name", f"{facts.name}-again"]),
        facts=_pairs("study", "The study.", _study_facts(facts)),
        settings=_pairs("settings", "Its settings, resolved.", settings.items()),
        versions=_pairs("versions", "Versions of packages.", status.versions.items()),
        machine=_pairs("machine", "The machine, and how trials share it.", machine.items())
        if machine
        else None,
        looks=_looks(facts),
    )


def command_line(config: StudyConfig, name: str) -> str:
    """The command that asks for a study: what differs from the defaults.

    >>> command_line(StudyConfig(data="brain tumours", trials=20, budget_s=90.0), "mine")
    "autocnn search 'brain tumours' --name mine --trials 20 --budget 90s"
    """
    usual = StudyConfig(engine=config.engine).model_copy(update={"engine": StudyConfig().engine})
    words = ["autocnn", "search", config.data, "--name", name]
    for field in StudyConfig.model_fields:
        value = getattr(config, field)
        if field in MACHINE_ONLY or value == getattr(usual, field) or value is None:
            continue
        flag = "--" + field.removesuffix("_s").removesuffix("_gb").replace("_", "-")
        if isinstance(value, bool):
            words.append(flag)
        elif field.endswith("_s"):
            words += [flag, f"{value:g}s"]
        elif field.endswith("_gb"):
            words += [flag, f"{value:g}GB"]
        else:
            words += [flag, str(value)]
    if str(config.results) != str(usual.results):
        words += ["--results", str(config.results)]
    return shlex.join(words)


def _study_facts(facts: StudyFacts) -> Iterator[tuple[str, object]]:
    status = facts.status
    yield "name", facts.name
    yield "begun", wording.moment(status.created)
    if status.resumed:
        yield "gone on with", ", ".join(map(wording.moment, status.resumed))
    yield "state", status.status
    yield "time, all sessions", wording.duration(status.seconds)
    yield "seed", status.config.seed
    yield "most epochs per trial", status.epochs
    yield "folds", status.num_folds or "none"
    if status.data:
        height, width, channels = (*status.data.image_shape, 0, 0, 0)[:3]
        split = (f"{number:,} {name}" for name, number in status.data.split.items())
        yield "images", ", ".join(split)
        yield (
            "default size",
            f"{wording.square(height, width)}, {wording.count(channels, 'channel')}",
        )
        yield "fingerprint of the data", status.data.fingerprint
    if status.space_fingerprint:
        yield "fingerprint of the space", status.space_fingerprint


def _looks(facts: StudyFacts) -> tuple[str, ...]:
    """When the test split was opened, and for what."""
    sentences = []
    for number, look in enumerate(facts.status.test_looks, start=1):
        trials = wording.listing([str(finalist.trial) for finalist in look.finalists])
        over = "" if look.is_over else " It is not over."
        further = " A further look: the one before may have had a part in it." if number > 1 else ""
        sentences.append(
            f"{wording.moment(look.at)}: the test split was opened for the models of trials "
            f"{trials}.{over}{further}"
        )
    return tuple(sentences)


def _pairs(name: str, caption: str, pairs: Iterable[tuple[str, object]]) -> Table:
    rows: list[Row] = [[Cell(str(key)), Cell(wording.setting(value))] for key, value in pairs]
    return make_table(name, caption, columns=text_columns("what", "value"), rows=rows)
