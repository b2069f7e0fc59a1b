"""16-bit PCM -> the wire's compressed encodings: Opus packets, bare or in Ogg pages.

One encoder belongs to one connection: a codec has a memory, and Ogg a beginning. Nothing here
awaits or reads a clock. The codec is libopus through PyAV (extra `codecs`), loaded only here.

The Ogg pages are written here because FFmpeg's muxer keeps the newest page back until the next one
comes, which would hold back the end of a turn. Sources: RFC 6716 (Opus), RFC 7845 (Opus in Ogg),
RFC 3533 (Ogg pages).
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
"""Hz that the codec takes without resampling."""

_PACKET_SECONDS = Fraction(20, 1000)
_GRANULE_RATE = 48_000  # positions in Ogg count at this rate, whatever the input's, RFC 7845 4
_VENDOR = b"pulse-plugins"


class OpusEncoder:
    """Encodes one connection's audio.

    Every packet holds 20 ms. Opus looks ahead by some milliseconds and knows only whole packets,
    so `flush` fills up with silence; `padding` says how much later than its PCM the audio after it
    stands on the wire.

    Args:
        container: `opus`: every message is one packet; `ogg_opus`: every message is whole Ogg
            pages, the headers before the first audio.
        sample_rate: Hz of the PCM; one of `RATES`.
        bit_rate: Bits a second.

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
        self._owes = False  # PCM came that no flush has pushed through the codec yet
        self._samples = 0
        self._padding = 0
        self._finished = False

    @property
    def padding(self) -> float:
        """Seconds of silence that flushes have put between the audio so far."""
        return self._padding / self._rate

    def encode(self, pcm: bytes | bytearray | memoryview) -> list[bytes]:
        """Encode what has come; less than 20 ms waits for the next call.

        Args:
            pcm: Mono linear16; it may end within a sample.

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
        """Push all PCM so far onto the wire, with silence behind it; call it before a finalize.

        Returns:
            The messages to send; none when nothing has come since the last flush.

        Raises:
            StreamClosedError: `finish` was called before.
        """
        self._check_open()
        return self._messages(self._rest())

    def finish(self) -> list[bytes]:
        """Flush and, in Ogg, write the page that ends the stream; the encoder is then used up.

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
        odd = self._pending[len(self._pending) & ~1 :]  # half a sample waits for its other half
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
    """Writes one logical Ogg stream, RFC 3533 section 6."""

    _SERIAL = 1  # the only stream of its connection
    _BEGINS, _ENDS = 2, 4
    _MOST_SEGMENTS = 255

    def __init__(self, header: bytes) -> None:
        self._header = header
        self._number = 0
        self._granule = 0

    def headers(self) -> bytes:
        """The two header pages, once; then nothing."""
        if self._number:
            return b""
        tags = b"OpusTags" + struct.pack("<I", len(_VENDOR)) + _VENDOR + struct.pack("<I", 0)
        return self._page([self._header], self._BEGINS) + self._page([tags], 0)

    def write(self, packets: list[bytes], *, last: bool = False) -> bytes:
        """The pages of these packets, none of them left open."""
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
        if body or last:
            pages += self._page(body, self._ENDS if last else 0)
        return pages

    def _page(self, packets: list[bytes], flags: int) -> bytes:
        lacing = b"".join(b"\xff" * (len(p) // 255) + bytes([len(p) % 255]) for p in packets)
        head = struct.pack("<4sBBqII", b"OggS", 0, flags, self._granule, self._SERIAL, self._number)
        self._number += 1
        rest = bytes([len(lacing)]) + lacing + b"".join(packets)
        checksum = _checksum(head + bytes(4) + rest)
        return head + struct.pack("<I", checksum) + rest


_MIRRORED = bytes(int(f"{octet:08b}"[::-1], 2) for octet in range(256))


def _checksum(page: bytes) -> int:
    """Ogg's CRC-32: zlib's polynomial, highest bit first, started and ended with zero."""
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
    # `voip` would shape the sound for human ears; a recognizer wants it as it was.
    codec.options = {"application": "audio", "frame_duration": "20"}
    codec.open()
    return codec
