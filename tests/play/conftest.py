"""Worlds to walk in, prompts to begin at, and a browser."""

import shutil

import pytest
from websockets.sync.client import connect

from genieredux.envs import EnvConfig
from genieredux.models.world.fake import FakeWorld
from genieredux.play import Scene
from playing import Page, prompts_for, running

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def browser():
    api = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield browser
        browser.close()


@pytest.fixture
def open_tab(browser):
    """Opens tabs; whatever one complains about fails the test."""
    contexts, complaints = [], []

    def open_one(**options):
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        contexts.append(context)
        tab = context.new_page()
        tab.set_default_timeout(60_000)
        tab.on("console", lambda message: message.type == "error" and complaints.append(message.text))
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        return tab

    yield open_one
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def tab(open_tab):
    return open_tab()


@pytest.fixture
def world():
    return FakeWorld()


@pytest.fixture
def prompts(world):
    return prompts_for(world)


@pytest.fixture
def scene(world, prompts):
    return Scene("Tiles", world, prompts)


@pytest.fixture
def page(scene):
    """A page that steers the scene, at the socket itself."""
    with running(scene, fps=60) as (address, _), connect(f"ws://{address}/dream") as it:
        yield Page(it)


@pytest.fixture
def beside():
    """A scene with a real game beside it: one platformer that the package ships."""
    names = ("RIGHT", "LEFT", "UP", "DOWN", "ACTION_JUMP")
    world = FakeWorld(names, noise=0.1)
    game = EnvConfig(kind="fake", game="Fake", image_size=64, action_names=names)
    return Scene("Platforms", world, prompts_for(world), game=game, to_game=(0, 1, 2, 3, 4))
