"""Bytes as they come over the wire, in any of the six encodings, to 16-bit samples.

The tables of mu-law and A-law are written out from ITU-T G.711 here a second time, so that the
client's own cannot be wrong unnoticed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import soxr
from numpy.typing import NDArray

from pulse_plugins.core.base.errors import ConfigurationError

if TYPE_CHECKING:
    from av.audio.codeccontext import AudioCodecContext

Samples = NDArray[np.int16]

ENCODINGS = ("linear16", "linear32", "alaw", "mulaw", "opus", "ogg_opus")
SAMPLE_RATES = (8000, 16_000, 22_050, 24_000, 44_100, 48_000)
_OPUS_RATE = 48_000  # what an Opus decoder gives, whatever went in


def _mulaw_table() -> Samples:
    table = np.empty(256, np.int16)
    for code in range(256):
        sign, segment, step = ~code & 0x80, (~code >> 4) & 7, ~code & 15
        magnitude = ((2 * step + 33) << segment + 2) - 132
        table[code] = -magnitude if sign else magnitude
    return table


def _alaw_table() -> Samples:
    table = np.empty(256, np.int16)
    for code in range(256):
        plain = code ^ 0x55
        segment, step = (plain >> 4) & 7, plain & 15
        magnitude = (2 * step + 1) << 3 if segment == 0 else (2 * step + 33) << segment + 2
        table[code] = magnitude if plain & 0x80 else -magnitude
    return table


MULAW = _mulaw_table()
ALAW = _alaw_table()


def decoder_rate(wire: int, rates: frozenset[int]) -> int:
    """Hz for the recognizer: the wire's own if it takes that, else the next below, else above."""
    below = [rate for rate in rates if rate <= wire]
    return max(below) if below else min(rates)


class EncodingError(ValueError):
    """Bytes that are not in the encoding that was named."""


class WireAudio:
    """Turns the messages of one connection into samples at the recognizer's rate.

    A sample may be split over two messages. `linear32` is read as little-endian integers; the
    documents do not say.
    """

    def __init__(self, encoding: str, sample_rate: int, rate: int) -> None:
        """Make a decoder for one stream.

        Args:
            encoding: One of `ENCODINGS`.
            sample_rate: Hz, of the audio on the wire.
            rate: Hz, of the samples to give.

        Raises:
            ConfigurationError: Opus without the `codecs` extra.
        """
        self._encoding = encoding
        self._width = {"linear16": 2, "linear32": 4}.get(encoding, 1)
        self._left = b""
        opus = encoding in ("opus", "ogg_opus")
        self._opus = _open_opus() if opus else None
        self._pages = _OggPackets() if encoding == "ogg_opus" else None
        self._source = _OPUS_RATE if opus else sample_rate
        self._rate = rate
        self._resampler = self._new_resampler()

    def feed(self, data: bytes) -> Iterator[Samples]:
        """The samples of one binary message, in pieces that each take a few milliseconds.

        A small message can hold hours of Opus, so a piece is a packet or an Ogg page of them.

        Raises:
            EncodingError: The message is not Opus.
        """
        if self._opus is None:
            yield self._resample(self._plain(data), last=False)
            return
        pages = iter([[data]]) if self._pages is None else self._pages.feed(data)
        for packets in pages:
            yield self._resample(_decode_opus(self._opus, packets), last=False)

    def flush(self) -> Samples:
        """The samples that the resampler still holds back; audio may go on after it."""
        if self._resampler is None:
            return np.empty(0, np.int16)
        rest = self._resample(np.empty(0, np.int16), last=True)
        self._resampler = self._new_resampler()
        return rest

    def _new_resampler(self) -> soxr.ResampleStream | None:
        if self._source == self._rate:
            return None
        return soxr.ResampleStream(self._source, self._rate, 1, dtype="int16", quality="HQ")

    def _resample(self, samples: Samples, *, last: bool) -> Samples:
        if self._resampler is None:
            return samples
        return np.asarray(self._resampler.resample_chunk(samples, last=last), np.int16)

    def _plain(self, data: bytes) -> Samples:
        data = self._left + data
        whole = len(data) - len(data) % self._width
        data, self._left = data[:whole], data[whole:]
        match self._encoding:
            case "linear16":
                return np.frombuffer(data, "<i2").astype(np.int16)
            case "linear32":
                return (np.frombuffer(data, "<i4") >> 16).astype(np.int16)
            case "mulaw":
                return MULAW[np.frombuffer(data, np.uint8)]
            case _:
                return ALAW[np.frombuffer(data, np.uint8)]


def _open_opus() -> AudioCodecContext:
    try:
        from av import AudioCodecContext
    except ImportError as error:
        raise ConfigurationError("opus needs PyAV: install pulse-plugins[codecs]") from error
    codec = AudioCodecContext.create("libopus", "r")
    codec.sample_rate = _OPUS_RATE
    codec.layout = "mono"
    return codec


def _decode_opus(codec: AudioCodecContext, packets: list[bytes]) -> Samples:
    from av import FFmpegError, Packet

    pieces = [np.empty(0, np.int16)]
    for data in packets:
        try:
            for frame in codec.decode(Packet(data)):
                samples = frame.to_ndarray()
                if samples.dtype.kind == "f":
                    samples = (samples * 32767).clip(-32768, 32767)
                # Packed stereo lies interleaved in one row, planar in several.
                channels = len(frame.layout.channels)
                mono = samples.reshape(-1, channels) if len(samples) == 1 else samples.T
                pieces.append(mono.mean(axis=1).astype(np.int16))
        except FFmpegError as error:
            raise EncodingError("a message is not an Opus packet") from error
    return np.concatenate(pieces)


class _OggPackets:
    """The packets of an Ogg stream (RFC 3533), the two headers of Opus (RFC 7845) left out."""

    _MAX = 1 << 20  # bytes that may wait for the rest of a page

    def __init__(self) -> None:
        self._left = bytearray()
        self._packet = b""

    def feed(self, data: bytes) -> Iterator[list[bytes]]:
        """The packets that end in each page.

        Raises:
            EncodingError: The data is not Ogg, or a page is too large.
        """
        self._left += data
        while len(self._left) >= 27:
            if self._left[:4] != b"OggS":
                raise EncodingError("a message is not an Ogg page")
            table = bytes(self._left[27 : 27 + self._left[26]])
            size = 27 + self._left[26] + sum(table)
            if len(table) < self._left[26] or len(self._left) < size:
                break
            page = bytes(self._left[27 + len(table) : size])
            del self._left[:size]
            yield list(self._packets(page, table))
        if len(self._left) > self._MAX:
            raise EncodingError("an Ogg page is too large")

    def _packets(self, page: bytes, table: bytes) -> Iterator[bytes]:
        place = 0
        for length in table:
            self._packet += page[place : place + length]
            place += length
            if len(self._packet) > self._MAX:
                raise EncodingError("an Ogg packet is too large")
            if length < 255:  # a shorter lace ends the packet
                packet, self._packet = self._packet, b""
                if not packet.startswith((b"OpusHead", b"OpusTags")):
                    yield packet
