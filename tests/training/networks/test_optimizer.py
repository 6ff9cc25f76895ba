import keras
import numpy as np
import pytest

from autocnn.spaces.knobs import Settings
from autocnn.training.networks.optimizer import WarmUpAndDecay, build_optimizer


def shrink(steps: int, **params: bool | float | str) -> float:
    """What decay leaves of a weight that nothing else moves, when the schedule has ended."""
    settings = Settings({"weight_averaging": False, **params})
    optimizer = build_optimizer(
        settings, steps=steps, epochs=1, steps_before=0, average_momentum=0.9
    )
    weight = keras.Variable(np.ones((2, 2), np.float32), name="kernel")
    bias = keras.Variable(np.ones(2, np.float32), name="bias")
    optimizer.build([weight, bias])
    for _ in range(steps):
        optimizer.apply([np.zeros((2, 2), np.float32), np.zeros(2, np.float32)])
    assert np.all(np.asarray(bias) == 1.0), "it has none"
    return float(np.asarray(weight)[0, 0])


@pytest.mark.parametrize("optimizer", ["adamw", "sgd", "rmsprop", "lion"])
def test_weight_decay_is_that_of_the_whole_schedule_whatever_its_steps(optimizer: str) -> None:
    for steps in (30, 90):
        left = shrink(steps, optimizer=optimizer, weight_decay=1.0, learning_rate=0.01)
        assert left == pytest.approx(np.exp(-1.0), rel=0.1)


@pytest.mark.parametrize("schedule", ["cosine", "linear", "constant"])
@pytest.mark.parametrize("warmup_epochs", [0, 1])
def test_weight_decay_is_alike_for_all_schedules(schedule: str, warmup_epochs: int) -> None:
    params: dict[str, float | str] = {"schedule": schedule, "warmup_epochs": warmup_epochs}
    left = shrink(240, weight_decay=2.0, learning_rate=1e-3, **params)
    assert left == pytest.approx(np.exp(-2.0), rel=0.05)


def test_no_step_takes_all_of_a_weight() -> None:
    assert shrink(1, weight_decay=100.0, warmup_epochs=0) == pytest.approx(0.5)
    assert shrink(2, weight_decay=0.0) == 1.0


@pytest.mark.parametrize(("shape", "last"), [("cosine", 0.0), ("linear", 0.0), ("constant", 1.0)])
def test_the_schedule_rises_and_falls(shape: str, last: float) -> None:
    schedule = WarmUpAndDecay(1.0, warmup_steps=10, total_steps=100, shape=shape)
    rates = [float(schedule(step)) for step in range(101)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9] == pytest.approx(1.0)
    assert max(rates) <= 1.0 + 1e-6
    assert rates[100] == pytest.approx(last, abs=1e-6)
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert WarmUpAndDecay(**schedule.get_config())(50) == schedule(50)


def test_the_schedule_goes_on_where_a_parent_ended() -> None:
    whole = WarmUpAndDecay(1.0, warmup_steps=10, total_steps=100, shape="cosine")
    child = WarmUpAndDecay(1.0, warmup_steps=10, total_steps=100, shape="cosine", steps_before=40)
    assert [float(child(step)) for step in range(60)] == [
        float(whole(step)) for step in range(40, 100)
    ]
