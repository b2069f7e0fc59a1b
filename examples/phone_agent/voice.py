"""The offline voice: eSpeak NG in one worker thread, as a stand-in for a text-to-speech service.

The package `espeakng-loader` holds the library and its data. Both are licensed under the GPLv3.
"""

from __future__ import annotations

import asyncio
import ctypes
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import espeakng_loader

SAMPLE_RATE = 22_050  # Hz; mono, 16 bit
_VOICE = b"en-us"
_WORDS_PER_MINUTE = 165
_CHUNK = SAMPLE_RATE // 10 * 2  # bytes: 0.1 s

# From speak_lib.h of eSpeak NG 1.52.
_SYNCHRONOUS = 2
_RATE = 1
_CHARS_UTF8 = 1
_CALLBACK = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
)


class VoiceError(RuntimeError):
    """The voice cannot speak. The text holds nothing of what it should say."""


class _Espeak:
    """The library, which can only be used by one thread."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL(espeakng_loader.get_library_path())
        data = espeakng_loader.get_data_path().encode()
        if self._library.espeak_Initialize(_SYNCHRONOUS, 0, data, 0) != SAMPLE_RATE:
            raise VoiceError("eSpeak NG cannot be started")
        if self._library.espeak_SetVoiceByName(_VOICE) != 0:
            raise VoiceError("eSpeak NG has no English voice")
        self._library.espeak_SetParameter(_RATE, _WORDS_PER_MINUTE, 0)
        self._pieces: list[bytes] = []
        self._callback = _CALLBACK(self._take)
        self._library.espeak_SetSynthCallback(self._callback)

    def speak(self, text: str) -> bytes:
        self._pieces = []
        words = text.encode()
        status = self._library.espeak_Synth(words, len(words) + 1, 0, 0, 0, _CHARS_UTF8, None, None)
        if status != 0:
            raise VoiceError(f"eSpeak NG failed with {status}")
        return b"".join(self._pieces)

    def _take(self, samples: ctypes._Pointer[ctypes.c_short], count: int, _: object) -> int:
        if samples and count:
            self._pieces.append(ctypes.string_at(samples, 2 * count))
        return 0


_thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="voice")


@cache
def _espeak() -> _Espeak:
    return _Espeak()


async def speak(text: str) -> bytes:
    """Turn words into 16-bit mono audio at `SAMPLE_RATE`. A sentence takes some milliseconds.

    Raises:
        VoiceError: The library fails.
    """
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(_thread, lambda: _espeak().speak(text))


async def stream(text: str) -> AsyncIterator[bytes]:
    """Turn words into the same audio, in pieces of 0.1 s.

    Raises:
        VoiceError: The library fails.
    """
    audio = await speak(text)
    for at in range(0, len(audio), _CHUNK):
        yield audio[at : at + _CHUNK]
