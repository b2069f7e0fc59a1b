"""A benchmark's client: it reads `text` or `transcription` and nothing else of a message."""

import asyncio
import json
import os
import sys
import wave

import websockets

URL = (
    os.environ.get("PULSE_URL", "wss://api.smallest.ai")
    + "/waves/v1/pulse/get_text?language=en&encoding=linear16&sample_rate=16000"
)


async def main(path: str) -> None:
    headers = {"Authorization": f"Bearer {os.environ.get('SMALLEST_API_KEY', '')}"}
    async with websockets.connect(URL, additional_headers=headers) as socket:
        with wave.open(path) as file:
            while chunk := file.readframes(1600):
                await socket.send(chunk)
        await socket.send(json.dumps({"type": "close_stream"}))
        async for message in socket:
            said = json.loads(message)
            if said.get("status") == "error":
                continue
            assert said["type"] == "transcription", said
            text = said.get("text") or said.get("transcription") or ""
            print("FINAL" if said.get("is_final") else "interim", text, flush=True)


asyncio.run(main(sys.argv[1]))
