"""Section 2 of docs/protocol.md: what each option puts on the wire, endpoint by endpoint."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pulse_plugins import ConfigurationError, PulseOptions
from pulse_plugins.core.base.languages import LANGUAGES
from pulse_plugins.core.config.dialects import DIALECTS
from pulse_plugins.local.server import PulseServer
from pulse_plugins.local.settings import ServerOptions
from pulse_plugins.local.wire.parameters import DOCUMENTED
from tests.conformance.service import hear, options, service

NAMES = {"A": "live", "B": "pulse", "C": "legacy", "D": "direct"}
S_RT = set(
    "language encoding sample_rate word_timestamps sentence_timestamps redact_pii redact_pci "
    "format punctuate capitalize eou_timeout_ms diarize keywords itn_normalize finalize_on_words "
    "max_words".split()
)
S_OLD = set(
    "language encoding sample_rate word_timestamps full_transcript sentence_timestamps redact_pii "
    "redact_pci numerals keywords diarize".split()
)
ALWAYS = {"language", "encoding", "sample_rate", "word_timestamps"}


def row(
    section: str, wire: str, endpoints: str, asked: dict[str, Any], value: str, name: str = ""
) -> Any:
    return pytest.param(wire, endpoints, asked, value, id=f"{section} {name or wire}={value}")


ROWS = [
    row("2.1", "model", "A", {"model": "pulse"}, "pulse"),
    row("2.1", "model", "A", {"model": "pulse-2"}, "pulse-2"),
    row("2.1", "language", "ABCD", {"language": "hi"}, "hi"),
    row("2.1", "language", "ABCD", {"language": "en-US"}, "en", "language en-US"),
    row("2.1", "language", "ABCD", {"language": "multi-eu"}, "multi-eu"),
    *(
        row("2.1", "encoding", "ABCD", {"encoding": each, "sample_rate": rate}, each)
        for each, rate in (
            ("linear16", 16000), ("linear32", 16000), ("alaw", 8000),
            ("mulaw", 8000), ("opus", 48000), ("ogg_opus", 48000),
        )
    ),
    *(
        row("2.1", "sample_rate", "ABCD", {"sample_rate": rate}, str(rate))
        for rate in (8000, 16000, 22050, 24000, 44100, 48000)
    ),
    row("2.1", "external_session_id", "AB", {"external_session_id": "call_1.a-B"}, "call_1.a-B"),
    row("2.2", "endpointing", "A", {"endpointing": True}, "true"),
    row("2.2", "endpointing", "A", {"endpointing": False}, "false"),
    row("2.2", "endpointing_timeout", "AD", {"endpointing_timeout_ms": 300}, "300"),
    row("2.2", "eou_timeout_ms", "AB", {"eou_timeout_ms": 100}, "100"),
    row("2.2", "eou_timeout_ms", "AB", {"eou_timeout_ms": 10_000}, "10000"),
    row("2.2", "finalize_on_words", "AB", {"finalize_on_words": False}, "false"),
    row("2.2", "max_words", "AB", {"max_words": 20}, "20"),
    row("2.2", "vad_events", "ABD", {"vad_events": True}, "true"),
    row("2.2", "vad_threshold", "A", {"vad_threshold": 0.5}, "0.5"),
    row("2.2", "vad_min_speech_ms", "A", {"vad_min_speech_ms": 90}, "90"),
    row("2.3", "word_timestamps", "ABCD", {"word_timestamps": True}, "true"),
    row("2.3", "word_timestamps", "ABCD", {"word_timestamps": False}, "false"),
    row("2.3", "sentence_timestamps", "ABCD", {"sentence_timestamps": True}, "true"),
    row("2.3", "full_transcript", "ABC", {"full_transcript": True}, "true"),
    row("2.3", "format", "AB", {"format": False}, "false"),
    row("2.3", "punctuate", "AB", {"punctuate": False}, "false"),
    row("2.3", "capitalize", "AB", {"capitalize": False}, "false"),
    row("2.3", "itn_normalize", "AB", {"itn_normalize": True}, "true"),
    row("2.3", "no_format_delay", "A", {"no_format_delay": True}, "true"),
    row("2.3", "numerals", "C", {"numerals": True}, "true"),
    row("2.3", "numerals", "C", {"numerals": "auto"}, "auto"),
    row("2.3", "diarize", "ABCD", {"diarize": True}, "true"),
    row("2.3", "redact_pii", "ABCD", {"redact_pii": True}, "true"),
    row("2.3", "redact_pci", "ABCD", {"redact_pci": True}, "true"),
    row("2.3", "emotion_detection", "A", {"emotion_detection": True, "model": "pulse-2"}, "true"),
    row("2.3", "gender_detection", "A", {"gender_detection": True, "model": "pulse-2"}, "true"),
]  # fmt: skip


def asking(letter: str, **asked: Any) -> PulseOptions:
    return PulseOptions(base_url="ws://127.0.0.1:1", dialect=NAMES[letter], **asked)  # type: ignore[arg-type]


@pytest.mark.parametrize(("wire", "endpoints", "asked", "value"), ROWS)
def test_an_option_goes_out_as_the_page_writes_it(
    wire: str, endpoints: str, asked: dict[str, Any], value: str
) -> None:
    for letter in endpoints:
        assert asking(letter, **asked).query()[wire] == value, letter
        assert wire in DIALECTS[NAMES[letter]].parameters, letter
        assert wire in DOCUMENTED[NAMES[letter]], letter  # type: ignore[index]


@pytest.mark.parametrize("wire", sorted({each.values[0] for each in ROWS} | {"keywords"}))
def test_an_option_that_is_not_set_is_left_out(wire: str) -> None:
    for letter in NAMES:
        sent = wire in ALWAYS or (wire == "model" and letter in "AD")
        assert (wire in asking(letter).query()) is sent, letter


@pytest.mark.parametrize(
    ("letter", "names"),
    [pytest.param("B", S_RT, id="2 S-RT list"), pytest.param("C", S_OLD, id="2 S-OLD list")],
)
def test_the_lists_of_the_references_are_kept(letter: str, names: set[str]) -> None:
    assert set(asking(letter).query()) <= names
    assert names <= DIALECTS[NAMES[letter]].parameters
    assert names <= DOCUMENTED[NAMES[letter]]  # type: ignore[index]
    if letter == "C":
        assert names == DIALECTS["legacy"].parameters == DOCUMENTED["legacy"]


WEIGHTED = {"Acme": 2, "Mary Ann Lee": 1.5, "SKU": None}
KEYWORDS = [
    pytest.param(WEIGHTED, "ABD", "Acme:2,Mary Ann Lee:1.5,SKU", id="A/B now, mapping"),
    pytest.param(
        "Acme:2,Mary Ann Lee:1.5,SKU", "ABD", "Acme:2,Mary Ann Lee:1.5,SKU", id="A/B now, string"
    ),
    pytest.param({"Acme": 6}, "ABD", "Acme:6", id="B earlier, recommended 6"),
    pytest.param({"Acme": 20}, "ABD", "Acme:20", id="B earlier, highest 20"),
    pytest.param([("acme", 5.0), ("lee", 4)], "ABD", "acme:5,lee:4", id="LK tuples"),
    pytest.param(WEIGHTED, "C", ["Acme:2", "Mary Ann Lee:1.5", "SKU"], id="C JSON list"),
    pytest.param(["caseD", "Acme"], "ABD", "caseD,Acme", id="casing is kept"),
]


@pytest.mark.parametrize(("given", "endpoints", "wire"), KEYWORDS)
def test_keywords_are_written_as_the_endpoint_reads_them(
    given: Any, endpoints: str, wire: str | list[str]
) -> None:
    for letter in endpoints:
        sent = asking(letter, keywords=given).query()["keywords"]
        assert (json.loads(sent) if isinstance(wire, list) else sent) == wire


@pytest.mark.parametrize("empty", ["", [], {}], ids=["string", "list", "mapping"])
def test_empty_keywords_are_omitted(empty: Any) -> None:
    for letter in NAMES:
        assert "keywords" not in asking(letter, keywords=empty).query()


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({"keywords": {"a,b": 1}}, id="2.3 keyword with comma"),
        pytest.param({"keywords": {"a:b": 1}}, id="2.3 keyword with colon"),
        pytest.param({"keywords": {"a": -1}}, id="2.3 negative weight"),
        pytest.param({"keywords": {"a": float("nan")}}, id="2.3 weight is a number"),
        pytest.param({"keywords": ["a"] * 10_001}, id="2.3 10000 a session"),
        pytest.param({"model": "pulse-pro"}, id="2.1 pulse-pro is batch only"),
        pytest.param({"model": "pulse-2", "language": "hi"}, id="2.1 pulse-2 is English"),
        pytest.param({"encoding": "mulaw", "sample_rate": 16000}, id="3 mulaw is 8 kHz"),
        pytest.param({"encoding": "alaw", "sample_rate": 16000}, id="3 alaw is 8 kHz"),
        pytest.param({"sample_rate": 11025}, id="2.1 sample_rate 11025"),
        pytest.param({"encoding": "mp3"}, id="2.1 encoding mp3"),
        pytest.param({"external_session_id": "a b"}, id="2.1 session id alphabet"),
        pytest.param({"external_session_id": "x" * 129}, id="2.1 session id length"),
        pytest.param({"eou_timeout_ms": 0}, id="2.2 eou_timeout_ms 0"),
        pytest.param({"eou_timeout_ms": 10_001}, id="2.2 eou_timeout_ms 10001"),
        pytest.param({"max_words": 0}, id="2.2 max_words 0"),
    ],
)
def test_what_the_service_would_refuse_is_refused_before(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        asking("A", **wrong)


# Codes, streaming now, pre-recorded now, region: the page's table, the newest column first.
SINGLES = [
    ("en hi", True, True, "any"),
    ("de es fr it nl pt ru", True, True, "any"),
    ("gu mr or bn", True, False, "any"),
    ("ta te kn ml", True, False, "india"),
    ("pa", False, False, "any"),
    ("uk pl cs sk ro fi sv bg hu lt", False, True, "any"),
    ("lv et da mt", False, True, "any"),
    ("zh ja ko", True, True, "us"),
    ("yue", True, False, "us"),
]
GROUPS = "multi multi-eu north_indic multi-south-indic multi-asian multi-indic".split()
CODES = [code for codes, *_ in SINGLES for code in codes.split()]


@pytest.mark.parametrize(
    ("code", "streaming", "prerecorded", "region"),
    [
        pytest.param(code, *rest, id=f"7 {code}")
        for codes, *rest in SINGLES
        for code in codes.split()
    ],
)
def test_7_a_language_is_known_with_its_modes(
    code: str, streaming: bool, prerecorded: bool, region: str
) -> None:
    known = LANGUAGES[code]
    assert (known.kind, known.region) == ("single", region)
    assert (known.streaming, known.prerecorded) == (streaming, prerecorded)


@pytest.mark.parametrize("code", [*CODES, *GROUPS, "xx", "tlh-Latn"], ids=lambda code: f"7 {code}")
def test_7_codes_pass(code: str) -> None:
    assert asking("A", language=code).query()["language"] == code


@pytest.mark.parametrize("code", CODES, ids=lambda code: f"7 {code}")
def test_7_a_region_is_cut_off_a_single_code(code: str) -> None:
    assert asking("A", language=f"{code}-XX").query()["language"] == code


@pytest.mark.parametrize("letter", NAMES)
async def test_a_real_handshake_carries_exactly_the_query(letter: str) -> None:
    asked: dict[str, Any] = {
        "dialect": NAMES[letter],
        "keywords": WEIGHTED,
        "diarize": True,
        "redact_pii": False,
    }
    async with service() as running:
        await hear(running, **asked)
        (visit,) = running.visits
        assert visit.query == options(running, **asked).query()
        assert {visit.query["diarize"], visit.query["redact_pii"]} == {"true", "false"}


@pytest.mark.parametrize(
    ("letter", "asked"),
    [
        *((letter, {}) for letter in NAMES),
        ("A", {"endpointing": True, "vad_events": True, "itn_normalize": True}),
        ("B", {"eou_timeout_ms": 500, "format": False, "keywords": WEIGHTED}),
        ("C", {"full_transcript": True, "keywords": WEIGHTED, "numerals": True}),
        ("D", {"vad_events": True, "endpointing_timeout_ms": 300}),
    ],
)
async def test_a_strict_server_takes_what_the_client_sends(
    letter: str, asked: dict[str, Any]
) -> None:
    settings = ServerOptions(recognizer="scripted", strict=True)
    async with PulseServer(settings) as running:
        await hear(running, dialect=NAMES[letter], **asked)
        assert [record.refused for record in running.connections] == [None]
