"""Which addresses only this machine reaches, and what a server there may be called."""

import pytest

from autocnn.core.hosts import asked_name, is_loopback, own_names


def test_addresses_of_this_machine_are_known() -> None:
    assert [is_loopback(host) for host in ("127.0.0.2", "::1", "localhost")] == [True] * 3
    assert [is_loopback(host) for host in ("0.0.0.0", "10.0.0.1", "::", "name")] == [False] * 4


@pytest.mark.parametrize("host", ["127.0.0.2", "::1", "localhost"])
def test_a_server_of_this_machine_has_its_own_names_only(host: str) -> None:
    names = own_names(host)
    assert names is not None
    asked = f"[{host}]:8000" if ":" in host else f"{host.upper()}:8000"
    assert asked_name(asked) in names
    assert asked_name("evil.example:8000") not in names
    assert asked_name("127.0.0.1.evil.example") not in names


def test_a_server_of_the_network_may_be_called_anything() -> None:
    assert own_names("0.0.0.0") is None
