"""What a peer may put into a message: valid ones, damaged ones, and anything at all.

Fields are dropped, renamed and retyped. There are numbers and nesting beyond reason, and text that
is no UTF-8.
"""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

_WORD = {"word": "hi", "start": 0.1, "end": 0.4, "confidence": 0.9, "speaker": 0}
VALID: list[dict[str, Any]] = [
    {
        "type": "transcription",
        "status": "success",
        "session_id": "s",
        "transcript": "hi there",
        "transcription": "hi there",
        "is_final": True,
        "is_last": False,
        "from_finalize": True,
        "language": "en",
        "languages": ["en"],
        "words": [_WORD, {"word": "there", "start": 0.4, "end": 0.8}],
        "utterances": [{"text": "hi there", "start": 0.1, "end": 0.8, "speaker": "speaker_0"}],
        "redacted_entities": ["[NAME_1]"],
    },
    {"session_id": "s", "transcript": "hi", "is_final": False, "is_last": False},
    {"transcript": "", "is_final": True, "is_last": True},
    {"type": "speech_started", "session_id": "s", "timestamp": 0.5},
    {"type": "speech_ended", "timestamp": 1.5},
    {"type": "pong"},
    {"type": "error", "status": "error", "message": "no", "error_code": "E"},
    {"error": "something", "errors": [{"a": 1}]},
]
CONTROLS: list[dict[str, Any]] = [
    {"type": name} for name in ("finalize", "close_stream", "end", "keepalive")
]

TEXT = st.text(st.characters(), max_size=20)  # surrogates included
_SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([10**400, -(10**30), 2**63, 2**64, 1e308, -1e308, 5e-324]),
    st.floats(),  # NaN and the infinities too
    TEXT,
)
_ODD = st.one_of(
    _SCALARS,
    st.recursive(
        _SCALARS,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
        max_leaves=10,
    ),
    st.integers(1, 3000).map(lambda count: [0] * count),
    st.integers(1, 150).map(lambda depth: json.loads("[" * depth + "]" * depth)),
)


@st.composite
def _mutated(draw: st.DrawFn, valid: list[dict[str, Any]]) -> dict[str, Any]:
    """A valid message, some of whose fields are dropped, renamed, retyped or moved."""
    message = json.loads(json.dumps(draw(st.sampled_from(valid))))
    names = sorted({name for each in valid for name in each})
    for _ in range(draw(st.integers(0, 4))):
        inside = (
            [each for each in message.get("words") or () if isinstance(each, dict)]
            if (isinstance(message.get("words"), list))
            else []
        )
        place = draw(st.sampled_from([message, *inside]))
        name = draw(st.sampled_from([*names, *_WORD]))
        match draw(st.sampled_from(["drop", "rename", "retype"])):
            case "drop":
                place.pop(name, None)
            case "rename":
                place[draw(TEXT)] = place.pop(name, None)
            case _:
                place[name] = draw(_ODD)
    return dict(message)


@st.composite
def _truncated(draw: st.DrawFn, texts: st.SearchStrategy[str]) -> str:
    text = draw(texts)
    return text[: draw(st.integers(0, len(text)))]


def texts(valid: list[dict[str, Any]]) -> st.SearchStrategy[str]:
    """What a peer may put into a text frame."""
    mutated = st.builds(json.dumps, _mutated(valid), ensure_ascii=st.booleans())
    nested = st.integers(1, 20_000).map(lambda depth: '{"words":' + "[" * depth)
    long_number = st.integers(1, 6000).map(lambda size: '{"timestamp":' + "9" * size + "}")
    return st.one_of(
        mutated,
        mutated,
        _truncated(mutated),
        st.builds(json.dumps, _ODD),
        TEXT,
        nested,
        long_number,
    )
