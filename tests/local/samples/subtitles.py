"""Upload a file and print its sentences as SubRip subtitles with their speakers."""

import json
import os
import sys
import urllib.request
from pathlib import Path
from urllib.parse import urlencode

URL = os.environ.get("PULSE_HTTP_URL", "https://api.smallest.ai") + "/waves/v1/pulse/get_text"
OPTIONS = {
    "language": "en",
    "word_timestamps": "true",
    "diarize": "true",
    "age_detection": "true",
    "gender_detection": "true",
    "emotion_detection": "true",
}


def clock(seconds: float) -> str:
    whole, milliseconds = divmod(round(seconds * 1000), 1000)
    minutes, seconds = divmod(whole, 60)
    return f"{minutes // 60:02}:{minutes % 60:02}:{seconds:02},{milliseconds:03}"


request = urllib.request.Request(
    f"{URL}?{urlencode(OPTIONS)}",
    data=Path(sys.argv[1]).read_bytes(),
    headers={
        "Authorization": f"Bearer {os.environ.get('SMALLEST_API_KEY', '')}",
        "Content-Type": "audio/wav",
    },
)
with urllib.request.urlopen(request, timeout=30) as answer:
    said = json.load(answer)
for number, sentence in enumerate(said["utterances"], 1):
    print(number)
    print(clock(sentence["start"]), "-->", clock(sentence["end"]))
    print(f"FINAL {sentence['text']}")
    print(f"speaker {sentence['speaker']}")
