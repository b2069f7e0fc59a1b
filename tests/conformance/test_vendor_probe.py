"""The flag cases that the vendor's own probe sent to `pulse/get_text`, on the local server.

One recording of English at 24 kHz a case. What is expected is what the probe recorded, as far as
it does not depend on how well a model understands.
"""

from __future__ import annotations

from typing import Any

import pytest

from pulse_plugins.local.recognizers.scripted import ScriptedRecognizer, speak
from pulse_plugins.local.server import PulseServer
from pulse_plugins.local.settings import ServerOptions
from tests.local.client import FINALIZE, calling, finals, spoken

RATE = 24_000
SAID = "i called about my recent order for twenty five dollars and it has not come".split()
RECOGNIZER = ScriptedRecognizer(SAID)
PCM = speak(range(len(SAID)), RATE, tail_seconds=0.2)
PLAIN: dict[str, Any] = {"language": "en", "sample_rate": RATE}


def case(name: str, *sizes: int, text: str | None = None, **query: Any) -> Any:
    return pytest.param(query, list(sizes), text, id=name)


CASES = [
    case("baseline", 10, 5, text="I called about my recent order for twenty five dollars and it"),
    case("format off", 10, 5, text="i called about my recent order", format="false"),
    case("punctuate off", 10, 5, punctuate="false", text="and it has not come"),
    case("capitalize off", 10, 5, capitalize="false", text="i called about"),
    case("a spelling that the service ignores", 10, 5, punctuation="false", text="come."),
    case("ITN", 10, 4, itn_normalize="true", text="order for"),
    case("ITN without format", 10, 4, itn_normalize="true", format="false", text="order for"),
    case("no rollover", 15, finalize_on_words="false"),
    case("rollover at 20", 15, max_words="20"),
    case("rollover at 5", 5, 5, 5, max_words="5"),
    case("keywords", 10, 5, keywords="recent:6,order:6"),
    case("keywords boosted too much", 10, 5, keywords="I:20,smiling:26"),
    case("keywords as a JSON list", 10, 5, keywords='["I:20","smiling:26"]'),
    case("a group of languages", 10, 5, language="multi-eu"),
    case("all languages", 10, 5, language="multi"),
    case("an unknown flag", 10, 5, shiny="true"),
]


@pytest.mark.parametrize(("query", "sizes", "text"), CASES)
async def test_a_flag_case_of_the_vendors_probe(
    query: dict[str, Any], sizes: list[int], text: str | None
) -> None:
    async with (
        PulseServer(ServerOptions(recognizer=RECOGNIZER)) as running,
        calling(running, "pulse", **PLAIN | query) as client,
    ):
        await client.say(PCM, packet=960)
        messages = finals(await client.finish())
    texts = [each["transcript"].strip() for each in messages if each["transcript"]]
    if "itn_normalize" not in query:
        assert [len(each.split()) for each in texts] == sizes
        assert spoken(messages) == SAID
    else:
        assert "$25" in " ".join(texts)
    assert text is None or text in " ".join(texts)
    assert not any(each.get("from_finalize") for each in messages)
    group = query.get("language", "en").startswith("multi")
    assert all(("full_transcript" in each) is group for each in messages)
    assert {each["language"] for each in messages} == {"en"}


async def test_the_case_from_finalize_presence_on_manual() -> None:
    """The word under way is in both finals, and neither is marked: ITN is off."""
    options = ServerOptions(recognizer=RECOGNIZER, repeat_cut_word=0.2)
    half = round(4.5 * 0.24 * RATE)  # in the middle of "recent"
    async with PulseServer(options) as running, calling(running, "pulse", **PLAIN) as client:
        await client.say(PCM[:half], packet=960)
        await client.send(FINALIZE)
        first = await client.until_final()
        await client.say(PCM[half:], packet=960)
        messages = finals(await client.finish())
    assert "from_finalize" not in first
    assert spoken(messages) == [*SAID[:4], SAID[3], *SAID[4:]]
