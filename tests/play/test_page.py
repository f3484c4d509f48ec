"""The page in a real browser. Skipped where there is no Chromium."""

import re
import shutil

import pytest

from genieredux.models.world.fake import FakeWorld

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture
def tab():
    """An empty tab; whatever it complains about fails the test."""
    api = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    complaints = []
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        tab = browser.new_page(viewport={"width": 1280, "height": 900})
        tab.on("console", lambda message: message.type == "error" and complaints.append(message.text))
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        yield tab
        browser.close()
    assert complaints == []


def pixels(tab):
    return tab.evaluate("[...document.getElementById('frame').getContext('2d').getImageData(0, 0, 64, 64).data]")


def wait(tab, name, expected):
    """Until the element with this id says so. (The page's security policy forbids waiting by a script.)"""
    tab.locator(f"#{name}", has_text=re.compile(f"^{re.escape(expected)}$")).wait_for(timeout=60_000)


def text(tab, name):
    return tab.locator(f"#{name}").inner_text()


def test_a_person_can_walk(tab, prompts, running):
    with running(FakeWorld(noise=0.05), prompts, max_fps=60, name="Tiles") as (address, _):
        tab.goto(f"http://{address}/")
        wait(tab, "start", "1 of 3")
        assert text(tab, "name") == "Tiles"
        first = pixels(tab)
        assert first[:3] == prompts[0].frames[-1][0, 0].tolist()
        assert tab.locator("#veil").is_visible()

        tab.keyboard.down("ArrowRight")
        wait(tab, "action", "RIGHT")
        tab.keyboard.down("Space")
        wait(tab, "action", "RIGHT_UP")
        assert text(tab, "status") == "dreaming"
        tab.keyboard.up("Space")
        tab.keyboard.up("ArrowRight")
        wait(tab, "status", "waiting for a key")
        assert pixels(tab) != first

        tab.keyboard.press("e")
        assert tab.locator("#heat").is_visible()
        assert text(tab, "unsure").endswith("nats")
        tab.keyboard.press("n")
        wait(tab, "start", "2 of 3")

        left = tab.locator("#pad button", has_text="LEFT")
        left.hover()
        tab.mouse.down()
        wait(tab, "action", "LEFT")
        tab.mouse.up()
        tab.get_by_role("button", name="Keep going").click()
        before = int(text(tab, "number"))
        for _ in range(100):
            if int(text(tab, "number")) > before + 5:
                break
            tab.wait_for_timeout(50)
        assert int(text(tab, "number")) > before + 5
        tab.keyboard.press("p")
        wait(tab, "status", "paused")
        tab.keyboard.press("r")
        wait(tab, "number", "0")


def test_it_fits_a_phone_and_says_when_the_program_ends(tab, world, prompts, running):
    tab.set_viewport_size({"width": 390, "height": 844})
    with running(world, prompts) as (address, _):
        tab.goto(f"http://{address}/")
        wait(tab, "start", "1 of 3")
        assert tab.evaluate("document.documentElement.scrollWidth") <= 390
        bottom = tab.evaluate("document.getElementById('pad').getBoundingClientRect().bottom")
        assert bottom <= 844  # the buttons are in reach without scrolling
    wait(tab, "status", "the program has ended, or the connection is lost: trying again")
    tab.close()
