"""Post a whole file to the pre-recorded endpoint; print its text."""

import json
import os
import sys
import urllib.request
from pathlib import Path
from urllib.parse import urlencode

URL = os.environ.get("PULSE_HTTP_URL", "https://api.smallest.ai") + "/waves/v1/pulse/get_text"
OPTIONS = {"model": "pulse", "language": "en", "word_timestamps": "true", "diarize": "false"}

request = urllib.request.Request(
    f"{URL}?{urlencode(OPTIONS)}",
    data=Path(sys.argv[1]).read_bytes(),
    headers={
        "Authorization": f"Bearer {os.environ.get('SMALLEST_API_KEY', '')}",
        "Content-Type": "application/octet-stream",
    },
)
with urllib.request.urlopen(request, timeout=30) as answer:
    print("FINAL", json.load(answer)["transcription"])
