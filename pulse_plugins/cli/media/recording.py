"""One recording decoded: what can be heard is read, and what cannot is counted.

A damaged packet, a change of sample rate or of channels and time stamps that start again do not
end the reading. FFmpeg's program goes on in the same cases.
"""

from __future__ import annotations

import threading
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pulse_plugins.cli.exits import CommandError, needs
from pulse_plugins.cli.media import unreadable
from pulse_plugins.cli.media.clock import TOLERANCE, MediaClock
from pulse_plugins.cli.media.containers import open_container, parts
from pulse_plugins.cli.media.location import is_url, shown
from pulse_plugins.cli.media.selection import Piece, Selection
from pulse_plugins.cli.threads import in_thread

if TYPE_CHECKING:
    import av
    from av.audio.stream import AudioStream
    from av.container import InputContainer

PIECE = 0.5  # seconds of audio read at a time
_FAILURES = 20  # of reading, one after another, after which the rest is given up
# A mix this much below its louder channel has lost its sound. Two channels with different sounds
# mix to 0.7 of either, and a silent channel leaves 0.5; less than 0.1 needs a correlation below
# -0.98, which only a channel with reversed polarity has.
_CANCELLED = 0.1
_SILENT = 10  # of 32768, -70 dBFS: below the noise of any microphone or telephone line
# Containers whose header says how long the audio is; others estimate it from the bit rate.
_SURE_OF_LENGTH = frozenset(("flac", "aiff", "au", "caf", "w64", "mov,mp4,m4a,3gp,3g2,mj2"))
# Formats without time stamps, in which FFmpeg counts the packets.
_COUNTED = frozenset(("mp3", "aac", "ac3", "eac3", "dts"))
_UNFINISHED = 1.0  # seconds less than the header says


class Recording:
    """Reads one recording.

    Args:
        location: A path or an http(s) URL.
        rate: Hz to which the audio is resampled.
        selection: Which part is read, and how.
        name: What the recording is called in messages; by default the path or URL.

    Attributes:
        channels: Channels of the pieces; known after the first piece.
        end: Seconds from the start of the recording to the end of what was read.
        heard: Seconds of audio that were read.
    """

    def __init__(
        self, location: str, rate: int, selection: Selection | None = None, *, name: str = ""
    ) -> None:
        self.location = location
        self.name = name or shown(location)
        self.channels = 1
        self.end = 0.0
        self.heard = 0.0
        self._rate = rate
        self._selection = selection or Selection()
        self._decoded_to = 0.0  # seconds; also of what is not selected
        self._notes: list[str] = []
        self._damaged = 0
        self._damaged_seconds = 0.0
        self._unstamped = 0.0  # seconds of damage that the next time stamps do not count
        self._said = 0.0  # seconds that the header names; 0.0 where it does not know
        self._is_flac = False
        self._cancelled = 0.0
        self._peak = 0
        self._lock = threading.Lock()

    @property
    def notes(self) -> tuple[str, ...]:
        """What the reader of the transcript should know of the recording, a sentence each."""
        found = list(self._notes)
        if self._damaged:
            lost = f" ({self._damaged_seconds:.2f} s)" if self._damaged_seconds else ""
            packets = "packet was" if self._damaged == 1 else "packets were"
            found.append(f"{self._damaged} damaged {packets} skipped{lost}")
        if self._cancelled > PIECE:
            found.append(
                f"the channels have opposite phase, so that their mix is silent: the louder one "
                f"was taken for {self._cancelled:.1f} s (--channels separate keeps both)"
            )
        if self.heard and self._peak <= _SILENT:
            found.append("the recording is silent")
        return tuple(found)

    async def pieces(self) -> AsyncGenerator[Piece, None]:
        """The audio, a piece at a time, without holding the event loop.

        Raises:
            CommandError: The recording cannot be read, or holds no audio.
        """
        decoded = self._pieces()

        def step() -> Piece | None:
            with self._lock:  # a read that was given up may still be under way
                return next(decoded, None)

        while (piece := await in_thread(step)) is not None:
            yield piece

    def _pieces(self) -> Iterator[Piece]:
        with needs("cli", "reading audio files"):
            import av
        av.logging.set_level(None)
        selection = self._selection
        try:
            for piece in self._joined(self._runs()):
                if piece.time >= selection.end:
                    break
                trimmed = self._trim(piece)
                if len(trimmed.samples):
                    yield self._finished(trimmed)
            else:
                self._compare_with_header()
        except (av.error.FFmpegError, ValueError) as error:
            why = unreadable.reason(self.location, error)
            raise CommandError(f"{self.name}: {why}") from error
        if not self.heard:
            raise CommandError(f"{self.name}: {self._why_nothing()}")

    def _why_nothing(self) -> str:
        if self._damaged:
            packets = "packet" if self._damaged == 1 else "packets"
            return f"nothing in it can be decoded: {self._damaged} damaged {packets}"
        if self._selection.start and self._decoded_to:
            return f"--start is after the end: the recording has {self._decoded_to:.1f} s"
        return "the audio track is empty"

    def _track(self, container: InputContainer) -> AudioStream:
        tracks = container.streams.audio
        if not tracks:
            raise CommandError(f"{self.name}: there is no audio in it")
        number = self._selection.track
        if number is None:
            best = container.streams.best("audio")
            return tracks[0] if best is None else best  # type: ignore[return-value]
        if number > len(tracks):
            count = "is 1 audio track" if len(tracks) == 1 else f"are {len(tracks)} audio tracks"
            raise CommandError(f"{self.name}: there is no track {number}: there {count}")
        return tracks[number - 1]

    def _frames(self, container: InputContainer, stream: AudioStream) -> Iterator[av.AudioFrame]:
        """Every frame that can be decoded; damaged packets are counted."""
        import av

        failures = 0
        while failures <= _FAILURES:
            try:
                for packet in container.demux(stream):
                    failures = 0
                    yield from self._decoded(packet)
                return
            except (av.error.InvalidDataError, av.error.BlockingIOError):
                failures += 1  # the demuxer goes on at the next packet
                self._damaged += 1
            except IndexError:  # PyAV does not know a stream that begins in the middle
                failures += 1
            except av.error.FFmpegError as error:
                if is_url(self.location) or not self._decoded_to:
                    raise
                at = f"{self._decoded_to:.1f} s"
                self._notes.append(f"reading stopped after {at}: {error.strerror}")
                return

    def _decoded(self, packet: Any) -> list[av.AudioFrame]:
        import av

        try:
            frames: list[av.AudioFrame] = packet.decode()
        except av.error.EOFError:
            return []
        except av.error.FFmpegError:
            self._damaged += 1
            self._count_damage(packet)
            return []
        return frames

    def _count_damage(self, packet: Any) -> None:
        """Add the length of a damaged packet.

        In formats whose time stamps are counted from the packets, FFmpeg takes everything up to
        the next whole packet for one packet. Its true length follows from its size.
        """
        if not packet.duration or not packet.time_base:
            return
        length = said = float(packet.duration * packet.time_base)
        stream = packet.stream
        if stream.container.format.name in _COUNTED and stream.bit_rate:
            length = max(said, packet.size * 8 / stream.bit_rate)
            self._unstamped += length - said
        self._damaged_seconds += length

    def _runs(self) -> Iterator[Piece]:
        """Resampled audio of all parts of the file, one after another."""
        clock = MediaClock()
        for part in parts(self.location, self._selection):
            with open_container(part, self._selection) as container:
                clock.begin((container.start_time or 0) / 1_000_000)
                stream = self._track(container)
                if container.format.name in _SURE_OF_LENGTH and stream.duration:
                    self._said = float(stream.duration * (stream.time_base or 0))
                    self._is_flac = container.format.name == "flac"
                yield from self._runs_of(container, stream, clock)

    def _runs_of(
        self, container: InputContainer, stream: AudioStream, clock: MediaClock
    ) -> Iterator[Piece]:
        """Resampled audio; a run of one format without a hole has a resampler of its own."""
        run: _Run | None = None
        for frame in self._frames(container, stream):
            if not frame.samples or not frame.sample_rate:
                continue
            length = frame.samples / frame.sample_rate
            clock.skip(self._unstamped)
            self._unstamped = 0.0
            stamp = frame.time
            before = clock.now
            time = clock.place(stamp, length)
            if run is None or not run.continues_with(frame) or time - before > TOLERANCE:
                if run is not None:
                    yield from run.flush()
                run = _Run(frame, time, self._rate, separate=self._selection.separate)
            yield from run.take(frame)
            self._decoded_to = clock.now
        if run is not None:
            yield from run.flush()

    def _joined(self, pieces: Iterator[Piece]) -> Iterator[Piece]:
        """Pieces long enough to be worth sending."""
        held: list[NDArray[np.int16]] = []
        start = count = 0.0
        enough = PIECE * self._rate
        for piece in pieces:
            follows = abs(start + count / self._rate - piece.time) < 1.5 / self._rate
            same = bool(held) and held[0].shape[1] == piece.samples.shape[1]
            if held and (count >= enough or not follows or not same):
                yield Piece(start, np.concatenate(held))
                held, count = [], 0
            if not held:
                start = piece.time
            held.append(piece.samples)
            count += len(piece.samples)
        if held:
            yield Piece(start, np.concatenate(held))

    def _trim(self, piece: Piece) -> Piece:
        """What of a piece lies in the selection."""
        selection, rate = self._selection, self._rate
        first = max(0, round((selection.start - piece.time) * rate))
        last = len(piece.samples)
        if selection.duration is not None:
            last = min(last, max(0, round((selection.end - piece.time) * rate)))
        if first == 0 and last == len(piece.samples):
            return piece
        return Piece(piece.time + first / rate, piece.samples[first:last])

    def _finished(self, piece: Piece) -> Piece:
        """Count a piece, and mix it where the channels are not kept apart."""
        samples = piece.samples
        self.heard += len(samples) / self._rate
        self.end = piece.time + len(samples) / self._rate
        self._peak = max(self._peak, int(np.abs(samples.astype(np.int32)).max(initial=0)))
        if not self._selection.separate and samples.shape[1] > 1:
            samples = self._mixed(samples)
        self.channels = max(self.channels, samples.shape[1])
        return Piece(piece.time, samples)

    def _mixed(self, samples: NDArray[np.int16]) -> NDArray[np.int16]:
        wide = samples.astype(np.float32)
        mix = wide.mean(axis=1)
        levels = np.sqrt((wide**2).mean(axis=0))
        if levels.max() > _SILENT and np.sqrt((mix**2).mean()) < _CANCELLED * levels.max():
            self._cancelled += len(samples) / self._rate
            mix = wide[:, int(levels.argmax())]
        mono: NDArray[np.int16] = mix.round().astype(np.int16)[:, None]
        return mono

    def _compare_with_header(self) -> None:
        """Note where less could be read than the header promises."""
        if not is_url(self.location) and unreadable.is_cut_short(Path(self.location)):
            self._notes.append(
                "the recording is unfinished: the file is shorter than its header says"
            )
        if not is_url(self.location) and unreadable.has_more_behind(Path(self.location)):
            self._notes.append(
                "another WAV recording follows the end of this one in the same file: it was not "
                "read"
            )
        known = self._said
        missing = known - self.heard
        if self._selection.start or self._selection.duration is not None:
            return
        if missing > _UNFINISHED:
            self._notes.append(
                f"the recording is unfinished or damaged: its header says {known:.1f} s, and "
                f"{self.heard:.1f} s could be read"
            )
        elif missing > 0.01 and self._is_flac and not self._damaged:
            # The parser of this format drops damaged frames without an error.
            self._notes.append(f"{missing:.2f} s of {known:.2f} s are damaged and were skipped")


class _Run:
    """Audio of one format without a hole, on its way through one resampler."""

    def __init__(self, frame: av.AudioFrame, time: float, rate: int, *, separate: bool) -> None:
        import av

        self._format = (frame.format.name, frame.layout.name, frame.sample_rate)
        # Surround sound is mixed by FFmpeg, which knows where speech is in it.
        mixed = frame.layout.nb_channels > 2 and not separate
        self._resampler = av.AudioResampler("s16", "mono" if mixed else frame.layout, rate)
        self._channels = 1 if mixed else frame.layout.nb_channels
        self._start = time
        self._rate = rate
        self._given = 0

    def continues_with(self, frame: av.AudioFrame) -> bool:
        """Whether the resampler takes this frame too."""
        return self._format == (frame.format.name, frame.layout.name, frame.sample_rate)

    def take(self, frame: av.AudioFrame) -> Iterator[Piece]:
        """Add a frame."""
        frame.pts = None  # the place is known already
        return self._resampled(frame)

    def flush(self) -> Iterator[Piece]:
        """The samples that the resampler still holds."""
        return self._resampled(None)

    def _resampled(self, frame: av.AudioFrame | None) -> Iterator[Piece]:
        for each in self._resampler.resample(frame):
            samples: NDArray[np.int16] = np.asarray(each.to_ndarray(), np.int16)
            samples = samples.reshape(-1, self._channels)
            if len(samples):
                yield Piece(self._start + self._given / self._rate, samples)
                self._given += len(samples)


@dataclass(frozen=True, slots=True)
class Header:
    """What the header of a container says.

    Attributes:
        seconds: The length of the selected audio, or None where the header does not say.
        channels: Channels of the first audio track; 1 where the container cannot be opened.
    """

    seconds: float | None = None
    channels: int = 1


def header(location: str, selection: Selection | None = None) -> Header:
    """Read the header of a recording. What is wrong with the recording is said by reading it."""
    with needs("cli", "reading audio files"):
        import av
    av.logging.set_level(None)
    chosen = selection or Selection()
    try:
        with open_container(location, chosen) as container:
            known = container.duration
            channels = max((each.channels for each in container.streams.audio[:1]), default=1)
    except (OSError, ValueError, av.error.FFmpegError):
        return Header()
    if known is None:
        return Header(channels=channels)
    return Header(max(0.0, min(known / 1_000_000, chosen.end) - chosen.start), channels)


async def pcm(location: str, rate: int) -> AsyncGenerator[bytes, None]:
    """All audio of a recording as 16-bit little-endian mono, without its holes.

    Args:
        location: A path or an http(s) URL.
        rate: Hz to which the audio is resampled.

    Raises:
        CommandError: The recording cannot be read, or holds no audio.
    """
    async for piece in Recording(location, rate).pieces():
        yield piece.samples.astype("<i2", copy=False).tobytes()
