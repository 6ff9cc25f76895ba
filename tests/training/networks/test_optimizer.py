import pytest

from autocnn.training.networks.optimizer import WarmUpAndDecay


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
