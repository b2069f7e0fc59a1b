"""Stream a file to the older endpoint at the pace of speech; print what comes until `is_last`."""

import asyncio
import json
import os
import sys
import wave
from urllib.parse import urlencode

import websockets

URL = os.environ.get("PULSE_URL", "wss://waves-api.smallest.ai") + "/api/v1/pulse/get_text"
RATE = 16000


async def main(path: str, key: str) -> None:
    options = {
        "language": "en",
        "encoding": "linear16",
        "sample_rate": RATE,
        "word_timestamps": "true",
        "full_transcript": "true",
        "sentence_timestamps": "true",
        "redact_pii": "false",
        "redact_pci": "false",
        "numerals": "auto",
        "diarize": "false",
    }
    headers = {"Authorization": f"Bearer {key}"}
    async with websockets.connect(
        f"{URL}?{urlencode(options)}", additional_headers=headers
    ) as socket:

        async def send() -> None:
            with wave.open(path) as file:
                step = RATE * 160 // 1000
                while chunk := file.readframes(step):
                    await socket.send(chunk)
                    await asyncio.sleep(len(chunk) / 2 / RATE)
            await socket.send(json.dumps({"type": "end"}))

        sending = asyncio.create_task(send())
        async for message in socket:
            said = json.loads(message)
            print(json.dumps(said), flush=True)
            if said.get("is_last"):
                break
        await sending


asyncio.run(main(sys.argv[1], os.environ.get("SMALLEST_API_KEY", "")))
