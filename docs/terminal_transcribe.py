"""Draws the picture of `pulse-plugins transcribe` at work on a folder.

    python -m docs.terminal_transcribe

It needs tmux, which shows what a terminal shows while the bars move. The recordings are those of
the package; a local server recognizes them.
"""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import subprocess
import sys
import tempfile
import wave
from pathlib import Path

from docs.terminal import COLUMNS, picture
from pulse_plugins.local import recordings
from pulse_plugins.local.recognizers.contract import load
from pulse_plugins.local.server import PulseServer
from pulse_plugins.local.settings import ServerOptions

PICTURE = Path(__file__).parent / "images" / "transcribe.svg"
COMMAND = "pulse-plugins transcribe recordings -o transcripts -f srt -f json"
SESSION = "pulse-plugins-picture"
HALFWAY = re.compile(r"\b[4-9]\d %")
HERE = Path(__file__).parents[1]


def tmux(*words: str) -> str:
    """Run tmux and give what it prints."""
    return subprocess.run(("tmux", *words), check=True, capture_output=True, text=True).stdout


def prepare(folder: Path) -> None:
    """Write recordings that are long enough to watch, and a file that is none."""
    for day in ("2026-11-23", "2026-11-24"):
        for name in ("booking", "change", "human"):
            target = folder / "recordings" / day / f"{day} call of a guest, {name}.wav"
            target.parent.mkdir(parents=True, exist_ok=True)
            found = recordings.load(name, 16_000)
            with wave.open(str(target), "wb") as file:
                file.setnchannels(1)
                file.setsampwidth(2)
                file.setframerate(found.sample_rate)
                file.writeframes(found.samples.tobytes() * 5)
    (folder / "recordings" / "notes.txt").write_text("not audio")
    (folder / "recordings" / "page.mp3").write_text("<!DOCTYPE html>")


async def screen(folder: Path, url: str) -> str:
    """Type the command and give the screen once several bars are shown."""
    words = [sys.executable, "-m", "pulse_plugins.cli", *COMMAND.split()[1:], "--url", url]
    shell = f"cd {shlex.quote(str(folder))} && {shlex.join(words)}; read -r _"
    size = ("-x", str(COLUMNS), "-y", "16")
    path = f"PYTHONPATH={HERE}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    tmux("new-session", "-d", "-s", SESSION, *size, "env", path, "sh", "-c", shell)
    try:
        async with asyncio.timeout(60):
            while True:
                shown = tmux("capture-pane", "-p", "-e", "-t", SESSION)
                if len(HALFWAY.findall(shown)) >= 2:
                    return shown.rstrip()
                await asyncio.sleep(0.1)
    finally:
        tmux("kill-session", "-t", SESSION)


async def main() -> None:
    """Run the command on a folder of recordings and write the picture."""
    with tempfile.TemporaryDirectory() as folder:
        prepare(Path(folder))
        recognizer = load("pocketsphinx", language_model="bookings")
        async with PulseServer(ServerOptions(recognizer=recognizer)) as server:
            shown = await screen(Path(folder), server.url)
        await recognizer.close()
    PICTURE.write_text(picture(shown, COMMAND, "transcribe"), encoding="utf-8")


if __name__ == "__main__":
    asyncio.run(main())
