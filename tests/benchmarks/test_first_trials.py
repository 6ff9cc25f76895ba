"""Points near another one: of the space, and not all alike."""

import numpy as np

from autocnn.spaces.files import load_space, shipped_names
from benchmarks.first_trials import change_point, draw_point


def test_points_are_of_their_space_and_near_where_they_should_be() -> None:
    for name in shipped_names():
        space = load_space(name)
        default = dict(space.default)
        apart = []
        for seed in range(50):
            rng = np.random.default_rng(seed)
            assert space.problems_of(draw_point(space, rng)) == []
            near = change_point(space, default, rng, share=0.15)
            assert space.problems_of(near) == []
            apart.append(sum(near.get(name) != value for name, value in default.items()))
        assert np.mean(apart) < 0.3 * len(default) + 1


def test_params_of_a_group_may_be_kept() -> None:
    space = load_space("default")
    default = dict(space.default)
    optimisation = {p.name for p in space.parameters if p.group == "optimisation"}
    drawn = set()
    for seed in range(50):
        near = change_point(
            space, default, np.random.default_rng(seed), share=0.35, kept="optimisation"
        )
        drawn |= {name for name, value in default.items() if near.get(name) != value}
    assert drawn and not drawn & optimisation
