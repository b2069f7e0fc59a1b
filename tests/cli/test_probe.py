"""`doctor --probe` finds on the local server what is assumed, and elsewhere what differs."""

from __future__ import annotations

import json
from typing import Any

import pytest
from rich.console import Console

from pulse_plugins import PulseOptions
from pulse_plugins.cli import probe_report
from pulse_plugins.cli.probe import Finding, Probe
from pulse_plugins.cli.probe_call import Speech, shipped_speech
from pulse_plugins.local.recognizers.scripted import ScriptedRecognizer, silence, speak
from pulse_plugins.local.server import PulseServer
from pulse_plugins.local.settings import ServerOptions
from tests.cli.rig import command
from tests.support.privacy import API_KEY

RATE = 16_000
SPEECH = Speech(
    turn=speak(range(6), RATE, lead_seconds=0.2, tail_seconds=0.3),
    rest=speak(range(6, 12), RATE),
    cut=round(0.6 * RATE),  # in the middle of the third word
    rate=RATE,
)
HEARING = ScriptedRecognizer(languages=("en", "hi"))


async def probed(dialect: str, **habits: Any) -> dict[str, Finding]:
    options: dict[str, Any] = {"recognizer": HEARING, "region": "us", "api_key": API_KEY}
    async with PulseServer(ServerOptions(**options | habits)) as running:
        asked = PulseOptions(base_url=running.url, api_key=API_KEY, dialect=dialect)  # type: ignore[arg-type]
        probe = Probe(asked, SPEECH)
        findings = await probe.run()
        assert probe.audio < 60
        sent = sum(record.audio_seconds for record in running.connections)
        assert sent == pytest.approx(probe.audio, abs=0.5)
    return {finding.question: finding for finding in findings}


@pytest.mark.parametrize("dialect", ["pulse", "live", "legacy", "direct"])
async def test_the_local_server_behaves_as_this_project_assumes(dialect: str) -> None:
    found = await probed(dialect)
    differing = {name: each.found for name, each in found.items() if not each.agrees}
    assert differing == {}
    assert len(found) >= (15 if dialect == "legacy" else 20)
    assert all(each.section for each in found.values())


DIFFERENT: list[Any] = [
    ({"from_finalize": "always"}, "answers are marked with from_finalize", "yes"),
    ({"from_finalize": "never"}, "with ITN: answers are marked", "no"),
    ({"answer_empty": False}, "a finalize with nothing pending is answered", "no"),
    ({"quirks": frozenset({"bare_messages"})}, "messages have type and status", "no"),
    ({"quirks": frozenset({"wrong_language"})}, "finals name the language", "da"),
    ({"word_timestamps": False}, "word times come unasked", "no"),
    ({"full_transcript": "always"}, "full_transcript comes unasked", "yes"),
    ({"trailing_space": False}, "finals end with a space", "no"),
    ({"is_last": "never"}, "close_stream is answered with is_last", "no"),
    ({"is_last": "after_speech"}, "closing over silence is answered with", "nothing"),
    ({"vad_events": False}, "vad_events tells where speech begins and ends", "no"),
    ({"region": "any"}, "language=multi", "accepted"),
    ({"strict": True}, "keywords as a JSON list", "status 400"),
    ({"api_key": None}, "a wrong key", "accepted"),
]


@pytest.mark.parametrize(("habits", "question", "answer"), DIFFERENT)
async def test_a_server_that_differs_is_found_out(
    habits: dict[str, Any], question: str, answer: str
) -> None:
    found = (await probed("pulse", **habits))[question]
    assert (found.found, found.agrees) == (answer, False)


@pytest.mark.parametrize(("offset", "answer"), [(None, "no"), (0.1, "yes")])
async def test_the_word_under_way_at_a_finalize_is_looked_for(
    offset: float | None, answer: str
) -> None:
    found = await probed("live", repeat_cut_word=offset)
    assert found["the word under way at a finalize is in both finals"].found == answer


async def test_a_server_that_is_gone_is_a_finding_too() -> None:
    asked = PulseOptions(base_url="ws://127.0.0.1:1", api_key=API_KEY)
    findings = await Probe(asked, SPEECH).run()
    assert all(each.found.startswith("not answered") for each in findings)
    assert not any(each.agrees for each in findings)


def test_the_shipped_speech_is_short() -> None:
    speech = shipped_speech()
    assert len(speech.turn) + len(speech.rest) < 10 * speech.rate
    assert 0 < speech.cut < len(speech.rest)
    assert not (speech.turn[: speech.rate] == silence(1.0)).all()


@pytest.fixture
def short_speech(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pulse_plugins.cli.probe_report.shipped_speech", lambda: SPEECH)


@pytest.mark.usefixtures("short_speech")
async def test_each_answer_is_printed_and_the_key_is_not(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async with PulseServer(ServerOptions(recognizer=HEARING, api_key=API_KEY)) as running:
        asked = PulseOptions(base_url=running.url, api_key=API_KEY)
        await probe_report.run(asked, Console(), as_json=True)
    shown = capsys.readouterr()
    probes = [json.loads(line) for line in shown.out.splitlines()]
    assert len(probes) > 20
    assert all(each["probe"] and each["found"] for each in probes)
    assert API_KEY not in shown.out + shown.err


@pytest.mark.process
@pytest.mark.usefixtures("short_speech")
async def test_the_doctor_probes_the_server_that_it_checked(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command has a loop of its own on the real clock, so it gets one answer at once."""
    probed: list[PulseOptions] = []

    async def run(probe: Probe) -> list[Finding]:
        probed.append(probe.options)
        return [Finding("is it there", "yes", "no", "1")]

    monkeypatch.setattr(Probe, "run", run)
    monkeypatch.setenv("PULSE_API_KEY", API_KEY)
    async with PulseServer(ServerOptions(recognizer=HEARING, api_key=API_KEY)) as running:
        assert await command("doctor", "--url", running.url, "--probe", "--json") == 0
        assert [each.base_url for each in probed] == [running.url]
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (probe,) = [line for line in lines if "probe" in line]
    assert (probe["probe"], probe["agrees"]) == ("is it there", False)
    assert len(lines) > 5
    assert API_KEY not in json.dumps(lines)
