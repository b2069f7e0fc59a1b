"""Stream a file in frames of 4096 bytes and print it as one text, as a cookbook does.

Plain finals bring their own space, so the finals are joined without one. After `close_stream` five
quiet seconds are taken for the end.
"""

import asyncio
import json
import os
import sys
import wave
from urllib.parse import urlencode

import websockets

URL = os.environ.get("PULSE_URL", "wss://api.smallest.ai") + "/waves/v1/pulse/get_text"
OPTIONS = {
    "language": "en",
    "encoding": "linear16",
    "sample_rate": 16000,
    "word_timestamps": "true",
    "eou_timeout_ms": 900,
    "finalize_on_words": "false",
}


async def main(path: str) -> None:
    headers = {"Authorization": f"Bearer {os.environ.get('SMALLEST_API_KEY', '')}"}
    async with websockets.connect(
        f"{URL}?{urlencode(OPTIONS)}", additional_headers=headers
    ) as socket:

        async def send() -> None:
            with wave.open(path) as file:
                while chunk := file.readframes(2048):
                    await socket.send(chunk)
                    await asyncio.sleep(0.01)
            await socket.send(json.dumps({"type": "close_stream"}))

        sending = asyncio.create_task(send())
        text = ""
        words: list[dict[str, float]] = []
        try:
            while True:
                said = json.loads(await asyncio.wait_for(socket.recv(), 5))
                if said.get("error"):
                    raise SystemExit(f"{said['error']} ({said.get('code')})")
                if said.get("is_final"):
                    text += said["transcript"]
                    words += said.get("words") or []
                if said.get("is_last"):
                    break
        except (TimeoutError, websockets.exceptions.ConnectionClosed):
            pass
        await sending
    print("FINAL", text.strip())
    print("TIMES", json.dumps([[word["start"], word["end"]] for word in words]))


asyncio.run(main(sys.argv[1]))
