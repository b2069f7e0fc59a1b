"""Stream a file to the older endpoint at the pace of speech; print what comes until `is_last`.

The options and their defaults are those of the documented program. Where no keywords are given it
sends the text `None`.
"""

import argparse
import asyncio
import json
import os
import wave
from urllib.parse import urlencode

import websockets

URL = os.environ.get("PULSE_URL", "wss://waves-api.smallest.ai") + "/api/v1/pulse/get_text"


async def main(given: argparse.Namespace) -> None:
    options = {
        "language": given.language,
        "encoding": given.encoding,
        "sample_rate": given.sample_rate,
        "word_timestamps": given.word_timestamps,
        "full_transcript": given.full_transcript,
        "sentence_timestamps": given.sentence_timestamps,
        "redact_pii": given.redact_pii,
        "redact_pci": given.redact_pci,
        "numerals": given.numerals,
        "keywords": given.keywords,
        "diarize": given.diarize,
    }
    headers = {"Authorization": f"Bearer {given.api_key}"}
    async with websockets.connect(
        f"{URL}?{urlencode(options)}", additional_headers=headers
    ) as socket:

        async def send() -> None:
            with wave.open(given.audio_file) as file:
                step = given.sample_rate * 160 // 1000
                while chunk := file.readframes(step):
                    await socket.send(chunk)
                    await asyncio.sleep(len(chunk) / 2 / given.sample_rate)
            await socket.send(json.dumps({"type": "end"}))

        sending = asyncio.create_task(send())
        async for message in socket:
            said = json.loads(message)
            print(json.dumps(said), flush=True)
            if said.get("is_last"):
                break
        await sending


parser = argparse.ArgumentParser()
parser.add_argument("audio_file")
parser.add_argument("--api-key", default="your_api_key_here")
parser.add_argument("--language", default="en")
parser.add_argument("--encoding", default="linear16")
parser.add_argument("--sample-rate", type=int, default=16000)
parser.add_argument("--word-timestamps", default="true")
parser.add_argument("--full-transcript", default="false")
parser.add_argument("--sentence-timestamps", default="false")
parser.add_argument("--redact-pii", default="false")
parser.add_argument("--redact-pci", default="false")
parser.add_argument("--numerals", default="auto")
parser.add_argument("--keywords", default=None)
parser.add_argument("--diarize", default="false")
asyncio.run(main(parser.parse_args()))
