"""Programs that start as copies of a process behave as those of an interpreter of their own."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Literal

import pytest

from tests.support.programs import ROOT, running

pytestmark = pytest.mark.process

ENDINGS = {
    "a number": "import sys; sys.exit(3)",
    "a text": "import sys; sys.exit('no key')",
    "nothing": "print('said')",
    "an error": "raise ValueError('refused')",
    "at exit": "import atexit; atexit.register(print, 'late')",
    "killed": "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
    "a thread": "import threading; threading.Timer(0.05, print, ['later']).start()",
}


@pytest.mark.parametrize("code", ENDINGS.values(), ids=ENDINGS)
async def test_a_program_ends_as_in_an_interpreter_of_its_own(code: str, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(code)
    script = str(tmp_path / "script.py")
    process = await asyncio.create_subprocess_exec(
        sys.executable, script, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await process.communicate()
    async with running(script, environment=os.environ) as program:
        same_out, same_err = await program.communicate()
    assert (program.returncode, same_out) == (process.returncode, out)
    assert same_err.splitlines()[-1:] == err.splitlines()[-1:]


async def test_it_gets_its_arguments_variables_folder_and_signals(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import os, sys, time\n"
        "try:\n    print(sys.argv[1:], dict(os.environ), flush=True)\n"
        "    time.sleep(50)\nexcept KeyboardInterrupt:\n    sys.exit(130)\n"
    )
    async with running(str(script), "-x", environment={"A": "b"}) as program:
        assert (await program.stdout.readline()).decode() == "['-x'] {'A': 'b'}\n"
        program.send_signal(signal.SIGINT)
        assert await program.wait() == 130


async def test_what_still_runs_is_killed_with_the_block(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text("import time; time.sleep(50)")
    async with running(str(script), environment={}) as program:
        assert program.returncode is None
    assert program.returncode == -signal.SIGKILL


async def test_it_finds_the_package_imported_and_the_other_kind_does_not(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text("import sys; print('pulse_plugins' in sys.modules, 'pipecat' in sys.modules)")
    async with running(str(script), environment={}) as program:
        assert (await program.communicate())[0] == b"True True\n"
    async with running(str(script), environment={}, imported="frameworks") as program:
        assert (await program.communicate())[0] == b"False True\n"


async def test_in_virtual_time_a_program_waits_for_nobody(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import asyncio, time\n"
        "began = time.monotonic()\n"
        "asyncio.run(asyncio.sleep(100_000))\n"
        "print(time.monotonic() - began < 1000)\n"
    )
    async with running(str(script), environment={}, virtual=True) as program:
        assert (await program.communicate())[0] == b"True\n"


@pytest.mark.parametrize("imported", ["frameworks", "all"])
async def test_in_virtual_time_a_program_waits_for_its_recognizer(
    imported: Literal["frameworks", "all"], tmp_path: Path
) -> None:
    """What it plays is heard in time: a connection without an answer would be given up."""
    script = tmp_path / "script.py"
    script.write_text(
        "import asyncio\n"
        "from pulse_plugins.local.recognizers.pocketsphinx import PocketSphinxRecognizer\n"
        "async def main():\n"
        "    async with asyncio.timeout(0.01):\n"
        "        recognizer = PocketSphinxRecognizer('bookings')\n"
        "        await recognizer.warm()\n"
        "        await recognizer.close()\n"
        "    print('ready')\n"
        "asyncio.run(main())\n"
    )
    variables = {**os.environ, "PYTHONPATH": str(ROOT)}
    async with running(
        str(script), environment=variables, imported=imported, virtual=True
    ) as program:
        assert await program.communicate() == (b"ready\n", b"")
