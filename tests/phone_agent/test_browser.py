"""A real browser calls by real WebRTC, with a recording for a microphone."""

from __future__ import annotations

import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import pytest_asyncio
import soundfile
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, ConsoleMessage, Page, async_playwright

from examples.phone_agent.lines import RATE, load
from pulse_plugins.local import PulseServer, ServerOptions
from pulse_plugins.local.recognizers.pocketsphinx import PocketSphinxRecognizer
from tests.phone_agent.answering import Agent, agent, all_free

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium, from the system's packages"),
    pytest.mark.asyncio(loop_scope="module"),
]
PATIENCE = 60_000  # ms
GREETING = "Hello, this is the Lemon Tree. How many people, and when?"
WIDE, NARROW = (1280, 800), (390, 844)
FULL_CALL = """
    for (let turn = 0; turn < 12; turn += 1) {
      heard({ text: `turn ${turn}: a table for four people on Friday please`, final: true });
      onServer.answered({ seconds: 0.71 });
      said({ text: `Answer ${turn}. At what time?`, segment_id: turn });
    }
    heard({ text: 'Donaudampfschifffahrtsgesellschaftskapitaenswitwe'.repeat(2), final: false });
    onServer.booking({
      party: 'twelve people', day: 'Wednesday, 30 September',
      time: 'quarter to twelve in the morning',
      name: 'Bartholomew Featherstonehaugh-Cholmondeley', phone: '151055501001234', booked: true,
    });
    onServer.line({ connected: false, reconnects: 12, replayed: 123.4, lost: 10.0 });
"""
OVERFLOWING = """[...document.querySelectorAll('body, body *')]
    .filter((each) => each.scrollWidth > each.clientWidth + 1 && each.clientWidth > 0
        && getComputedStyle(each).display !== 'inline')
    .map((each) => each.id || each.outerHTML.slice(0, 80))"""


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


@asynccontextmanager
async def browser_with(*arguments: str) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", *arguments]
        )
        yield browser
        await browser.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    """One for all pages that need no microphone; it takes a second to start."""
    async with browser_with() as made:
        yield made


@asynccontextmanager
async def page_of(
    answering: Agent,
    browser: Browser,
    size: tuple[int, int] = WIDE,
    scheme: Literal["light", "dark"] = "light",
) -> AsyncIterator[Page]:
    """The agent's page, which nothing else in the browser has cookies or a store with."""
    width, height = size
    made = await browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
    problems: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if message.type == "error":
            problems.append(message.text)

    made.on("pageerror", lambda error: problems.append(str(error)))
    made.on("console", note)
    await made.goto(answering.origin)
    yield made
    await made.goto("about:blank")  # hangs up; a page that is closed is missed later
    await made.close()
    assert problems == []


async def test_a_call_is_shown_as_it_happens(microphone: Path, tmp_path: Path) -> None:
    recognizer = PocketSphinxRecognizer(language_model="bookings", decoders=2)
    arguments = (
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-audio-capture={microphone}%noloop",
        "--autoplay-policy=no-user-gesture-required",
    )
    try:
        await recognizer.warm()
        async with (
            PulseServer(ServerOptions(recognizer=recognizer)) as pulse,
            agent(f"sqlite:///{tmp_path}/b.db", pulse=pulse) as answering,
        ):
            async with browser_with(*arguments) as calling, page_of(answering, calling) as page:
                await call_and_cut(page, pulse)
                assert answering.browser_lines.open == 1
                assert answering.lines.open == 0
            await all_free(answering.browser_lines)
    finally:
        await recognizer.close()


async def call_and_cut(page: Page, pulse: PulseServer) -> None:
    await page.focus("#call")
    await page.keyboard.press("Enter")
    await page.wait_for_selector("#state.live", timeout=PATIENCE)
    await page.wait_for_selector("#talk .agent", timeout=PATIENCE)
    assert await page.locator("#talk .agent").first.inner_text() == GREETING
    await page.wait_for_selector("#talk .caller.interim", timeout=PATIENCE)
    await page.click("#cut")
    await page.wait_for_selector("#line-card.cut", timeout=PATIENCE)
    assert await page.locator("#state.cut").is_visible()
    assert await page.locator("#cut").is_disabled()
    await page.wait_for_selector("#line-card:not(.cut)", timeout=PATIENCE)
    assert await page.inner_text("#state") == "On the line"
    name = page.locator("[data-slot=name]", has_text="Robert Miller")
    await name.wait_for(timeout=PATIENCE)
    text = (await page.inner_text("#talk")).lower()
    assert "table for four people" in text
    assert "robert miller" in text
    # The VAD alone waits for 0.5 s of silence, so a smaller number counts from a later moment.
    answers = re.findall(r"answered ([\d.]+) s after the end of speech", text)
    assert answers
    assert all(float(seconds) > 0.5 for seconds in answers)
    assert await page.inner_text("[data-slot=party]") == "four people"
    assert await page.inner_text("[data-slot=time]") == "half past seven in the evening"
    # One is the cut. A recognizer that falls far behind on a busy machine costs others, and an
    # outage in which several connections were tried counts once.
    assert 1 <= int(await page.inner_text("#reconnects")) < len(pulse.connections)
    assert float((await page.inner_text("#lost")).split()[0]) == 0.0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
async def test_a_full_page_fits_and_can_be_read(
    browser: Browser, tmp_path: Path, size: tuple[int, int], scheme: Literal["light", "dark"]
) -> None:
    async with (
        agent(f"sqlite:///{tmp_path}/b.db") as answering,
        page_of(answering, browser, size, scheme) as page,
    ):
        assert (await Axe().run(page)).response["violations"] == []
        await page.evaluate(FULL_CALL)
        assert await page.evaluate("document.documentElement.scrollWidth") <= size[0]
        assert await page.evaluate(OVERFLOWING) == []
        for element in ("#cut", "#call"):
            await page.evaluate(f"document.querySelector('{element}').disabled = false")
        report = await Axe().run(page)
        assert report.response["violations"] == [], report.generate_report()
        await page.wait_for_timeout(200)  # two frames, for the observer of the size
        newest = await page.locator("#talk li").last.bounding_box()
        footer = await page.locator("footer").bounding_box()
        card = await page.locator("#scroll").bounding_box()
        assert newest is not None
        assert footer is not None
        assert card is not None
        assert newest["y"] + newest["height"] <= card["y"] + card["height"] + 1
        assert card["y"] + card["height"] <= footer["y"]
        await page.evaluate(
            "state('On the line', 'live'); onServer.line({connected: true, "
            "reconnects: 1, replayed: 0, lost: 0}); "
            "document.querySelector('#call').classList.add('hang-up')"
        )
        assert (await Axe().run(page)).response["violations"] == []


async def test_a_thumb_hits_the_buttons_and_the_page_needs_no_other_host(
    browser: Browser, tmp_path: Path
) -> None:
    asked: list[str] = []
    async with (
        agent(f"sqlite:///{tmp_path}/b.db") as answering,
        page_of(answering, browser, NARROW) as page,
    ):
        page.on("request", lambda request: asked.append(request.url))
        await page.reload()
        assert {url.split("/")[2] for url in asked} == {page.url.split("/")[2]}
        call = await page.locator("#call").bounding_box()
        cut = await page.locator("#cut").bounding_box()
    assert call is not None
    assert cut is not None
    assert min(call["height"], cut["height"]) >= 44
    assert call["y"] - (cut["y"] + cut["height"]) >= 100  # nobody hits "Cut" for "Hang up"
