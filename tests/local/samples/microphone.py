"""Read a microphone (here a file takes its place), stream it, and print interims and finals."""

import asyncio
import json
import os
import sys
import wave

import websockets

URL = (
    os.environ.get("PULSE_URL", "wss://api.smallest.ai")
    + "/waves/v1/pulse/get_text?language=en&sample_rate=16000&encoding=linear16"
    + "&word_timestamps=true"
)
HEADERS = {"Authorization": f"Bearer {os.environ.get('SMALLEST_API_KEY', '')}"}


async def main(path: str) -> None:
    with wave.open(path) as microphone:
        async with websockets.connect(URL, additional_headers=HEADERS) as socket:

            async def send() -> None:
                while chunk := microphone.readframes(320):
                    await socket.send(chunk)
                    await asyncio.sleep(0.02)
                await socket.send(json.dumps({"type": "close_stream"}))

            async def receive() -> None:
                async for message in socket:
                    said = json.loads(message)
                    kind = "FINAL" if said.get("is_final") else "interim"
                    print(kind, said.get("transcript"), flush=True)

            await asyncio.gather(send(), receive())


asyncio.run(main(sys.argv[1]))
