"""Which errors are reported; times are literal seconds."""

from __future__ import annotations

from pulse_plugins.pipecat.errors import ErrorThrottle


def test_trouble_is_told_once_however_often_a_handshake_succeeds() -> None:
    throttle = ErrorThrottle()
    assert throttle.is_news(0.0)
    for second in range(1, 20):
        throttle.connected(float(second))
        throttle.disconnected(second + 0.5)
        assert not throttle.is_news(second + 0.5)


def test_words_end_the_trouble() -> None:
    throttle = ErrorThrottle()
    assert throttle.is_news(0.0)
    throttle.connected(1.0)
    throttle.heard_words()
    throttle.disconnected(1.5)
    assert throttle.is_news(1.5)


def test_a_connection_that_lived_ends_the_trouble() -> None:
    throttle = ErrorThrottle()
    assert throttle.is_news(0.0)
    throttle.connected(1.0)
    throttle.disconnected(6.0)
    assert throttle.is_news(6.0)


def test_trouble_with_a_connection_that_is_still_open_is_judged_by_its_life_too() -> None:
    throttle = ErrorThrottle()
    assert throttle.is_news(0.0)
    throttle.connected(1.0)
    assert not throttle.is_news(5.9)
    assert throttle.is_news(6.0)
