"""Observers see every stream, and cannot steer or break one."""

from __future__ import annotations

from typing import Any, cast

import pytest

from pulse_plugins.core.base.events import Disconnected, Event
from pulse_plugins.core.observe import hooks
from pulse_plugins.core.observe.hooks import ObservedStream, Observers, follow, unfollow
from tests.support.privacy import Watch

STREAM = cast(ObservedStream, object())


class Recorder:
    """Writes down what it is told; raises at the name of one of its methods."""

    def __init__(self, raises: str = "") -> None:
        self.seen: list[object] = []
        self._raises = raises

    def __call__(self, stream: ObservedStream) -> Recorder:
        self._note("made", stream)
        return self

    def happened(self, event: Event) -> None:
        self._note("happened", event)

    def asked(self, request_id: int) -> None:
        self._note("asked", request_id)

    def ended(self) -> None:
        self._note("ended", None)

    def _note(self, name: str, value: Any) -> None:
        if name == self._raises:
            raise ValueError("the words of the caller")
        self.seen.append(name)


@pytest.fixture(autouse=True)
def _nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hooks, "_factories", [])


def whole_life() -> None:
    observers = Observers()
    observers.gather(STREAM)
    observers.happened(Disconnected())
    observers.asked(1)
    observers.ended()
    observers.happened(Disconnected())  # nobody is told after the end


def test_an_observer_is_told_everything_once() -> None:
    recorder = Recorder()
    follow(recorder)
    whole_life()
    assert recorder.seen == ["made", "happened", "asked", "ended"]


def test_nobody_is_told_after_unfollow_and_a_second_call_is_harmless() -> None:
    recorder = Recorder()
    follow(recorder)
    unfollow(recorder)
    unfollow(recorder)
    whole_life()
    assert recorder.seen == []


@pytest.mark.parametrize("raises", ["made", "happened", "asked", "ended"])
def test_an_observer_that_raises_is_removed_and_the_others_go_on(
    raises: str, private_logs: Watch
) -> None:
    broken, sound = Recorder(raises), Recorder()
    follow(broken)
    follow(sound)
    whole_life()
    assert sound.seen == ["made", "happened", "asked", "ended"]
    assert broken.seen == sound.seen[: sound.seen.index(raises)]
    (line,) = [r.getMessage() for r in private_logs.records if "observer" in r.name]
    assert "ValueError" in line
    assert "caller" not in line
