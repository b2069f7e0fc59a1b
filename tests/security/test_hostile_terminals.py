"""File names and texts of a server cannot control the terminal of the command line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from pulse_plugins.cli.terminal import safe, safe_line
from pulse_plugins.local import recordings
from tests.cli.rig import program
from tests.security.hostile_servers import Server, running

ESCAPES = "\x1b]0;owned\x07\x1b[2J\x9b31m\u2028\u202e"
RECORDING = Path(recordings.__file__).parent / "booking-8k.wav"


@pytest.mark.parametrize("control", [*ESCAPES, "\r", "\b", "\x00", "\x7f", "\ud800"])
def test_a_control_character_is_replaced(control: str) -> None:
    if not control.isprintable():
        assert safe(f"a{control}b") == "a\N{REPLACEMENT CHARACTER}b"


@pytest.mark.parametrize(
    "text",
    [
        "Grüße\tan\n大家",
        "क\u094d\u200dष",
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
        "👩\u200d🚀",
    ],
)
def test_text_of_any_script_is_kept(text: str) -> None:
    assert safe(text) == text


def test_a_name_writes_no_line_of_its_own() -> None:
    assert safe_line("a\nerror: b") == "a error: b"


@pytest.mark.process
@pytest.mark.parametrize("more", [(), ("--dry-run",)])
async def test_a_recording_and_its_words_print_no_escape_codes(
    tmp_path: Path, more: tuple[str, ...]
) -> None:
    shutil.copy(RECORDING, tmp_path / f"call{ESCAPES}\n.wav")
    (tmp_path / f"bad{ESCAPES}\nerror: forged.wav").write_text("no recording")
    told = json.dumps({"transcript": f"hello{ESCAPES}there", "is_final": True})
    async with (
        running(Server((told,))) as server,
        program("transcribe", str(tmp_path), "--url", server.url, *more) as process,
    ):
        ended = await process.ended()
    shown = ended.out + ended.err
    assert "call" in shown
    assert more or "hello" in shown
    assert safe(shown) == shown
    assert not [line for line in shown.splitlines() if line.startswith("error: forged")]
