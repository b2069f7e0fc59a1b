"""`python -m tests.seeded_bugs`: breaks the package on purpose, and asks the tests to notice.

Each entry of `BUGS` changes one place of a copy of the package and runs the tests that should fail
then. A bug that no test notices is a hole in the suite: the command names it and ends with 1.

    python -m tests.seeded_bugs               all of them, two at a time
    python -m tests.seeded_bugs replay ack    those with these names
    python -m tests.seeded_bugs --table       the table for CONTRIBUTING.md
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
_COPIED = ("pulse_plugins", "tests", "examples", "docs")
_LONGEST = 300  # seconds; the tests of one bug take a few


@dataclass(frozen=True, slots=True)
class Bug:
    """A deliberate fault.

    Attributes:
        name: For the command line and the table.
        breaks: What no longer holds.
        file: Where, below `pulse_plugins`.
        old: The text that is replaced; it stands there once.
        new: The text that takes its place.
        tests: What should notice: arguments for pytest.
    """

    name: str
    breaks: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


BUGS: tuple[Bug, ...] = (
    Bug(
        "replay",
        "a lost connection's audio is sent again on the next one",
        "core/audio/replay_buffer.py",
        "        self.next_offset = self.start\n",
        "        self.start = self.next_offset\n",
        ("tests/core/test_calls.py", "-k", "every_latency and cut"),
    ),
    Bug(
        "memory",
        "words that were delivered are not delivered again by a replay",
        "core/transcript/delivered.py",
        "        self._words.extend(words)\n        self.until",
        "        self.until",
        ("tests/core/transcript/test_delivered.py", "tests/core/test_session_properties.py"),
    ),
    Bug(
        "clock",
        "word times are on the clock of the stream, not of the connection",
        "core/audio/clock.py",
        "return self._base + time - shift",
        "return time - shift",
        ("tests/core/test_stream_faults.py", "-k", "no_fault_costs"),
    ),
    Bug(
        "again",
        "a finalize request that was outstanding is sent again after a reconnect",
        "core/transcript/finalize_requests.py",
        "            request.sent_at = request.deadline = None\n",
        "            request.deadline = None\n",
        ("tests/core/transcript/test_finalize_requests.py",),
    ),
    Bug(
        "promise",
        "a finalize request is answered even if the server sends no answer",
        "core/transcript/finalize_requests.py",
        "        request.deadline = request.heard_at + patience\n",
        "        request.deadline = None\n",
        ("tests/conformance/test_lifecycle.py", "tests/core/session"),
    ),
    Bug(
        "stall",
        "a connection whose server takes audio and sends nothing is replaced",
        "core/session/stall.py",
        "if self._since is None and self._speech >= _SPEECH:",
        "if self._since is None and self._speech >= 1e9:",
        ("tests/core/session/test_stall.py",),
    ),
    Bug(
        "storm",
        "handshakes of a stream are limited to about one a second",
        "core/session/reconnect.py",
        "        if self._tokens >= 1.0 - 1e-9:\n",
        "        if self._tokens >= -1e9:\n",
        ("tests/conformance/test_errors_and_closes.py", "tests/core/session"),
    ),
    Bug(
        "progress",
        "trouble without progress ends after max_outage",
        "core/session/reconnect.py",
        "return self.since + self._in_force.options.timeouts.max_outage",
        "return self.since + 1e9",
        ("tests/conformance/test_errors_and_closes.py", "tests/core/session"),
    ),
    Bug(
        "credentials",
        "a refused key ends the stream at once",
        "core/session/verdicts.py",
        "            return Ended.DENIED\n",
        "            return Ended.LOST\n",
        ("tests/core/test_stream_faults.py", "-k", "key_that_is_taken_back"),
    ),
    Bug(
        "monologue",
        "an utterance without an end is delivered after a bound",
        "core/transcript/utterance.py",
        "return self._began_at + self.policy.monologue_seconds if self._segments else None",
        "return None",
        ("tests/core/transcript", "tests/pipecat", "-k", "monologue or utterance"),
    ),
    Bug(
        "throttle",
        "a fault that repeats is reported rarely",
        "core/observe/throttle.py",
        "        if reports.count >= self._burst and not is_due:",
        "        if False and not is_due:",
        ("tests/core/observe", "tests/pipecat/test_errors.py"),
    ),
    Bug(
        "finalized",
        "Pipecat: exactly the transcript that completes a turn is finalized",
        "pipecat/emitter.py",
        "frame.finalized = completes and frame is frames[-1]",
        "frame.finalized = False",
        ("tests/pipecat/test_turns.py",),
    ),
    Bug(
        "unmute",
        "Pipecat: words said before an unmute are not delivered after it",
        "pipecat/emitter.py",
        "        self.utterance.discard()\n",
        "",
        ("tests/pipecat/test_reports.py", "-k", "mute"),
    ),
    Bug(
        "open turn",
        "Pipecat: a turn that the server opened is closed when the audio stops",
        "pipecat/emitter.py",
        "if self.utterance.caller_speaks:\n"
        "            self.speech_stopped(time.time() - (now - self.audio_at))",
        "if False:\n            self.speech_stopped(time.time() - (now - self.audio_at))",
        ("tests/pipecat/test_reports.py", "-k", "audio_that_stops"),
    ),
    Bug(
        "flush",
        "LiveKit: while a flush is unanswered, no other final is sent",
        "livekit/speech_events.py",
        "        if self._flushes.newest is not None or not self._is_whole:\n",
        "        if not self._is_whole:\n",
        ("tests/livekit/test_context.py", "-k", "before_a_commit"),
    ),
    Bug(
        "hold",
        "LiveKit: a pause in a sentence does not split a turn",
        "livekit/turn_ending.py",
        "        return HOLD if server_ends else QUIET_HOLD\n",
        "        return 0.0\n",
        ("tests/livekit",),
    ),
    Bug(
        "grammar",
        "LiveKit: speech that has begun is ended when the stream closes",
        "livekit/speech_events.py",
        "        self._out.pass_waiting()\n        self._end()\n",
        "        self._out.pass_waiting()\n",
        ("tests/livekit/test_stream.py", "tests/livekit/test_speech_limits.py"),
    ),
    Bug(
        "mark",
        "local server: the answer to a finalize is marked as documented",
        "local/connection/machine.py",
        "        return answers\n\n    def _cumulative",
        "        return not answers\n\n    def _cumulative",
        ("tests/local/test_connection.py", "tests/conformance/test_server_stream.py"),
    ),
    Bug(
        "rollover",
        "local server: a long segment is cut by its number of words",
        "local/connection/machine.py",
        "        if limit is not None and len(self._words) >= limit:\n",
        "        if limit is not None and len(self._words) > limit:\n",
        ("tests/local/test_connection.py", "tests/conformance/test_server_stream.py"),
    ),
    Bug(
        "caption",
        "command line: a caption ends where speech pauses",
        "cli/transcribe/captions.py",
        "and token.start - runs[-1][1][-1].end < _PAUSE:",
        "and True:",
        ("tests/cli/transcribe/test_captions.py",),
    ),
    Bug(
        "exit code",
        "command line: a refusal by the service has an exit code of its own",
        "cli/exits.py",
        "            return Exit.CONFIGURATION\n",
        "            return Exit.FAILED\n",
        ("tests/cli/transcribe/test_transcribe.py", "tests/cli/test_application.py"),
    ),
)


def seed(bug: Bug, folder: Path) -> None:
    """Put a copy of the project with this bug into a folder.

    Raises:
        ValueError: The text that the bug replaces does not stand in its file exactly once.
    """
    for name in _COPIED:
        unneeded = shutil.ignore_patterns("__pycache__", "*.pyc")
        shutil.copytree(ROOT / name, folder / name, ignore=unneeded)
    for path in (*ROOT.glob("*.md"), *ROOT.glob("*.toml"), *ROOT.glob("*.yml")):
        shutil.copy(path, folder)
    broken = folder / "pulse_plugins" / bug.file
    text = broken.read_text(encoding="utf-8")
    if text.count(bug.old) != 1:
        raise ValueError(f"{bug.name}: {bug.file} holds its text {text.count(bug.old)} times")
    broken.write_text(text.replace(bug.old, bug.new), encoding="utf-8")


def failed_tests(folder: Path, tests: Sequence[str]) -> list[str]:
    """Run tests of a copy up to the first that fails.

    Raises:
        RuntimeError: pytest found no test, or could not run.
    """
    words = ["-m", "pytest", "-n", "0", "-q", "-x", "-rf", "-p", "no:cacheprovider", *tests]
    ended = subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        timeout=_LONGEST,
        check=False,
    )
    if ended.returncode not in (0, 1):
        raise RuntimeError(f"pytest {' '.join(tests)} ended with {ended.returncode}")
    lines = ended.stdout.splitlines()
    return [
        line.split(" - ")[0] for line in lines if line.startswith(("FAILED tests/", "ERROR tests/"))
    ]


def noticed_by(bug: Bug) -> str:
    """The test that fails with this bug and not without it, or an empty string.

    Raises:
        RuntimeError: The tests fail without the bug, too, or cannot run.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        seed(bug, folder)
        failed = failed_tests(folder, bug.tests)
    if failed and (red := failed_tests(ROOT, [failed[0].partition(" ")[2]])):
        raise RuntimeError(f"{bug.name}: a test is red without the bug: {red[0]}")
    return failed[0] if failed else ""


def table() -> str:
    """The bugs and the tests that notice them, in Markdown."""
    rows = ["| Name | What no longer holds | Tests that notice |", "|---|---|---|"]
    for bug in BUGS:
        tests = ", ".join(f"`{word}`" for word in bug.tests if word.startswith("tests/"))
        rows.append(f"| {bug.name} | {bug.breaks} | {tests} |")
    return "\n".join(rows)


def _report(bugs: Sequence[Bug]) -> int:
    missed = 0
    with ThreadPoolExecutor(2) as pool:
        for bug, run in [(bug, pool.submit(noticed_by, bug)) for bug in bugs]:
            try:
                test = run.result()
            except (RuntimeError, ValueError, subprocess.TimeoutExpired) as error:
                test = ""
                sys.stdout.write(f"{error}\n")
            missed += not test
            sys.stdout.write(f"{bug.name}: {test or 'NOT NOTICED'}\n")
            sys.stdout.flush()
    sys.stdout.write(f"{len(bugs) - missed} of {len(bugs)} are noticed\n")
    return 1 if missed else 0


def main() -> int:
    """Run the bugs that are named, or all; 1 if one is not noticed."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.seeded_bugs", description=__doc__.splitlines()[0]
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="which bugs; all by default")
    parser.add_argument("--table", action="store_true", help="print the table and end")
    asked = parser.parse_args()
    if asked.table:
        sys.stdout.write(f"{table()}\n")
        return 0
    unknown = set(asked.names) - {bug.name for bug in BUGS}
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    return _report([bug for bug in BUGS if not asked.names or bug.name in asked.names])


if __name__ == "__main__":
    raise SystemExit(main())
