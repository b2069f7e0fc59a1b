"""Once an incident; times are literal seconds."""

from __future__ import annotations

from pulse_plugins.pipecat.incident import Incident


def test_trouble_is_told_once_however_often_a_handshake_succeeds() -> None:
    incident = Incident()
    assert incident.trouble(0.0)
    for second in range(1, 20):
        incident.connected(float(second))
        incident.disconnected(second + 0.5)
        assert not incident.trouble(second + 0.5)


def test_words_end_an_incident() -> None:
    incident = Incident()
    assert incident.trouble(0.0)
    incident.connected(1.0)
    incident.heard_words()
    incident.disconnected(1.5)
    assert incident.trouble(1.5)


def test_a_connection_that_lived_ends_an_incident() -> None:
    incident = Incident()
    assert incident.trouble(0.0)
    incident.connected(1.0)
    incident.disconnected(6.0)
    assert incident.trouble(6.0)


def test_trouble_with_a_connection_that_is_still_open_is_judged_by_its_life_too() -> None:
    incident = Incident()
    assert incident.trouble(0.0)
    incident.connected(1.0)
    assert not incident.trouble(5.9)
    assert incident.trouble(6.0)
