"""How much hypothesis draws."""

import pytest
from hypothesis import HealthCheck, settings

NUM_QUICK, NUM_FULL = 12, 500

# A quick run draws the same each time; a full one goes on where it has not been.
settings.register_profile(
    "common",
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
COMMON = settings.get_profile("common")
settings.register_profile(
    "quick", COMMON, max_examples=NUM_QUICK, stateful_step_count=12, derandomize=True
)
settings.register_profile("full", COMMON, max_examples=NUM_FULL, stateful_step_count=40)


def pytest_configure(config: pytest.Config) -> None:
    settings.load_profile("full" if config.getoption("--full") else "quick")


settings.load_profile("quick")
