"""Encodes 16-bit PCM as Opus packets, bare or in Ogg pages.

An encoder belongs to one connection, because the codec has a state and an Ogg stream has headers.
The codec is libopus through PyAV (extra `codecs`), which only this module imports.

Ogg pages are written here because the muxer of FFmpeg holds a page back until the next one comes.
That would delay the end of a turn.

Sources: RFC 6716 (Opus), RFC 7845 (Opus in Ogg), RFC 3533 (Ogg pages).
"""

from __future__ import annotations

import struct
import zlib
from fractions import Fraction
from typing import TYPE_CHECKING, Literal

import numpy as np

from pulse_plugins.core.base.errors import ConfigurationError, StreamClosedError

if TYPE_CHECKING:
    from av.audio.codeccontext import AudioCodecContext

Container = Literal["opus", "ogg_opus"]

RATES = (8000, 16000, 24000, 48000)
"""Sampling rates that the codec takes, Hz."""

_PACKET_SECONDS = Fraction(20, 1000)
_GRANULE_RATE = 48_000  # Hz; positions in Ogg count at this rate (RFC 7845, section 4)
_VENDOR = b"pulse-plugins"


class OpusEncoder:
    """Encodes the audio of one connection.

    Every packet holds 20 ms. Opus needs some milliseconds of the following audio and makes only
    whole packets, so `flush` appends silence. `padding` is the silence so far, by which later audio
    is delayed on the wire.

    Args:
        container: `opus`: each message is one packet. `ogg_opus`: each message consists of whole
            Ogg pages, and the first one begins with the headers.
        sample_rate: Hz of the PCM; one of `RATES`.
        bit_rate: Bits per second, 6,000 to 256,000.

    Raises:
        ConfigurationError: PyAV or its libopus is missing, or an argument is out of range.
    """

    def __init__(self, container: Container, sample_rate: int, *, bit_rate: int = 32_000) -> None:
        if container not in ("opus", "ogg_opus"):
            raise ConfigurationError(f"container={container!r}: use 'opus' or 'ogg_opus'")
        if sample_rate not in RATES:
            raise ConfigurationError(
                f"sample_rate={sample_rate!r}: Opus takes {', '.join(map(str, RATES))} Hz"
            )
        if not 6_000 <= bit_rate <= 256_000:
            raise ConfigurationError(f"bit_rate={bit_rate!r}: 6000 to 256000 bits a second")
        self._codec = _open(sample_rate, bit_rate)
        self._rate = sample_rate
        self._packet_bytes = int(sample_rate * _PACKET_SECONDS) * 2
        header = bytes(self._codec.extradata or b"")
        pre_skip: int = struct.unpack_from("<H", header, 10)[0]
        self._lookahead_bytes = pre_skip * sample_rate // _GRANULE_RATE * 2
        self._pages = _Pages(header) if container == "ogg_opus" else None
        self._pending = bytearray()
        self._owes = False  # PCM has come since the last flush
        self._samples = 0
        self._padding = 0
        self._finished = False

    @property
    def padding(self) -> float:
        """Seconds of silence that flushes have appended so far."""
        return self._padding / self._rate

    def encode(self, pcm: bytes | bytearray | memoryview) -> list[bytes]:
        """Encode audio. Less than 20 ms waits for the next call.

        Args:
            pcm: Mono linear16; it may end inside a sample.

        Returns:
            The messages to send, in order.

        Raises:
            StreamClosedError: `finish` was called before.
        """
        self._check_open()
        self._pending += pcm
        self._owes = self._owes or len(pcm) > 0
        return self._messages(self._packets())

    def flush(self) -> list[bytes]:
        """Encode all PCM so far, with silence after it. Call it before a finalize.

        Returns:
            The messages to send; none if no PCM has come since the last flush.

        Raises:
            StreamClosedError: `finish` was called before.
        """
        self._check_open()
        return self._messages(self._rest())

    def finish(self) -> list[bytes]:
        """Flush and, in Ogg, write the page that ends the stream.

        The encoder cannot be used after that.

        Returns:
            The messages to send; none on a second call.
        """
        if self._finished:
            return []
        packets = self._rest()
        self._finished = True
        if self._pages is None:
            return packets
        return [self._pages.headers() + self._pages.write(packets, last=True)]

    def _check_open(self) -> None:
        if self._finished:
            raise StreamClosedError("audio after the end: this encoder is finished")

    def _rest(self) -> list[bytes]:
        if not self._owes:
            return []
        odd = self._pending[len(self._pending) & ~1 :]  # half a sample waits for the other half
        del self._pending[len(self._pending) & ~1 :]
        silence = self._lookahead_bytes
        silence += -(len(self._pending) + silence) % self._packet_bytes
        self._pending += bytes(silence)
        self._padding += silence // 2
        packets = self._packets()
        self._pending += odd
        self._owes = False
        return packets

    def _packets(self) -> list[bytes]:
        """Encode the whole packets among the pending bytes."""
        size = self._packet_bytes
        whole = len(self._pending) - len(self._pending) % size
        packets: list[bytes] = []
        for start in range(0, whole, size):
            packets += self._packet(bytes(self._pending[start : start + size]))
        del self._pending[:whole]
        return packets

    def _packet(self, pcm: bytes) -> list[bytes]:
        from av import AudioFrame

        samples = np.frombuffer(pcm, "<i2").astype(np.int16, copy=False).reshape(1, -1)
        frame = AudioFrame.from_ndarray(samples, format="s16", layout="mono")
        frame.sample_rate = self._rate
        frame.pts = self._samples
        self._samples += samples.size
        return [bytes(packet) for packet in self._codec.encode(frame)]

    def _messages(self, packets: list[bytes]) -> list[bytes]:
        if self._pages is None or not packets:
            return packets
        return [self._pages.headers() + self._pages.write(packets)]


class _Pages:
    """Writes one logical Ogg stream (RFC 3533, section 6)."""

    _SERIAL = 1  # the only stream of its connection
    _BEGINS, _ENDS = 2, 4
    _MOST_SEGMENTS = 255

    def __init__(self, header: bytes) -> None:
        self._header = header
        self._number = 0
        self._granule = 0

    def headers(self) -> bytes:
        """The two header pages on the first call, and nothing later."""
        if self._number:
            return b""
        tags = b"OpusTags" + struct.pack("<I", len(_VENDOR)) + _VENDOR + struct.pack("<I", 0)
        return self._page([self._header], self._BEGINS) + self._page([tags], 0)

    def write(self, packets: list[bytes], *, last: bool = False) -> bytes:
        """The pages of these packets, at least one page; no packet is held back."""
        pages = b""
        body: list[bytes] = []
        segments = 0
        for packet in packets:
            needed = len(packet) // 255 + 1
            if segments + needed > self._MOST_SEGMENTS:
                pages += self._page(body, 0)
                body, segments = [], 0
            body.append(packet)
            segments += needed
            self._granule += int(_GRANULE_RATE * _PACKET_SECONDS)
        return pages + self._page(body, self._ENDS if last else 0)

    def _page(self, packets: list[bytes], flags: int) -> bytes:
        lacing = b"".join(b"\xff" * (len(p) // 255) + bytes([len(p) % 255]) for p in packets)
        head = struct.pack("<4sBBqII", b"OggS", 0, flags, self._granule, self._SERIAL, self._number)
        self._number += 1
        rest = bytes([len(lacing)]) + lacing + b"".join(packets)
        checksum = _checksum(head + bytes(4) + rest)
        return head + struct.pack("<I", checksum) + rest


_MIRRORED = bytes(int(f"{octet:08b}"[::-1], 2) for octet in range(256))


def _checksum(page: bytes) -> int:
    """The CRC-32 of Ogg: the polynomial of zlib, highest bit first, without inversions."""
    mirrored = zlib.crc32(page.translate(_MIRRORED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{mirrored:032b}"[::-1], 2)


def _open(sample_rate: int, bit_rate: int) -> AudioCodecContext:
    try:
        from av import AudioCodecContext
        from av.codec.codec import UnknownCodecError
    except ImportError:
        raise ConfigurationError(
            "Opus needs PyAV: install pulse-plugins[codecs], or send linear16"
        ) from None
    try:
        codec = AudioCodecContext.create("libopus", "w")
    except UnknownCodecError:
        raise ConfigurationError(
            "this PyAV was built without libopus: install its wheel, or send linear16"
        ) from None
    codec.sample_rate = sample_rate
    codec.layout = "mono"
    codec.format = "s16"
    codec.bit_rate = bit_rate
    codec.time_base = Fraction(1, sample_rate)
    # `voip` would change the sound for human listeners, which a recognizer does not need.
    codec.options = {"application": "audio", "frame_duration": "20"}
    codec.open()
    return codec
