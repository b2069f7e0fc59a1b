"""A real browser calls by real WebRTC, with a recording for a microphone."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio
import soundfile
from playwright.async_api import Page, async_playwright

from examples.phone_agent.lines import RATE, load
from pulse_plugins.local import PulseServer, ServerOptions
from pulse_plugins.local.pocketsphinx import PocketSphinxRecognizer
from tests.phone_agent.answering import agent

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium, from the system's packages"),
    pytest.mark.timeout(150),
]
PATIENCE = 60_000  # ms


@pytest.fixture
def microphone(tmp_path: Path) -> Path:
    """A caller who lets the agent greet, asks for a table, and gives a name."""
    noise = np.random.default_rng(0).normal(0, 10, 60 * RATE).astype(np.int16)
    for at, name in ((8.0, "table"), (20.0, "name")):
        line = load(name)
        noise[round(at * RATE) : round(at * RATE) + len(line)] = line
    path = tmp_path / "microphone.wav"
    soundfile.write(path, np.repeat(noise, 6), 6 * RATE)  # Chromium wants 48 kHz
    return path


@pytest_asyncio.fixture
async def page(microphone: Path, tmp_path: Path) -> AsyncIterator[Page]:
    recognizer = PocketSphinxRecognizer(language_model="bookings", decoders=2)
    try:
        await recognizer.warm()
        async with (
            PulseServer(ServerOptions(recognizer=recognizer)) as pulse,
            agent(f"sqlite:///{tmp_path}/b.db", pulse=pulse) as answering,
            async_playwright() as playwright,
        ):
            browser = await playwright.chromium.launch(
                executable_path=CHROMIUM,
                args=[
                    "--no-sandbox",
                    "--use-fake-ui-for-media-stream",
                    "--use-fake-device-for-media-stream",
                    f"--use-file-for-fake-audio-capture={microphone}%noloop",
                    "--autoplay-policy=no-user-gesture-required",
                ],
            )
            made = await browser.new_page(viewport={"width": 1000, "height": 720})
            await made.goto(answering.url.removesuffix("/twilio"))
            yield made
            await made.goto("about:blank")  # hangs up; a browser that is killed is missed later
            await browser.close()
    finally:
        await recognizer.close()


async def test_the_page_shows_the_words_that_were_spoken(page: Page) -> None:
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")  # the call button comes first
    await page.wait_for_selector("#state.live", timeout=PATIENCE)
    await page.wait_for_selector("#talk .agent", timeout=PATIENCE)
    await page.wait_for_selector("#talk .caller.interim", timeout=PATIENCE)
    await page.click("#cut")
    await page.wait_for_selector("#talk .caller.final", timeout=PATIENCE)
    await page.wait_for_function(
        "document.querySelector('[data-slot=name]').textContent === 'Robert Miller'",
        timeout=PATIENCE,
    )
    text = (await page.inner_text("#talk")).lower()
    assert "table for four people" in text
    assert "robert miller" in text
    assert "answered" in text
    assert await page.inner_text("[data-slot=party]") == "4"
    assert await page.inner_text("#reconnects") == "1"
    assert float((await page.inner_text("#lost")).split()[0]) == 0.0
    assert problems == []


async def test_the_page_fits_a_phone_and_needs_nobody_else(page: Page) -> None:
    elsewhere: list[str] = []
    page.on("request", lambda request: elsewhere.append(request.url))
    await page.set_viewport_size({"width": 390, "height": 844})
    await page.reload()
    assert await page.evaluate("document.documentElement.scrollWidth") <= 390
    assert {url.split("/")[2] for url in elsewhere} == {page.url.split("/")[2]}
    for name in ("call", "cut"):
        box = await page.locator(f"#{name}").bounding_box()
        assert box is not None
        assert box["height"] >= 44  # a thumb hits it
