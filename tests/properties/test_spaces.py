"""Any space: its YAML, its fingerprint, its differences; engines propose its points alone."""

import io
from collections.abc import Callable, Hashable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from autocnn.core.objective import Goal, params_key
from autocnn.core.records import ParamValue, TrialState
from autocnn.spaces.files import parse_space
from autocnn.spaces.knobs import KNOBS
from autocnn.spaces.space import AnyParameter, Categorical, Condition, Float, Int, SearchSpace
from autocnn.tuning.engines.base import Engine, NoProposal, Proposal
from autocnn.tuning.engines.optuna_engine import OptunaEngine
from tests.samples import epoch, trial

Draw = Callable[[st.SearchStrategy[Any]], Any]


@st.composite
def parameters(draw: st.DrawFn, name: str, when: tuple[Condition, ...]) -> AnyParameter:
    knob = KNOBS[name]
    if knob.choices:
        choices: list[ParamValue] = draw(
            st.lists(st.sampled_from(knob.choices), min_size=1, unique=True)
        )
        return Categorical(name, when, choices=tuple(choices))
    assert knob.low is not None and knob.high is not None
    if isinstance(knob.default, int):
        low = draw(st.integers(int(knob.low), int(knob.high)))
        high = draw(st.integers(low, min(int(knob.high), low + 50)))
        step = draw(st.integers(1, max(1, high - low)))
        high -= (high - low) % step
        is_log = low > 0 and step == 1 and draw(st.booleans())
        return Int(name, when, low=low, high=high, step=step, log=is_log)
    bounds = st.floats(knob.low, knob.high, allow_subnormal=False)
    low_float, high_float = sorted((draw(bounds), draw(bounds)))
    return Float(
        name, when, low=low_float, high=high_float, log=low_float > 0 and draw(st.booleans())
    )


@st.composite
def spaces(draw: st.DrawFn) -> SearchSpace:
    names = draw(st.lists(st.sampled_from(sorted(KNOBS)), min_size=1, max_size=5, unique=True))
    found: list[AnyParameter] = []
    for name in names:
        parents = [p for p in found if isinstance(p, Categorical) and len(p.choices) > 1]
        when: tuple[Condition, ...] = ()
        is_child = bool(draw(st.booleans()))
        if parents and is_child:
            parent: Categorical = draw(st.sampled_from(parents))
            values = draw(st.lists(st.sampled_from(parent.choices), min_size=1, unique=True))
            when = (Condition(parent.name, tuple(values)),)
        found.append(draw(parameters(name, when)))
    space = SearchSpace("mine", "", 4, "auto", tuple(found), ())
    points = [draw_point(draw, space) for _ in range(draw(st.integers(1, 2)))]
    start = list({params_key(point): point for point in points}.values())
    return SearchSpace("mine", "drawn", 4, "auto", tuple(found), tuple(start))


def draw_point(draw: Draw, space: SearchSpace) -> dict[str, ParamValue]:
    def pick(parameter: AnyParameter) -> ParamValue:
        if isinstance(parameter, Float):
            return float(draw(st.floats(parameter.low, parameter.high, allow_subnormal=False)))
        value: ParamValue = draw(st.sampled_from(parameter.values[:20]))
        return value

    return space.walk(pick)


def written(space: SearchSpace) -> SearchSpace:
    text = io.StringIO()
    YAML().dump(space.to_yaml_data(), text)
    return parse_space(text.getvalue(), source="mine.yaml", name="mine")


@given(spaces())
def test_a_space_survives_its_yaml(space: SearchSpace) -> None:
    again = written(space)
    assert again == space
    assert again.fingerprint == space.fingerprint
    assert space.diff(again) == []


@given(spaces(), spaces())
def test_spaces_differ_in_words_as_they_do_in_fingerprints(
    one: SearchSpace, other: SearchSpace
) -> None:
    is_other = one.fingerprint != other.fingerprint
    assert bool(one.diff(other)) == bool(other.diff(one)) == is_other


@given(spaces(), st.data())
def test_every_walk_is_a_point_of_the_space(space: SearchSpace, data: st.DataObject) -> None:
    point = draw_point(data.draw, space)
    assert space.problems_of(point) == []
    points = space.points(200)
    if points is not None:
        assert point in points
        assert all(space.problems_of(one) == [] for one in points)


def propose(engine: Engine, space: SearchSpace, number: int) -> None:
    """Ask for trials, one after another; each is a point, and none of few comes twice."""
    points = space.points(200)
    seen: set[Hashable] = set()
    for index in range(number):
        proposal = engine.ask(index)
        if proposal == NoProposal.EXHAUSTED:
            assert points is not None and len(seen) == len(points)
            return
        assert isinstance(proposal, Proposal)
        assert space.problems_of(proposal.params) == []
        if points is not None:
            assert params_key(proposal.params) not in seen
        if index < len(space.start):
            assert proposal.params == dict(space.start[index])
            assert proposal.from_start
        seen.add(params_key(proposal.params))
        engine.report(index, epoch(1), epochs=4)
        facts: dict[str, Any] = {"params": proposal.params, "state": TrialState.COMPLETE}
        engine.tell(trial(index, objective=(index * 7 % 5) / 5, end_order=index, **facts))


@pytest.mark.parametrize("sampler", ["random", "tpe", "qmc"])
@given(space=spaces())
def test_optuna_proposes_points_of_the_space_alone(sampler: Any, space: SearchSpace) -> None:
    engine = OptunaEngine(
        space, Goal("accuracy"), sampler=sampler, pruner="asha", epochs=4, num_trials=8
    )
    propose(engine, space, 8)


@pytest.mark.slow
@pytest.mark.parametrize("sampler", ["random", "bayesian", "grid"])
def test_keras_tuner_proposes_points_of_the_space_alone(
    sampler: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    from autocnn.tuning.engines.keras_tuner_engine import KerasTunerEngine

    @given(space=spaces())
    def check(space: SearchSpace) -> None:
        engine = KerasTunerEngine(
            space,
            Goal("accuracy"),
            sampler=sampler,
            seed=0,
            epochs=4,
            directory=tmp_path_factory.mktemp("oracle"),
        )
        propose(engine, space, 6)
        engine.close()

    check()
