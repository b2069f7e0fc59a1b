"""The checks of `doctor`: each is a function that returns one line, and none shows a secret."""

from __future__ import annotations

import asyncio
import enum
import os
import platform
import socket
import ssl
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from importlib import import_module, metadata
from urllib.parse import urlsplit

import aiohttp
import numpy as np

from pulse_plugins.cli.exits import CommandError, Exit, code_of
from pulse_plugins.cli.explain import reason_of
from pulse_plugins.cli.target import LOCAL_URL, is_cloud, key_variable
from pulse_plugins.core.base.errors import ConfigurationError, PulseError
from pulse_plugins.core.base.events import Connected, Final
from pulse_plugins.core.client.stream import PulseStream
from pulse_plugins.core.config.options import PulseOptions
from pulse_plugins.core.config.retry import RetryPolicy
from pulse_plugins.core.config.timing import Timeouts
from pulse_plugins.version import __version__

_OLDEST_PYTHON = (3, 11)
_SKEW = 30.0  # seconds that the clocks may differ before tokens and logs become a puzzle

# Package, the extra that brings it, what is missing without it.
_OPTIONAL = (
    ("pipecat-ai", "pipecat", "the Pipecat adapter"),
    ("livekit-agents", "livekit", "the LiveKit adapter"),
    ("pocketsphinx", "local", "recognition on the local server"),
    ("av", "cli", "Opus, and reading recordings"),
)


class State(enum.Enum):
    """The outcome of a check."""

    GOOD = "good"
    NOTE = "note"  # not in order, and it may not matter
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Check:
    """The result of one check.

    Attributes:
        name: What was looked at.
        state: How it came out.
        found: What there is.
        advice: What to do, or "".
        code: The exit code that it means where it is bad.
    """

    name: str
    state: State
    found: str
    advice: str = ""
    code: Exit = Exit.FAILED


def machine() -> list[Check]:
    """Check what needs no network."""
    return [_python(), _package(), *(_optional(*row) for row in _OPTIONAL), _devices()]


async def network(make: Callable[[], PulseOptions], url: str, timeout: float) -> list[Check]:
    """Check the way to the server, from the name of its host to an answer.

    Args:
        make: Gives the options, or raises what is wrong with them.
        url: The server.
        timeout: Seconds for each look.
    """
    found = [_key(url)]
    try:
        options = make()
    except (CommandError, ConfigurationError) as error:
        if found[0].state is not State.BAD:
            advice = (
                "correct the option: `pulse-plugins transcribe --help` shows how options are set"
            )
            found.append(Check("options", State.BAD, str(error), advice, Exit.CONFIGURATION))
        return found
    for look in (_name, _connection, _clock, _round_trip):
        checks = await look(options, timeout)
        found += checks
        if any(check.state is State.BAD for check in checks):
            break  # what comes after it cannot work either
    return found


def _python() -> Check:
    found = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    if sys.version_info < _OLDEST_PYTHON:
        oldest = ".".join(map(str, _OLDEST_PYTHON))
        return Check("Python", State.BAD, found, f"install Python {oldest} or newer")
    return Check("Python", State.GOOD, found)


def _package() -> Check:
    return Check("pulse-plugins", State.GOOD, __version__)


def _optional(package: str, extra: str, what: str) -> Check:
    try:
        return Check(package, State.GOOD, metadata.version(package))
    except metadata.PackageNotFoundError:
        advice = f"for {what}: python -m pip install 'pulse-plugins[{extra}]'"
        return Check(package, State.NOTE, "not installed", advice)


def _devices() -> Check:
    name = "sound devices"
    try:
        sounddevice = import_module("sounddevice")
    except ModuleNotFoundError:
        return Check(
            name, State.NOTE, "not checked", "for `live`: python -m pip install sounddevice"
        )
    except OSError:
        return Check(name, State.NOTE, "no PortAudio", "for `live`: install libportaudio2")
    inputs = [device for device in sounddevice.query_devices() if device["max_input_channels"]]
    if not inputs:
        return Check(name, State.NOTE, "no microphone", "for `live`: plug one in, or use --file")
    count = "1 microphone" if len(inputs) == 1 else f"{len(inputs)} microphones"
    return Check(name, State.GOOD, count)


def _key(url: str) -> Check:
    name = key_variable(url)
    if os.environ.get(name):
        return Check("key", State.GOOD, f"{name} is set")
    if is_cloud(url):
        advice = (
            f"export {name}=…, or try the local server: run `pulse-plugins serve` in another "
            f"terminal and add --url {LOCAL_URL}"
        )
        return Check("key", State.BAD, f"{name} is not set", advice, Exit.CONFIGURATION)
    return Check("key", State.GOOD, f"{name} is not set; most self-hosted servers need no key")


async def _name(options: PulseOptions, timeout: float) -> list[Check]:
    found = []
    for url in options.urls:
        host = urlsplit(url).hostname or ""
        try:
            async with asyncio.timeout(timeout):
                rows = await asyncio.get_running_loop().getaddrinfo(
                    host, None, type=socket.SOCK_STREAM
                )
        except TimeoutError:
            advice = "the name server does not answer: check the network"
            found.append(Check("host name", State.BAD, host, advice, Exit.CONNECTION))
        except OSError:
            advice = "the name is not known: check --url for a typing error, and the name server"
            found.append(Check("host name", State.BAD, host, advice, Exit.CONNECTION))
        else:
            addresses = sorted({str(row[4][0]) for row in rows})
            found.append(Check("host name", State.GOOD, f"{host} is {', '.join(addresses[:3])}"))
    return found


async def _connection(options: PulseOptions, timeout: float) -> list[Check]:
    """Open a TCP connection, with TLS if the URL asks for it."""
    parts = urlsplit(options.websocket_url())
    secure = parts.scheme == "wss"
    name = "TLS" if secure else "TCP"
    port = parts.port or (443 if secure else 80)
    where = f"{parts.hostname}:{port}"
    begin = time.monotonic()
    try:
        async with asyncio.timeout(timeout):
            context = ssl.create_default_context() if secure else None
            _, writer = await asyncio.open_connection(parts.hostname, port, ssl=context)
    except ssl.SSLCertVerificationError:
        advice = "the certificate is not trusted: look for a proxy in between and a wrong clock"
        return [Check(name, State.BAD, where, advice, Exit.CONNECTION)]
    except ssl.SSLError:
        advice = "the server does not use TLS: use ws:// for a local server"
        return [Check(name, State.BAD, where, advice, Exit.CONNECTION)]
    except TimeoutError:
        advice = f"no answer in {timeout:g} s: look for a firewall, or a wrong address"
        return [Check(name, State.BAD, where, advice, Exit.CONNECTION)]
    except OSError:
        advice = "no server listens there: check host and port, or start `pulse-plugins serve`"
        return [Check(name, State.BAD, where, advice, Exit.CONNECTION)]
    seconds = time.monotonic() - begin
    tls = writer.get_extra_info("ssl_object")
    detail = f", {tls.version()}" if tls is not None else ""
    writer.close()
    return [Check(name, State.GOOD, f"{where} in {seconds * 1000:.0f} ms{detail}")]


async def _clock(options: PulseOptions, timeout: float) -> list[Check]:
    """Compare this machine's clock with the `Date` header of an answer."""
    parts = urlsplit(options.websocket_url())
    url = f"{'https' if parts.scheme == 'wss' else 'http'}://{parts.netloc}/"
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=timeout)) as session,
            session.get(url, allow_redirects=False) as response,
        ):
            theirs = parsedate_to_datetime(response.headers["Date"]).timestamp()
    except (aiohttp.ClientError, TimeoutError, KeyError, ValueError):
        return []  # not every server says what time it is
    skew = time.time() - theirs
    if abs(skew) > _SKEW:
        advice = "set the clock: TLS and short-lived tokens depend on it"
        return [Check("clock", State.NOTE, f"{skew:+.0f} s from the server's clock", advice)]
    return [Check("clock", State.GOOD, "agrees with the server's clock")]


async def _round_trip(options: PulseOptions, timeout: float) -> list[Check]:
    """Open a stream, send one second of sound and wait for the answer to a finalize request."""
    patient = Timeouts(connect=timeout, finalize=timeout, close=1.0)
    # The service marks its answers on pulse/get_text with ITN only, and the answer is empty here.
    tested = options.changed(
        itn_normalize=True,
        timeouts=patient,
        retry=RetryPolicy(max_attempts=1),
    )
    found: list[Check] = []
    tone = np.sin(np.arange(tested.sample_rate) * (2 * np.pi * 220 / tested.sample_rate))
    stream = PulseStream(tested, name="doctor")
    stream.start()
    begin = time.monotonic()
    try:
        async with asyncio.timeout(2 * timeout + 2.0):
            async for event in stream:
                match event:
                    case Connected():
                        took = f"{event.seconds * 1000:.0f} ms"
                        found.append(Check("handshake", State.GOOD, took))
                        stream.push((tone * 3000).astype("<i2").tobytes())
                        stream.request_finalize()
                        begin = time.monotonic()
                    case Final() if event.finalized:
                        found.append(_answer(time.monotonic() - begin, timeout, options))
                        break
    except TimeoutError:
        found.append(_silent(timeout, "round trip" if found else "handshake"))
    except PulseError as error:
        name = "round trip" if found else "handshake"
        found.append(Check(name, State.BAD, _said(error), _advice(error, options), code_of(error)))
    finally:
        stream.abort()
        await stream.wait_closed()
    return found


def _answer(seconds: float, timeout: float, options: PulseOptions) -> Check:
    if options.row.finalize is None:
        return Check(
            "round trip",
            State.NOTE,
            "this dialect has no finalize message, so no answer is measured",
        )
    if seconds >= 0.9 * timeout:
        return _silent(timeout, "round trip")
    return Check("round trip", State.GOOD, f"one second of audio, answered in {seconds:.2f} s")


def _silent(timeout: float, name: str) -> Check:
    advice = "the server takes audio and answers nothing: try --dialect or another host"
    if name == "handshake":
        advice = "the server accepts connections and does not answer: is it a Pulse server?"
    return Check(name, State.BAD, f"no answer in {timeout:g} s", advice, Exit.CONNECTION)


def _said(error: PulseError) -> str:
    """What happened, with the reason that the server gave; the advice is another line."""
    reason = reason_of(error)
    return f"{str(error).partition(': ')[0]}{f' ({reason})' if reason else ''}"


def _advice(error: PulseError, options: PulseOptions) -> str:
    match error.status:
        case 401:
            name = key_variable(options.urls[0])
            return f"set {name} to a valid key for this server"
        case 404:
            return "try --dialect live, legacy or direct; or another path with -s stream_path=/…"
        case _:
            if error.retryable:
                return "try again later; if the fault stays, ask the operator of the server"
            return "trying again will not help: correct the options, or ask the operator"
